"""Views for people: a picture, or a finished cut-out on its own background, through a solar curve."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from segtile.coarse import look
from segtile.errors import BadInput
from segtile.export.atomic import atomic_target
from segtile.raster import open_raster
from segtile.refine.inputs import upsample
from segtile.solar import CURVES, LUMA, AdaptiveCurve, Curve, Reading, adapt, apply_table, encode_acv, read_acv, table
from segtile.solar.curves import named
from segtile.types import Array, Box, CoarseMap, FloatArray, Progress, Raster, no_progress

Channel = Literal["rgb", "luma", "r", "g", "b"]

_COARSE_SIDE = 2048
_ROWS = 256
_GAP = 8  # px of mid grey between the original and the view


@dataclass(frozen=True)
class View:
    """A view that is made row by row: its `width` and `height` in px, and `about`, what it shows in words."""

    width: int
    height: int
    about: str
    _strip: Callable[[int, int], Array]

    def strips(self, on_progress: Progress = no_progress) -> Iterator[Array]:
        """(h, width, 3) uint8 from top to bottom."""
        on_progress(0, self.height, "view")
        for y0 in range(0, self.height, _ROWS):
            y1 = min(y0 + _ROWS, self.height)
            yield self._strip(y0, y1)
            on_progress(y1, self.height, "view")


def solar(image: Any, **settings: Any) -> Array:
    """A picture through a solar curve; takes the arguments of `make_view`.

    Returns:
        (h, w, 3) uint8.
    """
    raster = open_raster(image)
    with raster:
        return np.concatenate(list(make_view(raster, **settings).strips()))


def make_view(
    raster: Raster,
    *,
    curve: str | os.PathLike[str] | Curve = "solar4",
    channel: Channel = "rgb",
    reading: Reading | None = None,
    phase: float = 0.0,
    side_by_side: bool = False,
    long_side: int | None = None,
    cutout: Raster | None = None,
) -> View:
    """A view of a picture; nothing but the look at the whole is done until its strips are asked for.

    Args:
        raster: the picture; it must stay open while the view is used.
        curve: a name of `solar.CURVES`, "adaptive", a Curve, or the path of a Photoshop curve file.
        channel: the curve on each channel ("rgb"), on the luma, or on one channel alone, shown as grey.
        reading: "linear" or "spline"; by default a curve file is read as Photoshop does, the rest linearly.
        phase: 0 to 1, moves the adaptive curve's folds outwards by this share of a segment.
        side_by_side: the original to the left.
        long_side: scale the picture down to this first; by default at full size.
        cutout: a finished cut-out of the picture (RGBA, same size): it is shown laid on the picture's own background,
            so that what is not the background's tone there is halo, fringe or a missing edge.

    Returns:
        The view.

    Raises:
        BadInput: an unknown curve or channel, a cut-out of another size or without transparency, a curve file whose
            channel curves do not fit the channel, or (adaptive, cut-out) a picture in which no background is found.
        ReadError: the picture, cut-out or curve file cannot be read.
    """
    if channel not in get_args(Channel):
        raise BadInput(f"no channel {channel!r}: there are {', '.join(get_args(Channel))}")
    if cutout is not None:
        _check_cutout(raster, cutout)
        transparency = None if long_side is None else _scaled_alpha(cutout, long_side)
    else:
        transparency = None
    if long_side is not None:
        raster = _scaled(raster, long_side)
        cutout = None if cutout is None else _scaled(cutout, long_side)
    ground = _Ground.of(raster) if cutout is not None or curve == "adaptive" else None
    through, name = _mapping(curve, channel, reading, phase, ground)
    frame = raster.info.frame

    def shown(box: Box) -> Array:
        if cutout is None or ground is None:
            return raster.window(box)
        alpha = cutout.alpha_strip(box.y0, box.y1) if transparency is None else transparency[box.y0 : box.y1]
        return _on_ground(cutout.window(box), alpha, ground.tone(box))

    def strip(y0: int, y1: int) -> Array:
        box = Box(0, y0, frame.width, y1)
        view = through(shown(box), box)
        if not side_by_side:
            return view
        # beside a check stands the photograph through the same curve: there the halo is the picture's own
        left = _to_8(raster.window(box)) if cutout is None else through(raster.window(box), box)
        return np.hstack([left, np.full((y1 - y0, _GAP, 3), 128, np.uint8), view])

    width = frame.width if not side_by_side else 2 * frame.width + _GAP
    return View(width, frame.height, name, strip)


def save_curve(curve: str | Curve, path: Path, *, overwrite: bool = False) -> None:
    """Write a curve as a Photoshop curve file, whole or not at all.

    Args:
        curve: a name of `solar.CURVES` or a Curve of at most 19 points.
        path: the file.
        overwrite: replace an existing one.

    Raises:
        BadInput: no such curve, or one that the format cannot hold.
        WouldOverwrite: the file exists and `overwrite` is False.
        WriteError: it cannot be written there.
    """
    if curve == "adaptive":
        raise BadInput("the adaptive curve lives on a picture's own background: it cannot be saved as a curve file")
    data = encode_acv((named(curve) if isinstance(curve, str) else curve,))
    with atomic_target(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)


@dataclass(frozen=True)
class _Ground:
    """A picture's own background and curve."""

    curve: AdaptiveCurve
    coarse: CoarseMap

    @staticmethod
    def of(raster: Raster) -> _Ground:
        coarse = look(raster.preview(_COARSE_SIDE), raster.info.frame, "studio")
        return _Ground(adapt(raster, coarse), coarse)

    def tone(self, box: Box) -> FloatArray:
        return upsample(self.curve.tone, self.coarse, box)


def _mapping(
    curve: str | os.PathLike[str] | Curve,
    channel: Channel,
    reading: Reading | None,
    phase: float,
    ground: _Ground | None,
) -> tuple[Callable[[Array, Box], Array], str]:
    """What sends pixels over a box of the frame through the curve, and what it is in words."""
    if curve == "adaptive" and ground is not None:
        a = ground.curve
        about = f"adaptive, gain {a.gain:.1f}, noise {255 * a.sigma:.2f} of 255, first folds "
        about += f"{255 * a.below:.0f} below and {255 * a.above:.0f} above the background"
        levels = np.rint(255 * a.fold(np.linspace(-1, 1, 65536), phase)).astype(np.uint8)
        return lambda pixels, box: _around(pixels, ground.tone(box), levels, channel), about
    if phase:
        raise BadInput("a phase moves the folds of the adaptive curve, or of a zigzag with a number of folds")
    curves, kind = _named_curves(curve, reading)
    if len(curves) > 1 and channel == "luma":
        raise BadInput("a curve file with curves for single channels cannot be applied to the luma: choose rgb")
    tables = {np.dtype(t): [table(c, t, kind) for c in curves] for t in (np.uint8, np.uint16)}
    about = f"{curve.name if isinstance(curve, Curve) else curve}, {kind}"
    return lambda pixels, box: _fixed(pixels, tables[pixels.dtype], channel), about


def _named_curves(curve: str | os.PathLike[str] | Curve, reading: Reading | None) -> tuple[tuple[Curve, ...], Reading]:
    """Composite, then those of R, G and B where they do anything; and how they are read."""
    if isinstance(curve, Curve):
        return (curve,), reading or "linear"
    if isinstance(curve, str) and not curve.lower().endswith(".acv"):
        if curve not in CURVES:
            raise BadInput(f"no solar curve {curve!r}: there are {', '.join(CURVES)}, adaptive and curve files (.acv)")
        return (CURVES[curve],), reading or "linear"
    found = read_acv(curve)
    single = [c for c in found[1:4] if any(x != y for x, y in c.points)]
    if single and len(found) < 4:
        raise BadInput(f"{Path(curve).name}: curves for some channels only; a file for RGB has one for each")
    return (found[:4] if single else found[:1]), reading or "spline"


def _fixed(pixels: Array, tables: list[Array], channel: Channel) -> Array:
    if channel == "luma":
        return _grey(apply_table(_luma(pixels), tables[0]))
    if channel != "rgb":
        k = "rgb".index(channel)
        one = np.ascontiguousarray(pixels[..., k])
        return _grey(apply_table(apply_table(one, tables[1 + k]) if len(tables) > 1 else one, tables[0]))
    if len(tables) > 1:  # the channels' curves come first, the composite on top
        pixels = np.dstack([apply_table(np.ascontiguousarray(pixels[..., k]), tables[1 + k]) for k in range(3)])
    return _to_8(apply_table(pixels, tables[0]))


def _around(pixels: Array, tone: FloatArray, levels: Array, channel: Channel) -> Array:
    rgb = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    difference: FloatArray = rgb - tone
    if channel == "luma":
        difference = np.asarray(difference @ LUMA, np.float32)
    elif channel != "rgb":
        difference = difference[..., "rgb".index(channel)]
    at = np.clip((difference + 1) * np.float32(32767.5) + np.float32(0.5), 0, 65535).astype(np.uint16)
    view = levels[at]
    return view if view.ndim == 3 else _grey(view)


def _luma(pixels: Array) -> Array:
    return np.rint(pixels.astype(np.float32) @ LUMA).astype(pixels.dtype)


def _grey(values: Array) -> Array:
    return np.repeat(_to_8(values)[..., None], 3, axis=2)


def _to_8(values: Array) -> Array:
    return values if values.dtype == np.uint8 else ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _check_cutout(raster: Raster, cutout: Raster) -> None:
    if cutout.info.frame != raster.info.frame:
        size, other = raster.info, cutout.info
        raise BadInput(
            f"the cut-out is {other.width} x {other.height} px and the photograph {size.width} x {size.height}: "
            "only a cut-out at the photograph's own size can be checked, so leave --crop out"
        )
    if cutout.alpha_strip(0, 1) is None:
        raise BadInput("the cut-out has no transparency: give the file that segtile cutout wrote")


def _on_ground(on_white: Array, alpha: Array | None, tone: FloatArray) -> Array:
    """A cut-out laid on white, laid on its own background instead; uint16."""
    if alpha is None:
        raise BadInput("the cut-out has no transparency")
    seen = on_white.astype(np.float32) / np.float32(np.iinfo(on_white.dtype).max)
    empty = 1 - alpha.astype(np.float32)[..., None] / np.float32(65535)
    return np.rint(np.clip(seen + (tone - 1) * empty, 0, 1) * 65535).astype(np.uint16)


def _scaled(raster: Raster, long_side: int) -> Raster:
    return open_raster(np.rint(raster.preview(long_side) * 65535).astype(np.uint16))


def _scaled_alpha(cutout: Raster, long_side: int) -> Array:
    """The cut-out's alpha at the size of its preview: (h, w) uint16."""
    import cv2

    info = cutout.info
    height, width = cutout.preview(long_side).shape[:2]
    if (height, width) == (info.height, info.width):
        return np.vstack([_alpha_rows(cutout, y0, y1) for y0, y1 in _bounds(info.height)])
    rows = np.vstack(
        [
            cv2.resize(_alpha_rows(cutout, y0, y1).astype(np.float32), (width, y1 - y0), interpolation=cv2.INTER_AREA)
            for y0, y1 in _bounds(info.height)
        ]
    )
    small = cv2.resize(rows, (width, height), interpolation=cv2.INTER_AREA)
    return np.rint(small).astype(np.uint16)


def _alpha_rows(cutout: Raster, y0: int, y1: int) -> Array:
    alpha = cutout.alpha_strip(y0, y1)
    if alpha is None:
        raise BadInput("the cut-out has no transparency")
    return alpha


def _bounds(height: int) -> list[tuple[int, int]]:
    return [(y, min(y + _ROWS, height)) for y in range(0, height, _ROWS)]
