"""Settings of detection by slices, checked before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from segtile.errors import BadInput
from segtile.grid.regions import Polygon
from segtile.slicing.plan import Scale, check_slices
from segtile.types import Box, CoarseMap

#: The catalogue's own detector.
MODEL = "jewels"

GridName: TypeAlias = Literal["uniform", "aligned"]
Fusion: TypeAlias = Literal["strip", "greedy-nmm", "nmm", "nms", "none"]
Metric: TypeAlias = Literal["IOS", "IOU"]


@dataclass(frozen=True)
class SliceSettings:
    """Which slices are looked at and how their answers are fused; what each means is said in `segtile.detect`.

    Raises:
        BadInput: an unknown grid, method or metric, or a number that is out of its range.
    """

    slice: int | tuple[int, int] | None
    overlap: float
    grid: GridName
    scales: Sequence[Scale] | None
    roi: Sequence[Box | Polygon] | None
    fusion: Fusion
    metric: Metric
    threshold: float
    confidence: float
    class_agnostic: bool
    coarse: str | CoarseMap | None

    def __post_init__(self) -> None:
        for what, value, known in (
            ("grid", self.grid, get_args(GridName)),
            ("fusion", self.fusion, get_args(Fusion)),
            ("metric", self.metric, get_args(Metric)),
        ):
            if value not in known:
                raise BadInput(f"there is no {what} {value!r}: use one of {', '.join(known)}")
        check_slices(self.slice, self.overlap, (1.0,) if self.scales is None else self.scales)
        for what, number in (("threshold", self.threshold), ("confidence", self.confidence)):
            if not isinstance(number, int | float) or not 0 <= number <= 1:
                raise BadInput(f"the {what} is a number from 0 to 1, not {number!r}")
