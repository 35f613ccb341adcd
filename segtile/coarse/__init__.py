"""Where are the things: passes over the whole picture at low resolution."""

from segtile.coarse.choose import look

__all__ = ["look"]
