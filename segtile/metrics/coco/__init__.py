"""COCO average precision: pycocotools' numbers from data that is checked first, boundaries, fragments and merges."""

from segtile.metrics.coco.evaluate import evaluate
from segtile.metrics.coco.report import ClassRow, CocoReport, Curves
from segtile.metrics.coco.settings import AREAS_COCO, AREAS_FRAME, Areas, BandDiagonal, BandPx, band_of

__all__ = [
    "AREAS_COCO",
    "AREAS_FRAME",
    "Areas",
    "BandDiagonal",
    "BandPx",
    "ClassRow",
    "CocoReport",
    "Curves",
    "band_of",
    "evaluate",
]
