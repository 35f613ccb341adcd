"""The adaptive curve: folds around a picture's own background, where white on white lives.

A fixed zigzag spends its folds evenly over the tone scale; a white object on white paper lives in the top few per cent.
Here the background's tone B(x, y) is a smooth field fitted to what the coarse pass calls background, its noise is
measured on the picture's own pixels, and the curve is a zigzag of I - B: straight and steep from the background's tone
to the tones at the object's edge, flatter up to the most different tone there, and folded only beyond.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from segtile.errors import BadInput
from segtile.solar.curves import LUMA
from segtile.types import Array, BoolArray, Box, CoarseMap, FloatArray, Raster

# The straight part reaches this far to either side of one half; the rest of [0, 1] is for the flatter tails up to the
# first folds.
SWING = 0.4
_SIGMAS = 6.0  # the straight part is at least this many sigmas to either side: more gain would draw noise as edges
_FLATTEST = 0.085  # tone; and at most this where noise allows it, for a gain of 4.7
_EDGE_SHARE = 99.0  # per cent of the tones at the edge that the straight part takes
_MARGIN = 1.25  # the first folds lie beyond the most different tone at the edge by this factor and by 4 sigmas
_ZONE = 8.0  # frame px around the coarse edge, and at least 3 cells, whose tones count as the edge's

_BACKGROUND = 0.25  # probability of object below which a cell is background
_GAP = 5.0  # cells; gaps in an edge that are narrower than twice this still shut out what it encloses
_SHADOW = 0.08  # of the longer side; shadows reach no further from their object
_LEVEL = 1.5 / 255  # tone within which a closed area counts as the background's, at least
_SCALES = (64.0, 16.0, 8.0, 4.0, 2.5)
_BLOCK = 16  # px; noise is the scatter about a plane in blocks of this side
_WINDOWS, _SIDE = 24, 128  # windows of the picture that noise is measured in, and their side in px


@dataclass(frozen=True)
class AdaptiveCurve:
    """A picture's own curve.

    `tone` (h, w, 3) float32 sRGB-encoded is the background's tone on the coarse map's grid, smooth, under the object
    too. `noise` (3,) float32 and `sigma` are the standard deviations of the frame's own pixels around it, per channel
    and of the luma; never below half a code value of the file, which is all that flat areas can tell. `straight` is the
    half-width of the straight part in tone, `below` and `above` say how far from the background the first folds lie.
    """

    tone: FloatArray
    noise: FloatArray
    sigma: float
    straight: float
    below: float
    above: float
    luma: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "luma", np.ascontiguousarray(self.tone @ LUMA))

    @property
    def gain(self) -> float:
        """Slope of the straight part: output per tone; beyond the first folds it is the same."""
        return SWING / self.straight

    def knots(self, phase: float = 0.0) -> tuple[FloatArray, FloatArray]:
        """The curve's points: differences from the background, rising over [-1, 1], and outputs in [0, 1].

        Args:
            phase: 0 to 1; the folds lie further out by this share of a segment. None ever comes nearer than at 0.
        """
        return knots_of(self.straight, self.below, self.above, phase)

    def fold(self, difference: npt.ArrayLike, phase: float = 0.0) -> FloatArray:
        """Send differences from the background through the curve.

        Args:
            difference: I - B, any shape, in [-1, 1].
            phase: see `knots`.

        Returns:
            float32 in [0, 1], same shape; 0.5 at the background's tone.
        """
        x, y = self.knots(phase)
        return np.interp(np.asarray(difference), x, y).astype(np.float32)

    def segment(self, difference: npt.ArrayLike, phase: float = 0.0) -> npt.NDArray[np.int32]:
        """Which segment between folds a difference falls in: 0 around the background, +-1 past the first fold, ..."""
        x, _ = self.knots(phase)
        folds = x[np.abs(x) > self.straight]
        return (np.searchsorted(folds, np.asarray(difference)) - np.count_nonzero(folds < 0)).astype(np.int32)


def knots_of(straight: float, below: float, above: float, phase: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """The points of a curve around a background; fields and argument as of `AdaptiveCurve` and its `knots`."""
    if not 0 <= phase <= 1:
        raise BadInput(f"the adaptive curve's phase is 0 to 1, not {phase}")
    step = straight / SWING
    x: list[float] = [-straight, 0.0, straight]
    y: list[float] = [0.5 - SWING, 0.5, 0.5 + SWING]
    for sign, first, end in ((1, above, 1.0), (-1, below, 0.0)):
        at = first + phase * step
        value = end
        while True:
            place = len(x) if sign > 0 else 0
            x.insert(place, sign * at)
            y.insert(place, value)
            if at > 1.0:
                break
            at, value = at + step, 1.0 - value
    return np.array(x, np.float64), np.array(y, np.float64)


def adapt(raster: Raster, coarse: CoarseMap) -> AdaptiveCurve:
    """Estimate a picture's adaptive curve from what the coarse pass calls background.

    The field is a robust quadratic surface through the background, and what it leaves over there, averaged at
    ever smaller scales (so that soft shadows are followed up to the object, and light across the picture everywhere).

    Args:
        raster: the picture.
        coarse: any coarse pass's answer for it.

    Returns:
        The curve.

    Raises:
        BadInput: the coarse pass found no background.
        ReadError: the picture cannot be read.
    """
    height, width = coarse.prob.shape
    preview = raster.preview(max(height, width))
    if preview.shape[:2] != (height, width):
        preview = np.asarray(cv2.resize(preview, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    sure = _background(coarse, np.ascontiguousarray(preview @ LUMA))
    if not sure.any():
        raise BadInput("the adaptive solar curve needs background, and the coarse pass found none")
    tone = smooth_field(preview, sure)
    noise, sigma = measure_noise(raster, coarse, sure)
    below, above, straight = _edge_tones(preview @ LUMA - tone @ LUMA, coarse, sigma)
    straight = max(_SIGMAS * sigma, min(straight, _FLATTEST))
    # a fold nearer than where the straight line itself meets the end of the range would make the tail steeper
    nearest = straight * 0.5 / SWING
    below, above = (max(reach * _MARGIN + 4 * sigma, nearest) for reach in (below, above))
    return AdaptiveCurve(tone, noise, sigma, straight, below, above)


def steady_edges(phases: FloatArray) -> FloatArray:
    """What looks like an edge at every phase: the smallest strength of the lines in a stack of folded channels.

    A fold line is a crease that lies elsewhere at another phase, so at one of them nothing is there.

    Args:
        phases: (n, h, w) float32, the same picture through one curve at n >= 2 phases.

    Returns:
        (h, w) float32 >= 0: the least absolute Laplacian.
    """
    lines = [np.abs(cv2.Laplacian(np.ascontiguousarray(p, np.float32), cv2.CV_32F, ksize=1)) for p in phases]
    return np.asarray(np.minimum.reduce(lines), np.float32)


def _background(coarse: CoarseMap, luma: FloatArray) -> BoolArray:
    """Cells that the coarse pass takes for background, in the band too, less what sharp edges part from it.

    A white object that the coarse pass missed must not become background here, or its edge would be lost for good. It
    is parted from the paper by an edge that is sharp at the finest scale, a shadow is not; and its tone is another one.
    """
    near = cv2.dilate((coarse.prob >= 0.5).astype(np.uint8), np.ones((5, 5), np.uint8))
    calm = (coarse.prob < _BACKGROUND) & (near == 0)
    if np.count_nonzero(calm) < 16:
        return np.zeros_like(calm)
    away = cv2.distanceTransform((~_sharp_edges(luma, calm)).astype(np.uint8), cv2.DIST_L2, 3)
    count, parts = cv2.connectedComponents(((away > _GAP) & calm).astype(np.uint8), connectivity=4)
    rough = _surface(luma[..., None], calm)
    off = np.abs(luma[..., None] - rough)[..., 0]
    tolerance = max(_LEVEL, 3 * float(np.median(off[calm])))
    usual = off <= tolerance
    size = np.bincount(parts.ravel(), minlength=count)
    share = np.bincount(parts.ravel(), weights=usual.ravel(), minlength=count) / np.maximum(size, 1)
    taken = (share > 0.5)[parts] & (parts > 0)
    reach = 2 * int(np.ceil(_GAP)) + 3
    grown = cv2.dilate(taken.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))) > 0
    refused = (parts > 0) & ~taken
    missed = np.zeros_like(calm)
    for _ in range(2):  # what was missed must not bend the field that tells what else was
        field_ = rough + _averages(luma[..., None] - rough, calm & ~missed, _SCALES[0])
        missed = _far_from_any(calm & (np.abs(luma - field_[..., 0]) > tolerance), coarse.prob >= 0.5)
    found = calm & grown & ~refused & ~missed
    return np.asarray(found if np.count_nonzero(found) >= 16 else calm, np.bool_)


def _far_from_any(odd: BoolArray, inside: BoolArray) -> BoolArray:
    """Odd areas that reach too far from every object to be its shadow and do not come in from the frame's border."""
    away = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3)
    count, parts = cv2.connectedComponents(odd.astype(np.uint8), connectivity=4)
    reach = np.zeros(count, np.float32)
    np.maximum.at(reach, parts.ravel(), away.ravel())
    border = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    reach[border] = 0
    return (reach > _SHADOW * max(odd.shape))[parts] & odd


def _sharp_edges(luma: FloatArray, calm: BoolArray) -> BoolArray:
    """Cells where the picture changes much faster at the finest scale than around: object edges, not shadows."""
    fine, wide = (_slope(luma, sigma) for sigma in (0.8, 3.0))
    return np.asarray((fine > 4 * float(np.median(fine[calm])) + 1e-6) & (fine > 1.6 * wide), np.bool_)


def _slope(luma: FloatArray, sigma: float) -> FloatArray:
    smooth = cv2.GaussianBlur(luma, (0, 0), sigma)
    return np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))


def smooth_field(values: FloatArray, known: BoolArray, scales: tuple[float, ...] = _SCALES) -> FloatArray:
    """A smooth field through values that are known in places.

    Args:
        values: (h, w, c) float32.
        known: (h, w) bool, at least one True.
        scales: standard deviations in px of the averages that follow the surface, from wide to close.

    Returns:
        (h, w, c) float32; far from all known places the surface's continuation.
    """
    field_ = _surface(values, known)
    for sigma in scales:
        field_ = field_ + _averages(values - field_, known, sigma)
    return field_.astype(np.float32)


def _surface(values: FloatArray, known: BoolArray) -> FloatArray:
    """A quadratic surface fitted to the known values, those far off it counting less and less (Tukey's biweight)."""
    h, w = known.shape
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j].astype(np.float32)
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    at = np.flatnonzero(known.ravel())
    at = at[:: max(1, at.size // 20000)]
    rows, targets = basis.reshape(-1, 6)[at].astype(np.float64), values.reshape(h * w, -1)[at].astype(np.float64)
    if at.size < 60:  # too few for a surface
        return np.broadcast_to(np.median(targets, axis=0), values.shape).astype(np.float32)
    weight = np.ones(at.size)
    for _ in range(8):
        root = np.sqrt(weight)[:, None]
        found = np.linalg.lstsq(rows * root, targets * root, rcond=1e-6)[0]
        off = np.abs(targets - rows @ found).max(axis=1)
        weight = np.square(np.clip(1 - np.square(off / (6 * np.median(off) + 1e-6)), 1e-4, 1))
    return np.asarray(basis @ found.astype(np.float32), np.float32)


def _averages(values: FloatArray, known: BoolArray, sigma: float) -> FloatArray:
    """Gaussian averages of the known values; where none is near, they fade to nothing.

    Source: Knutsson, Westin: Normalized and Differential Convolution, CVPR 1993 (zeroth order).
    """
    step = max(1, int(sigma / 4))
    size = (-(-known.shape[1] // step), -(-known.shape[0] // step))
    weight = known.astype(np.float32)
    mixed = np.dstack([values * weight[..., None], weight])
    small = cv2.resize(mixed, size, interpolation=cv2.INTER_AREA) if step > 1 else mixed
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_CONSTANT)
    means = blurred[..., :-1] / (blurred[..., -1:] + np.float32(1e-3))
    if step > 1:
        means = cv2.resize(means, known.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(means, np.float32).reshape(values.shape)


def measure_noise(raster: Raster, coarse: CoarseMap, sure: BoolArray) -> tuple[FloatArray, float]:
    """Noise of the frame's own pixels, from windows of background.

    Args:
        raster: the picture.
        coarse: says how map cells lie over the frame.
        sure: (h, w) bool, map cells that are background.

    Returns:
        Standard deviations per channel, (3,) float32, and of the luma; never below half a code value of the file,
        which is also the answer where no window holds background only.
    """
    spreads: list[FloatArray] = []
    step = 1.0 / 255
    for box in _quiet_windows(coarse, sure):
        pixels: Array = raster.window(box)
        step = 1.0 / np.iinfo(pixels.dtype).max
        rgb = pixels.astype(np.float32) * np.float32(step)
        spreads.append(_scatter(np.dstack([rgb, rgb @ LUMA])))
    floor = 0.5 * step
    if not spreads:
        return np.full(3, floor, np.float32), floor
    found = np.maximum(np.median(np.concatenate(spreads), axis=0), floor)
    return found[:3].astype(np.float32), float(found[3])


def _quiet_windows(coarse: CoarseMap, sure: BoolArray) -> list[Box]:
    """Boxes of the frame, spread over it, that hold background only; as small as they must be to be found."""
    frame = coarse.frame
    for side in (_SIDE, 64, 32, _BLOCK):
        boxes = []
        count = int(np.ceil(np.sqrt(6 * _WINDOWS)))
        for j, i in product(range(count), repeat=2):
            x = round(i * max(0, frame.width - side) / max(1, count - 1))
            y = round(j * max(0, frame.height - side) / max(1, count - 1))
            box = Box(x, y, min(x + side, frame.width), min(y + side, frame.height))
            if min(box.width, box.height) < _BLOCK:
                continue
            rows, cols = coarse.cells(box)
            if sure[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].all():
                boxes.append(box)
        if len(boxes) >= 4:
            return boxes[:: max(1, len(boxes) // _WINDOWS)]
    return boxes


def _scatter(values: FloatArray) -> FloatArray:
    """Standard deviation about a plane in each block: (blocks, c) float32."""
    h, w = (n // _BLOCK * _BLOCK for n in values.shape[:2])
    blocks = values[:h, :w].reshape(h // _BLOCK, _BLOCK, w // _BLOCK, _BLOCK, -1).swapaxes(1, 2)
    blocks = blocks.reshape(-1, _BLOCK * _BLOCK, values.shape[2])
    y, x = np.mgrid[:_BLOCK, :_BLOCK].reshape(2, -1)
    basis = np.stack([np.ones_like(x), x, y], axis=1).astype(np.float32)
    left = np.linalg.qr(basis)[0].astype(np.float32)
    rest = blocks - np.einsum("pk,qk,bqc->bpc", left, left, blocks, optimize=True)
    freedom = _BLOCK * _BLOCK - 3
    return np.asarray(np.sqrt(np.square(rest).sum(axis=1) / freedom), np.float32)


def _edge_tones(difference: FloatArray, coarse: CoarseMap, sigma: float) -> tuple[float, float, float]:
    """How far tones at the coarse edge go below and above the background, and how far nearly all of them go."""
    inside = (coarse.prob >= 0.5).astype(np.uint8)
    radius = max(3, int(np.ceil(_ZONE / max(coarse.factors))) + 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    zone = (cv2.dilate(inside, disc) != cv2.erode(inside, disc)) | coarse.unsure
    if not zone.any():
        return 4 * sigma, 4 * sigma, _SIGMAS * sigma
    tones = difference[zone]
    usual = float(np.percentile(np.abs(difference[zone & (inside > 0)]), _EDGE_SHARE)) if inside[zone].any() else 0.0
    return max(0.0, -float(tones.min())), max(0.0, float(tones.max())), usual
