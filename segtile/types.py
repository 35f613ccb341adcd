"""The value types that travel between the rooms.

Conventions, stated once for the whole package:

* Points are (x, y); x grows to the right, y grows down. Arrays are indexed [y, x].
* A box is half-open in integer pixels: it holds the columns x0 .. x1 - 1 and the rows y0 .. y1 - 1.
* Unless a name says otherwise, coordinates are pixels of the full, upright frame.
* Pixel (x, y) is the unit square [x, x + 1) x [y, y + 1); scaling a box scales these squares, so there is no half-pixel
  offset to remember: ``Box.scaled`` rounds outwards and always covers what it came from.
* Alpha is straight (not premultiplied): 0 is background, 1 is object; stored as uint16 it is alpha * 65535.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]
AlphaArray = npt.NDArray[np.uint16]

#: ``on_progress(done, total, stage)``; every long loop takes one, only the command line draws it.
Progress = Callable[[int, int, str], None]

#: How often a refiner looks at a tile; "auto" is again where its answer is far from what it was told.
Looks = Literal["auto", 1, 2, 3]


def no_progress(done: int, total: int, stage: str) -> None:
    """The progress callback that does nothing."""


@dataclass(frozen=True, order=True)
class Box:
    """A half-open rectangle of whole pixels: columns x0 .. x1 - 1, rows y0 .. y1 - 1. Empty boxes are allowed."""

    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def frame(cls, width: int, height: int) -> Box:
        """The box of a whole picture."""
        return cls(0, 0, width, height)

    @property
    def width(self) -> int:
        """Columns, never negative."""
        return max(0, self.x1 - self.x0)

    @property
    def height(self) -> int:
        """Rows, never negative."""
        return max(0, self.y1 - self.y0)

    @property
    def area(self) -> int:
        """Pixels in the box."""
        return self.width * self.height

    @property
    def empty(self) -> bool:
        """True where the box holds no pixel."""
        return self.x1 <= self.x0 or self.y1 <= self.y0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices: ``array[box.slices]`` is the box of a full-frame array."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def __and__(self, other: Box) -> Box:
        """The pixels in both boxes (possibly empty)."""
        return Box(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    def __or__(self, other: Box) -> Box:
        """The smallest box that holds both; an empty box adds nothing."""
        if self.empty:
            return other
        if other.empty:
            return self
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def contains(self, other: Box) -> bool:
        """True where every pixel of `other` lies in this box."""
        return other.empty or (self & other) == other

    def expand(self, halo: int, bounds: Box) -> Box:
        """The box grown by `halo` px on every side, clipped to `bounds`."""
        return Box(self.x0 - halo, self.y0 - halo, self.x1 + halo, self.y1 + halo) & bounds

    def shift(self, dx: int, dy: int) -> Box:
        """The box moved by (dx, dy)."""
        return Box(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)

    def within(self, outer: Box) -> Box:
        """The box in the coordinates of `outer`'s own top left corner."""
        return self.shift(-outer.x0, -outer.y0)

    def scaled(self, fx: float, fy: float | None = None) -> Box:
        """The smallest whole-pixel box that covers this one after multiplying x by `fx` and y by `fy` (default fx)."""
        fy = fx if fy is None else fy
        eps = 1e-9  # 3 * (1 / 3) must not spill into a further pixel
        return Box(
            math.floor(self.x0 * fx + eps),
            math.floor(self.y0 * fy + eps),
            math.ceil(self.x1 * fx - eps),
            math.ceil(self.y1 * fy - eps),
        )


@dataclass(frozen=True)
class ImageInfo:
    """What is known of a picture before its pixels are read; sizes are those of the upright picture.

    `bands` counts colour bands as stored (1 grey, 3 RGB, 4 CMYK), without alpha. `dtype` is "uint8" or "uint16".
    `space` is "grey", "rgb" or "cmyk". `dpi` is (x, y) pixels per inch or None. `orientation_was` is the EXIF
    orientation (1..8) found in the file; pixels are delivered upright, so written files carry 1.
    """

    width: int
    height: int
    bands: int
    dtype: str
    space: str = "rgb"
    has_alpha: bool = False
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    exif: bytes | None = None
    orientation_was: int = 1
    path: Path | None = None
    sha256: str | None = None

    @property
    def frame(self) -> Box:
        """The box of the whole picture."""
        return Box.frame(self.width, self.height)

    @property
    def bits(self) -> int:
        """8 or 16."""
        return 16 if self.dtype == "uint16" else 8


@runtime_checkable
class Raster(Protocol):
    """A picture that is read by windows and strips, never whole unless it must be; safe to use from several threads."""

    @property
    def info(self) -> ImageInfo:
        """Size, depth, colour space and metadata."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user about what had to be assumed; more may come with the first read of pixels."""
        ...

    def window(self, box: Box) -> Array:
        """What models see: (h, w, 3) sRGB, uint8 or uint16 as the file's depth, existing transparency laid on white."""
        ...

    def strip(self, y0: int, y1: int) -> Array:
        """What is written out: (y1 - y0, width, bands) stored colour values, untouched, upright, without alpha."""
        ...

    def native(self, box: Box) -> Array:
        """As `strip`, for any box: (h, w, bands) stored colour values."""
        ...

    def alpha_strip(self, y0: int, y1: int) -> AlphaArray | None:
        """The transparency the file already has, (y1 - y0, width) uint16 scaled to 0..65535; None where it has none."""
        ...

    def preview(self, long_side: int) -> FloatArray:
        """The whole picture scaled down (never up) so that its longer side is at most `long_side`.

        (h, w, 3) float32 sRGB-encoded in [0, 1], area-averaged without rounding to 8 bits on the way.
        """
        ...

    def close(self) -> None:
        """Release file handles and temporary files."""
        ...

    def __enter__(self) -> Raster: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True)
class Background:
    """A plain or smoothly lit background as the coarse pass modelled it, on a grid of its own over the frame.

    `tone` is (h, w, 3) float32 sRGB-encoded in [0, 1], smooth over the whole frame (also under the object);
    `noise` is the standard deviation (3,) float32 of the frame's own pixels around it, at full resolution.
    """

    tone: FloatArray
    noise: FloatArray


@dataclass(frozen=True)
class CoarseMap:
    """The coarse pass's answer, on a map of (h, w) cells over the frame; `scale` is frame px per map px.

    `prob` (h, w) float32 in [0, 1]: probability of object. `unsure` (h, w) bool: the band, every cell in which the true
    edge may lie; outside it prob >= 0.5 means certainly object, else certainly background. `labels` (h, w) int32:
    0 background, 1.. the objects, 8-connected over object and band. `background` where the pass modelled one.
    `source` names the pass; `notes` are sentences for the user (why it was chosen, what it could not do). `graded`:
    inside the band too `prob` says how sure the pass is, so that refiners may rely on what is near 0 there.
    """

    prob: FloatArray
    unsure: BoolArray
    labels: IntArray
    scale: float
    frame: Box
    source: str
    background: Background | None = None
    notes: tuple[str, ...] = ()
    graded: bool = False

    @property
    def factors(self) -> tuple[float, float]:
        """Frame px per map px as (x, y); they differ a little because the map's size is whole."""
        h, w = self.prob.shape
        return self.frame.width / w, self.frame.height / h

    def to_map(self, box: Box) -> Box:
        """The map cells that cover a frame box, clipped to the map."""
        fx, fy = self.factors
        h, w = self.prob.shape
        return box.scaled(1 / fx, 1 / fy) & Box.frame(w, h)

    def to_frame(self, box: Box) -> Box:
        """The frame pixels that cover a box of map cells, clipped to the frame."""
        fx, fy = self.factors
        return box.scaled(fx, fy) & self.frame

    def cells(self, box: Box) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Map row and column index of every frame row and column of `box` (the cell that holds the pixel's centre)."""
        fx, fy = self.factors
        h, w = self.prob.shape
        rows = np.clip(((np.arange(box.y0, box.y1) + 0.5) / fy).astype(np.intp), 0, h - 1)
        cols = np.clip(((np.arange(box.x0, box.x1) + 0.5) / fx).astype(np.intp), 0, w - 1)
        return rows, cols


@dataclass(frozen=True)
class Tile:
    """One window of the plan: the tile answers for `core` and sees `read`, the core with its halo, within the frame."""

    index: int
    core: Box
    read: Box
    objects: tuple[int, ...] = ()


@dataclass(frozen=True)
class Grid:
    """A tile plan: cores never overlap and together cover the band.

    `kind` is "aligned" or "uniform"; `order` is the order in which tiles are best read (top to bottom);
    `bytes_needed` is the plan's estimate of one tile's working memory; `why` says in a sentence what was skipped and
    why that is safe.
    """

    kind: str
    frame: Box
    tiles: tuple[Tile, ...]
    tile_side: int
    halo: int
    order: tuple[int, ...]
    bytes_needed: int
    why: str


@dataclass(frozen=True)
class TileInput:
    """What a refiner gets to see of one tile; all arrays are (h, w[, c]) over `tile.read`.

    `rgb` float32 sRGB-encoded in [0, 1] (from 16 bits where the file has them). `prob` float32 coarse probability,
    interpolated. `band` bool: where the answer may differ from the coarse one. `labels` int32: the coarse pass's
    objects from 1, 0 background; every pixel of the band belongs to one. `background` float32 (h, w, 3) and `noise`
    (3,) where the coarse pass modelled them, else None. `channels` float32 (h, w, k): the solar channels the
    refiner asked for by name, in its order, None where it asked for none; `sigma` the noise of luma that those around
    the background were taken by, None where there are none. `scale` is the frame px per coarse-map px,
    `graded` whether `prob` says how sure the coarse pass is in the band too. `frame` is the whole picture's box: a
    read border that lies on it cuts nothing off.
    """

    tile: Tile
    rgb: FloatArray
    prob: FloatArray
    band: BoolArray
    scale: float
    frame: Box
    background: FloatArray | None = None
    noise: FloatArray | None = None
    channels: FloatArray | None = None
    sigma: float | None = None
    labels: IntArray | None = None
    graded: bool = False


@dataclass(frozen=True)
class TilePatch:
    """A refiner's answer over `tile.read`: `alpha` float32 in [0, 1] and `trust` float32 > 0, both (h, w)."""

    tile: Tile
    alpha: FloatArray
    trust: FloatArray
    notes: tuple[str, ...] = ()


class AlphaSource(Protocol):
    """A finished alpha that is read by rows or windows, uint16, 0..65535."""

    @property
    def frame(self) -> Box:
        """The box of the whole picture."""
        ...

    def rows(self, y0: int, y1: int) -> AlphaArray:
        """(y1 - y0, width) uint16."""
        ...

    def window(self, box: Box) -> AlphaArray:
        """(h, w) uint16."""
        ...


@dataclass(frozen=True)
class SeamReport:
    """How far neighbouring tiles disagreed in their overlap before blending, in alpha units (0..1).

    `mean` and `p99` are over all pixels that two tiles answered inside the band; `worst` is the overlap box with the
    largest mean disagreement and `worst_value` that mean; `pairs` counts the tile pairs that were compared. `warning`
    is a sentence for the user where the tiles disagree more than a blend should hide.
    """

    pairs: int
    mean: float
    p99: float
    worst: Box | None
    worst_value: float
    warning: str | None = None


@dataclass(frozen=True)
class CutoutResult:
    """What one run did: one row of manifest.jsonl. Paths are as given by the caller; seconds per stage."""

    input: str
    output: str | None
    width: int
    height: int
    coarse: str
    refine: str
    tiles_planned: int
    tiles_refined: int
    tiles_uniform: int
    share_refined: float
    seams: SeamReport | None
    seconds: dict[str, float]
    peak_rss_mb: float | None
    recipe_digest: str
    model_digests: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
