"""Which windows: tile plans over the frame."""

from segtile.grid.aligned import plan_aligned
from segtile.grid.draw import draw_plan
from segtile.grid.stats import GridStats, compare
from segtile.grid.uniform import plan_uniform

__all__ = ["GridStats", "compare", "draw_plan", "plan_aligned", "plan_uniform"]
