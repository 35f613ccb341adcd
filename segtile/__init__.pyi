from segtile import solar as solar
from segtile.cutout import Cutout as Cutout
from segtile.cutout import cutout as cutout
from segtile.cutout import mask as mask
from segtile.cutout import plan_grid as plan_grid
from segtile.detect import detect as detect
from segtile.detected import Instance as Instance
from segtile.detection import DetectionResult as DetectionResult
from segtile.edit.diff import diffmerge as diffmerge
from segtile.edit.edited import Edited as Edited
from segtile.edit.job import edit as edit
from segtile.edit.merged import DiffMerge as DiffMerge
from segtile.errors import SegtileError as SegtileError
from segtile.raster import open_raster as open_raster
from segtile.recipe import Recipe as Recipe
from segtile.recipe import load_recipe as load_recipe
from segtile.segment import segment as segment
from segtile.types import Box as Box
from segtile.types import CoarseMap as CoarseMap
from segtile.types import CutoutResult as CutoutResult
from segtile.types import Grid as Grid
from segtile.types import ImageInfo as ImageInfo
from segtile.types import Raster as Raster

__version__: str
