"""segtile cuts objects out of very large photographs, right to the pixel."""

import importlib
import logging
from typing import Any

__version__ = "0.1.0"

logging.getLogger("segtile").addHandler(logging.NullHandler())

# name -> module; imported on first use, so that `import segtile` costs next to nothing.
_PUBLIC = {
    "Cutout": "segtile.cutout",
    "cutout": "segtile.cutout",
    "mask": "segtile.cutout",
    "detect": "segtile.detect",
    "segment": "segtile.segment",
    "DetectionResult": "segtile.detection",
    "Instance": "segtile.detected",
    "plan_grid": "segtile.cutout",
    "diffmerge": "segtile.edit.diff",
    "DiffMerge": "segtile.edit.merged",
    "Edited": "segtile.edit.edited",
    "Recipe": "segtile.recipe",
    "load_recipe": "segtile.recipe",
    "open_raster": "segtile.raster",
    "SegtileError": "segtile.errors",
    "Box": "segtile.types",
    "CoarseMap": "segtile.types",
    "CutoutResult": "segtile.types",
    "Grid": "segtile.types",
    "ImageInfo": "segtile.types",
    "Raster": "segtile.types",
}

# packages that are called by their own name; always the package, so that what is in it can be reached as well
_CALLED = ("edit", "solar")

__all__ = ["__version__", *_CALLED, *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name in _CALLED:
        return importlib.import_module(f"segtile.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'segtile' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
