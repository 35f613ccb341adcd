"""Which slices of the tables a picture belongs to: from the picture and its truth, strip by strip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segtile.evaluation.config import SliceSettings
from segtile.export.alpha import object_box
from segtile.types import AlphaArray, Array, BoolArray, Box, FloatArray, Raster

_ROWS = 512
_REACH = 8  # metrics.md: 8 px inside and 8 px outside the true edge


@dataclass(frozen=True)
class Facts:
    """What a picture and its truth are like.

    `size` is (width, height) of the truth. `contrast` is the median difference of tone across the true edge, 0..1, NaN
    where there is no edge. `thin_share` is the share of the object's pixels near its edge, 0..1, NaN without an object.
    `holes` counts the truth's holes.
    """

    size: tuple[int, int]
    contrast: float
    thin_share: float
    holes: int

    def slices(self, settings: SliceSettings) -> tuple[str, ...]:
        """The names of the slices that the picture belongs to; NaN belongs to none."""
        belongs = {
            "white_on_white": self.contrast < settings.white_contrast,
            "thin": self.thin_share >= settings.thin_share,
            "holes": self.holes >= 1,
            "large": max(self.size) > settings.large_px,
        }
        return tuple(name for name, yes in belongs.items() if yes)


def sentences(settings: SliceSettings) -> dict[str, str]:
    """Each slice in one sentence, for reports."""
    return {
        "white_on_white": f"median contrast between the {_REACH} px inside and outside the true edge under "
        f"{100 * settings.white_contrast:g} % of the tone range",
        "thin": f"at least {100 * settings.thin_share:g} % of the object lies within {settings.thin_px} px of its edge",
        "holes": "the truth has at least one hole that the metric `holes` counts",
        "large": f"long side above {settings.large_px} px",
    }


def facts_of(raster: Raster, truth: Array, settings: SliceSettings) -> Facts:
    """Measure a picture against its truth.

    Args:
        raster: the picture; where its size is not the truth's, its contrast is not defined (NaN).
        truth: (h, w) uint8 or uint16.
        settings: `thin_px` is used here, the other bounds by `Facts.slices`.
    """
    h, w = truth.shape
    inside = truth >= (128 if truth.dtype == np.uint8 else 32768)
    box = object_box(_Mask(inside))
    same = (raster.info.width, raster.info.height) == (w, h)
    return Facts(
        size=(w, h),
        contrast=contrast_across(raster, inside, box) if same else float("nan"),
        thin_share=thin_share(inside, box, settings.thin_px),
        holes=count_holes(inside, box),
    )


@dataclass(frozen=True)
class _Mask:
    """A mask as an alpha source, so that its box is found by rows."""

    inside: BoolArray

    @property
    def frame(self) -> Box:
        h, w = self.inside.shape
        return Box.frame(w, h)

    def rows(self, y0: int, y1: int) -> AlphaArray:
        return self.inside[y0:y1].astype(np.uint16) * np.uint16(65535)

    def window(self, box: Box) -> AlphaArray:
        return self.inside[box.slices].astype(np.uint16) * np.uint16(65535)


def contrast_across(raster: Raster, inside: BoolArray, box: Box) -> float:
    """Median contrast between the 8 px inside and the 8 px outside the true edge, as a share of the tone range.

    At every object pixel that touches the background, the mean tone of the object's pixels in the 17 x 17 px window
    around it is compared with the mean tone of the background's pixels in the same window; the largest difference of
    the three sRGB-encoded channels counts, since an edge that one channel shows can be seen. The median is over all
    those pixels.

    Args:
        raster: the picture, of the mask's size.
        inside: (h, w), True on the object (alpha of at least a half).
        box: the object's box.

    Returns:
        0..1; NaN where the object is empty or fills the frame.

    Source: ../shared/design/metrics.md, white on white.
    """
    frame = raster.info.frame
    area = box.expand(_REACH + 1, frame)
    found: list[FloatArray] = []
    for y0 in range(area.y0, area.y1, _ROWS):
        core = Box(area.x0, y0, area.x1, min(y0 + _ROWS, area.y1))
        read = core.expand(_REACH, frame)
        mask = inside[read.slices]
        if mask.any() and not mask.all():
            pixels = raster.window(read)
            found.append(_contrasts(pixels, mask, core.within(read)))
    values = np.concatenate(found) if found else np.empty(0, np.float32)
    return float(np.median(values)) if values.size else float("nan")


def _contrasts(pixels: Array, mask: BoolArray, core: Box) -> FloatArray:
    """The contrast at each edge pixel of the core: (n,) float32."""
    import cv2

    top = np.float32(np.iinfo(pixels.dtype).max)
    solid = mask.astype(np.uint8)
    # beyond the frame nothing is known: the replicated border makes no edge there
    touches = solid.astype(bool) & (cv2.erode(solid, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE) == 0)
    at = np.zeros_like(touches)
    at[core.slices] = touches[core.slices]
    if not at.any():
        return np.empty(0, np.float32)
    side = (2 * _REACH + 1, 2 * _REACH + 1)

    def sums(values: FloatArray) -> FloatArray:
        summed: FloatArray = cv2.boxFilter(values, cv2.CV_32F, side, normalize=False, borderType=cv2.BORDER_CONSTANT)
        return summed[at]

    weight = solid.astype(np.float32)
    within, beyond = sums(weight), sums(1 - weight)
    best = np.zeros(within.shape, np.float32)
    for channel in range(3):
        tone = pixels[..., channel].astype(np.float32) / top
        outer = sums(tone * (1 - weight)) / np.maximum(beyond, 1)
        best = np.maximum(best, np.abs(sums(tone * weight) / within - outer))
    return best[beyond > 0]


def thin_share(inside: BoolArray, box: Box, reach: int) -> float:
    """The share of the object's pixels within `reach` px (chessboard) of its outside; the frame's border is outside.

    0..1, NaN without an object.
    """
    import cv2

    if box.empty:
        return float("nan")
    total = left = 0
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    for y0 in range(box.y0, box.y1, _ROWS):
        core = Box(box.x0, y0, box.x1, min(y0 + _ROWS, box.y1))
        read = core.expand(reach, _Mask(inside).frame)
        solid = inside[read.slices].view(np.uint8)
        # `read` holds the reach around the core wherever the frame goes on, so the zeros beyond it are the frame's
        deep = cv2.erode(solid, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        left += int(np.count_nonzero(deep[core.within(read).slices]))
        total += int(np.count_nonzero(inside[core.slices]))
    return (total - left) / total


def count_holes(inside: BoolArray, box: Box) -> int:
    """The object's holes, as the metric `holes` counts them."""
    from segtile.metrics.topology import HOLE_PX, hole_areas

    return 0 if box.empty else int(np.count_nonzero(hole_areas(inside[box.slices].view(np.uint8)) >= HOLE_PX))
