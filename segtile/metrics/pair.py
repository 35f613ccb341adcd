"""A prediction beside its truth, checked once and cut down to the pixels that can matter.

Nearly every figure gets nothing from pixels that are 0 in both alphas, and on a frame of 12000 px these are most of
them. A `Pair` keeps both frames as they came (8 bits stay 8 bits) and knows the box outside which both are 0; a
function states why working in that box is exact for it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from segtile.errors import BadInput
from segtile.types import Array, BoolArray, Box, FloatArray

#: (h, w) uint8 or uint16 over their whole range, bool, or float in [0, 1].
Alpha = npt.NDArray[Any]
#: (h, w) uint8, 1 in the object and 0 outside.
Mask = npt.NDArray[np.uint8]

_STRIP = 1024  # rows looked at at once: 12000 px wide that is 12 MB of a mask, 49 MB of float32
_P = ParamSpec("_P")
_R = TypeVar("_R")


def checked(alpha: Array, what: str) -> Alpha:
    """An alpha that the metrics may trust, in its own dtype (bool becomes uint8 0 and 255).

    Args:
        alpha: (h, w) uint8, uint16, bool, or floating in [0, 1].
        what: how the sentence of an error names it.

    Raises:
        BadInput: another dtype or number of axes, no pixel, a value out of range, or NaN.
    """
    if not isinstance(alpha, np.ndarray) or alpha.ndim != 2:
        raise BadInput(f"{what} must be an array of (height, width), not {getattr(alpha, 'shape', type(alpha))}")
    if not alpha.size:
        raise BadInput(f"{what} has no pixel: its size is {alpha.shape[1]}x{alpha.shape[0]}")
    if alpha.dtype == np.bool_:
        return alpha.view(np.uint8) * np.uint8(255)
    if not alpha.dtype.isnative:
        alpha = alpha.astype(alpha.dtype.newbyteorder("="))
    if alpha.dtype in (np.uint8, np.uint16):
        return alpha
    if alpha.dtype.kind != "f":
        raise BadInput(f"{what} must be uint8, uint16, bool or float in 0..1, not {alpha.dtype}")
    for y in range(0, alpha.shape[0], _STRIP):
        low, high = float(alpha[y : y + _STRIP].min()), float(alpha[y : y + _STRIP].max())  # NaN wins in both
        if np.isnan(low):
            raise BadInput(f"{what} holds NaN: a pixel without an alpha cannot be measured")
        if low < 0 or high > 1:
            raise BadInput(f"{what} holds {low if low < 0 else high:g}: float alpha goes from 0 to 1")
    return alpha


def full_scale(dtype: np.dtype[Any]) -> int:
    """The value that means 1: 255, 65535, or 1 for floats."""
    return 255 if dtype == np.uint8 else 65535 if dtype == np.uint16 else 1


def unit(block: Alpha) -> FloatArray:
    """A block of alpha as float32 in [0, 1]; meant for strips and tiles, not for frames."""
    if block.dtype.kind == "f":
        return block.astype(np.float32, copy=False)
    return block.astype(np.float32) / np.float32(full_scale(block.dtype))


def mask_of(alpha: Alpha) -> Mask:
    """Where alpha >= 0.5, as (h, w) uint8 0 and 1: levels from 128 of 255 and from 32768 of 65535."""
    half = (full_scale(alpha.dtype) + 1) // 2 if alpha.dtype.kind == "u" else 0.5
    return (alpha >= half).view(np.uint8)


def bounds(alpha: Alpha) -> Box:
    """The smallest box that holds every pixel that is not 0; empty where there is none."""
    found = Box(0, 0, 0, 0)
    for y in range(0, alpha.shape[0], _STRIP):
        strip = alpha[y : y + _STRIP]
        x, top, w, h = cv2.boundingRect(strip if strip.dtype == np.uint8 else (strip > 0).view(np.uint8))
        found = found | Box(x, y + top, x + w, y + top + h)
    return found


def tiles(box: Box, side: int) -> Iterator[Box]:
    """Boxes of at most `side` px that partition `box`, row by row."""
    for y in range(box.y0, box.y1, side):
        for x in range(box.x0, box.x1, side):
            yield Box(x, y, x + side, y + side) & box


@dataclass(frozen=True)
class Region:
    """Some pixels of a frame: `bits` is (h, w) uint8 over `box`, not 0 where a pixel belongs; none lie outside it."""

    bits: Mask
    box: Box

    @classmethod
    def of(cls, chosen: BoolArray) -> Region:
        """The region of a full-frame mask, (h, w) bool or uint8, for example `trimap == 128`.

        Raises:
            BadInput: not a mask.
        """
        if not isinstance(chosen, np.ndarray) or chosen.ndim != 2 or chosen.dtype not in (np.bool_, np.uint8):
            raise BadInput("a region is an array of (height, width), bool or uint8")
        return cls(chosen.view(np.uint8), Box.frame(chosen.shape[1], chosen.shape[0]))

    @cached_property
    def count(self) -> int:
        """Pixels in the region."""
        return int(np.count_nonzero(self.bits))

    def window(self, box: Box) -> Mask:
        """(h, w) uint8 over any box, 0 where the region was not given."""
        if self.box.contains(box):
            return self.bits[box.within(self.box).slices]
        out = np.zeros((box.height, box.width), np.uint8)
        common = self.box & box
        if not common.empty:
            out[common.within(box).slices] = self.bits[common.within(self.box).slices]
        return out


@dataclass(frozen=True)
class Pair:
    """A checked prediction and truth of one size; `box` is the smallest that holds every pixel not 0 in either.

    Where both are 0 everywhere `box` is the top left pixel, so that no function has to work on no pixels.
    """

    pred: Alpha
    truth: Alpha
    box: Box

    @classmethod
    def of(cls, pred: Array, truth: Array) -> Pair:
        """Check two alphas and find the box that matters.

        Raises:
            BadInput: one of them is no alpha (see `checked`), or their sizes differ.
        """
        pred, truth = checked(pred, "the prediction"), checked(truth, "the truth")
        if pred.shape != truth.shape:
            raise BadInput(
                f"the prediction is {pred.shape[1]}x{pred.shape[0]} and the truth {truth.shape[1]}x{truth.shape[0]}: "
                "bring it to the truth's size first (segtile.metrics.matte.fit)"
            )
        box = bounds(pred) | bounds(truth)
        return cls(pred, truth, Box(0, 0, 1, 1) if box.empty else box)

    @property
    def frame(self) -> Box:
        """The box of the whole picture."""
        return Box.frame(self.truth.shape[1], self.truth.shape[0])

    @cached_property
    def _memo(self) -> dict[str, Any]:
        return {}

    def once(self, name: str, work: Callable[[Pair], _R]) -> _R:
        """The result of `work` on this pair, computed at the first call under this name."""
        if name not in self._memo:
            self._memo[name] = work(self)
        found: _R = self._memo[name]
        return found

    @property
    def masks(self) -> tuple[Mask, Mask]:
        """P and G over `box`, uint8 0 and 1."""
        return self.once("masks", lambda pair: (pair.mask("pred", pair.box), pair.mask("truth", pair.box)))

    def mask(self, which: Literal["pred", "truth"], box: Box) -> Mask:
        """P or G over a box of the frame, uint8 0 and 1."""
        return mask_of((self.pred if which == "pred" else self.truth)[box.slices])

    def windows(self, box: Box) -> tuple[Alpha, Alpha]:
        """Prediction and truth over a box of the frame in one dtype: uint8, uint16 or float32, whichever holds both."""
        a, b = self.pred[box.slices], self.truth[box.slices]
        if a.dtype == b.dtype and a.dtype in (np.uint8, np.uint16, np.float32):
            return a, b
        if a.dtype.kind == b.dtype.kind == "u":
            return _wide(a), _wide(b)
        return unit(a), unit(b)


def _wide(block: Alpha) -> npt.NDArray[np.uint16]:
    """8 bits as 16, without loss: 255 * 257 = 65535."""
    return block if block.dtype == np.uint16 else block.astype(np.uint16) * np.uint16(257)


class PairFunction(Generic[_P, _R]):
    """A function of a pair, called with two arrays: `f(pred, truth, ...)`; `f.on_pair(pair, ...)` shares a pair."""

    def __init__(self, function: Callable[Concatenate[Pair, _P], _R]) -> None:
        self.on_pair = function
        functools.update_wrapper(self, function)
        self.__dict__.pop("__wrapped__")  # or help() would show the signature without the two arrays

    def __call__(self, pred: Array, truth: Array, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """`pred` and `truth`: (h, w) uint8, uint16, bool or float in [0, 1], of one size; else BadInput."""
        return self.on_pair(Pair.of(pred, truth), *args, **kwargs)
