"""One tile in, one patch out: refiners know nothing of their neighbours."""

from segtile.refine.base import Refiner
from segtile.refine.inputs import make_input
from segtile.refine.registry import get_refiner

__all__ = ["Refiner", "get_refiner", "make_input"]
