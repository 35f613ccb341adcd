"""What a COCO evaluation is asked: the kind of IoU, the boundary's width, the area ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from segtile.errors import BadInput

IouType = Literal["bbox", "segm", "boundary"]
Engine = Literal["pycocotools", "fast"]

IOU_TYPES: tuple[IouType, ...] = ("bbox", "segm", "boundary")
ENGINES: tuple[Engine, ...] = ("pycocotools", "fast")

#: The widest band in px: OpenCV's distances are exact to 8192 px only.
_WIDEST = 8000


@dataclass(frozen=True)
class BandPx:
    """A boundary band of `width` px inside each mask, the same in every picture.

    A band of 2 says how well the last two pixels sit, at any size of picture.

    Raises:
        BadInput: the width is not a whole number of 1 px to 8000 px.
    """

    width: int

    def __post_init__(self) -> None:
        if isinstance(self.width, bool) or not isinstance(self.width, int) or not 1 <= self.width <= _WIDEST:
            raise BadInput(f"A boundary band must be a whole number of 1 to {_WIDEST} px, not {self.width!r}.")

    def px(self, width: int, height: int) -> int:
        """The band in a picture of this size, in px."""
        return self.width

    def __str__(self) -> str:
        return f"{self.width} px"


@dataclass(frozen=True)
class BandDiagonal:
    """A boundary band as a share of the picture's diagonal, rounded to whole px, at least 1.

    Made for comparison with papers: Cheng et al. use 0.02 on COCO and 0.008 on LVIS. **The 0.02 trap:** on COCO's
    640 x 480 that is 16 px, but at 6000 x 6000 it is 170 px and at 12000 x 12000 339 px. Such a band swallows most
    objects whole, boundary IoU becomes mask IoU, and an edge that is 10 px off costs nothing. Large pictures are
    measured with `BandPx`.

    Raises:
        BadInput: the share is not above 0 and at most 1.

    Source: Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR 2021.
    """

    share: float

    def __post_init__(self) -> None:
        good = isinstance(self.share, int | float) and not isinstance(self.share, bool) and math.isfinite(self.share)
        if not good or not 0 < self.share <= 1:
            raise BadInput(f"A band as a share of the diagonal must be above 0 and at most 1, not {self.share!r}.")

    def px(self, width: int, height: int) -> int:
        """The band in a picture of this size, in px.

        Raises:
            BadInput: it comes out wider than 8000 px.
        """
        band = max(1, round(self.share * math.sqrt(height**2 + width**2)))
        if band > _WIDEST:
            raise BadInput(f"A band of {self} is {band} px at {width}x{height} px; the widest is {_WIDEST} px.")
        return band

    def __str__(self) -> str:
        return f"{self.share:g} of the diagonal"


Band = BandPx | BandDiagonal

#: The band that cut-outs are judged by.
BAND_2PX = BandPx(2)


def band_of(value: Band | float | str) -> Band:
    """A band from what people write: `BandPx(2)`, "2px" for pixels; 0.02, "0.02" for a share of the diagonal.

    Raises:
        BadInput: it is neither, or a bare whole number, which could mean either.
    """
    if isinstance(value, BandPx | BandDiagonal):
        return value
    if isinstance(value, float):
        return BandDiagonal(value)
    if isinstance(value, str):
        text = value.strip().lower()
        try:
            if text.endswith("px"):
                return BandPx(int(text.removesuffix("px")))
            if not text.isdigit():
                return BandDiagonal(float(text))
        except ValueError as error:
            if isinstance(error, BadInput):
                raise
    raise BadInput(f"A boundary band is given in px, as 2px, or as a share of the diagonal, as 0.02; not as {value!r}.")


@dataclass(frozen=True)
class Areas:
    """Ranges of object size for which AP and AR are given apart.

    `unit` is "px" (area in px) or "frame" (area as a share of its picture). `ranges` are (name, from, to), both ends
    belonging to the range, as in COCO. AP over all sizes is always given and needs no range.

    Raises:
        BadInput: a name is taken twice or is "all", a range is empty, or its ends are not numbers.
    """

    unit: Literal["px", "frame"]
    ranges: tuple[tuple[str, float, float], ...]

    def __post_init__(self) -> None:
        if self.unit not in ("px", "frame"):
            raise BadInput(f"Area ranges are in px or in shares of the frame, not in {self.unit!r}.")
        names = [name for name, _, _ in self.ranges]
        if len({*names, "all"}) != len(names) + 1:
            raise BadInput(f"Area ranges need names of their own, and none may be called all: {', '.join(names)}.")
        for name, lo, hi in self.ranges:
            if not 0 <= lo <= hi:  # NaN is refused as well
                raise BadInput(f"The area range {name} must go from 0 or more upwards, not from {lo} to {hi}.")

    def measure(self, area: float, width: int, height: int) -> float:
        """An area in px, in this unit."""
        return area if self.unit == "px" else area / (width * height)


#: The end of COCO's last range; beyond every area that is evaluated here.
TOP = 1e5**2

#: COCO's own ranges, made for pictures of 640 x 480. In a 6000 px picture nearly every object is "large".
AREAS_COCO = Areas("px", (("small", 0, 32**2), ("medium", 32**2, 96**2), ("large", 96**2, TOP)))

#: The same ranges as shares of COCO's 640 x 480 frame: under 1/300, to 3 %, above. They mean the same at every size.
AREAS_FRAME = Areas(
    "frame",
    (
        ("small", 0, 32**2 / (640 * 480)),
        ("medium", 32**2 / (640 * 480), 96**2 / (640 * 480)),
        ("large", 96**2 / (640 * 480), TOP),
    ),
)
