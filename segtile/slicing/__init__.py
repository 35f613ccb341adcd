"""A detector over slices of one picture: which windows, reading and running them, putting the answers in place."""

from segtile.slicing.find import Sliced, find, opened, result_of
from segtile.slicing.plan import Scale, SlicePlan, Window, plan_slices
from segtile.slicing.run import Found, run_windows
from segtile.slicing.settings import MODEL, Fusion, GridName, Metric, SliceSettings

__all__ = [
    "MODEL",
    "Found",
    "Fusion",
    "GridName",
    "Metric",
    "Scale",
    "SlicePlan",
    "SliceSettings",
    "Sliced",
    "Window",
    "find",
    "opened",
    "plan_slices",
    "result_of",
    "run_windows",
]
