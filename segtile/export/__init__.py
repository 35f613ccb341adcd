"""Results out: cut-outs, masks and drawings as files that other programs can use."""

from segtile.export.alpha import object_box, with_existing
from segtile.export.foreground import estimate_foreground
from segtile.export.options import ExportOptions, ExportReport, target_name
from segtile.export.png_tiff import write_cutout, write_mask, write_picture, write_strips

__all__ = [
    "ExportOptions",
    "ExportReport",
    "estimate_foreground",
    "object_box",
    "target_name",
    "with_existing",
    "write_cutout",
    "write_mask",
    "write_picture",
    "write_strips",
]
