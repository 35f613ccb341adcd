"""COCO average precision: pycocotools' numbers from data that is checked first, boundaries, fragments and merges."""

from segtile.metrics.coco.evaluate import evaluate
from segtile.metrics.coco.fragments import AsOne, FragmentReport, FragmentRules, InPieces, fragments
from segtile.metrics.coco.report import ClassRow, CocoReport, Curves, csv_text, json_text, markdown
from segtile.metrics.coco.settings import AREAS_COCO, AREAS_FRAME, Areas, BandDiagonal, BandPx, band_of

__all__ = [
    "AREAS_COCO",
    "AREAS_FRAME",
    "Areas",
    "AsOne",
    "BandDiagonal",
    "BandPx",
    "ClassRow",
    "CocoReport",
    "Curves",
    "FragmentReport",
    "FragmentRules",
    "InPieces",
    "band_of",
    "csv_text",
    "evaluate",
    "fragments",
    "json_text",
    "markdown",
]
