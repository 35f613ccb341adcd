"""Editing in latent space: encode, denoise tile by tile in step with each other, decode once.

    picture -> vae.encode -> latent -> noise -> [tiles, one step each, overlaps averaged] x steps -> vae.decode

A latent is (h, w, channels) float32, one cell for `factor` x `factor` px; boxes are in cells. The models are hidden
behind two protocols, so nothing here knows a framework: `segtile.backends.diffusers_vae` and
`segtile.backends.diffusers_denoiser` are the ones that come with segtile.

Averaging finished latents of tiles that went their own ways blurs and shifts colours (a latent's mean is not the latent
of the mean picture); tiles that are brought together after every step stay close to each other, and what is averaged
in the end agrees already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np

from segtile.edit.clamp import hand_over
from segtile.errors import BadInput, ModelError
from segtile.merge.mosaic import AxisPlan, MosaicPlan, merge, mosaic_plan, split
from segtile.types import Array, BoolArray, Box, FloatArray, Progress, no_progress

#: How the tiles come together; see `denoise_tiles`.
Mix = Literal["step", "clamped", "finished", "none"]


class Vae(Protocol):
    """What turns pictures into latents and back; deterministic."""

    @property
    def factor(self) -> int:
        """Picture px per latent cell, along both axes."""
        ...

    def encode(self, picture: Array, on_progress: Progress = ...) -> FloatArray:
        """The latent of (H, W, 3) uint8, uint16 or float32 in 0..1; H and W are multiples of `factor`."""
        ...

    def decode(self, latent: FloatArray, dtype: Any = ..., on_progress: Progress = ...) -> Array:
        """The picture of a latent, (h * factor, w * factor, 3) of `dtype`."""
        ...


class Denoiser(Protocol):
    """A diffusion or flow model with its schedule; deterministic and without memory of earlier calls."""

    @property
    def steps(self) -> int:
        """How many steps lead from the noised latent to the finished one."""
        ...

    @property
    def multiple(self) -> int:
        """Tiles begin and end at multiples of this many cells (2 where a model packs cells in twos)."""
        ...

    def noised(self, latent: FloatArray, noise: FloatArray, index: int) -> FloatArray:
        """A clean latent with as much of `noise` as there is before step `index`; at index == steps the clean one.

        Works cell by cell, so a part of both gives that part of the result.
        """
        ...

    def step(self, tile: FloatArray, index: int, box: Box) -> FloatArray:
        """One step on the tile at `box` of the latent, (h, w, channels) float32; gives a new array of that shape."""
        ...


@dataclass(frozen=True)
class LatentSettings:
    """How a picture is edited.

    `tile` and `overlap` are in latent cells. `mix` as in `denoise_tiles`. `decode` "once": the whole latent in one go
    (the vae sees to memory); "tiles": every tile by itself, pixels blended, for comparison. `seed` of the noise.
    """

    tile: int = 96
    overlap: int = 32
    mix: Mix = "step"
    decode: Literal["once", "tiles"] = "once"
    seed: int = 0


def edit_latent(
    picture: Array,
    vae: Vae,
    denoiser: Denoiser,
    settings: LatentSettings | None = None,
    on_progress: Progress = no_progress,
) -> Array:
    """Run a picture through a latent denoiser in tiles.

    Args:
        picture: (H, W, 3) sRGB uint8, uint16 or float32 in 0..1, of any size; its right and bottom border are repeated
            up to the next multiple of the vae's factor times the denoiser's multiple, and cut off again.
        vae: encodes and decodes.
        denoiser: the model; how strongly it edits is its own matter (`noised` at step 0).
        settings: tiles, mixing, decoding, seed.
        on_progress: called by the stages "encode", "denoise" and "decode".

    Returns:
        (H, W, 3) of the picture's dtype.

    Raises:
        BadInput: a picture or settings of another kind.
        ModelError: the denoiser gave a tile of another shape, or NaN.
    """
    settings = settings or LatentSettings()
    if picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise BadInput(f"a picture of shape {picture.shape} cannot be edited; give (height, width, 3)")
    if settings.decode not in ("once", "tiles"):
        raise BadInput(f"decode is {settings.decode!r}; it must be 'once' or 'tiles'")
    height, width = picture.shape[:2]
    latent = vae.encode(_filled(picture, vae.factor * denoiser.multiple), on_progress)
    overlap = 0 if settings.mix == "none" else settings.overlap
    plan = latent_plan(latent.shape[1], latent.shape[0], settings.tile, overlap, denoiser.multiple)
    noise = latent_noise(latent.shape, settings.seed)
    latent = denoise_tiles(latent, noise, denoiser, plan, settings.mix, on_progress=on_progress)
    if settings.decode == "once":
        edited = vae.decode(latent, picture.dtype, on_progress)
    else:
        edited = decode_tiles(latent, vae, plan, picture.dtype, on_progress)
    return edited[:height, :width]


def latent_plan(width: int, height: int, tile: int, overlap: int, multiple: int = 1) -> MosaicPlan:
    """Evenly spaced tiles over a latent, with origins, sizes and ramps in multiples of so many cells.

    Args:
        width: cells.
        height: cells.
        tile: side of a tile, cells; rounded down to a multiple, at least one of them.
        overlap: least overlap, cells; rounded up to a multiple, but to less than a tile.
        multiple: the denoiser's.

    Raises:
        BadInput: a latent that is no multiple, or as `mosaic_plan`.
    """
    if multiple < 1 or width % multiple or height % multiple:
        raise BadInput(f"a latent of {width}x{height} cells cannot be cut at multiples of {multiple} cells")
    if multiple == 1 or not 0 <= overlap < tile:  # what is wrong with them is said in cells
        return mosaic_plan(width, height, tile, overlap)
    side = max(1, tile // multiple)
    plan = mosaic_plan(width // multiple, height // multiple, side, min(-(-overlap // multiple), side - 1))
    return scaled_plan(plan, multiple)


def scaled_plan(plan: MosaicPlan, factor: int) -> MosaicPlan:
    """The same plan over a canvas `factor` times as large: that of the picture for that of its latent."""

    def axis(axis: AxisPlan) -> AxisPlan:
        return AxisPlan(
            axis.length * factor,
            axis.tile * factor,
            tuple(origin * factor for origin in axis.origins),
            tuple((start * factor, stop * factor) for start, stop in axis.ramps),
        )

    return MosaicPlan(axis(plan.xs), axis(plan.ys))


def latent_noise(shape: tuple[int, ...], seed: int) -> FloatArray:
    """Standard normal noise for a whole latent, drawn once: a tile's noise is its part of this, whatever the tiles."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def denoise_tiles(
    latent: FloatArray,
    noise: FloatArray,
    denoiser: Denoiser,
    plan: MosaicPlan,
    mix: Mix = "step",
    *,
    keep: BoolArray | None = None,
    on_progress: Progress = no_progress,
) -> FloatArray:
    """Denoise a latent in overlapping tiles.

    Args:
        latent: (h, w, channels) float32, the picture's own, clean.
        noise: of the same shape, from `latent_noise`.
        denoiser: the model.
        plan: the tiles, from `latent_plan`.
        mix: how the tiles come together.
            "step": after every step overlaps become the mean of the tiles, weighted by ramps that sum to one.
            "clamped": after every step what two tiles share is the earlier one's, see `segtile.edit.clamp`.
            "finished": every tile is denoised to the end by itself, then overlaps become the mean.
            "none": the same, and the middle of every overlap is cut.
        keep: (h, w) bool, cells that stay the given latent's: after each step they are set to it, noised as far as the
            step has come, in the end clean; so what lies beside them is denoised to fit. Not for "finished" and "none".
        on_progress: (tiles done, of all steps, "denoise").

    Returns:
        (h, w, channels) float32.

    Raises:
        BadInput: arrays that do not fit each other or the plan, or no such `mix`.
        ModelError: the denoiser gave a tile of another shape, or NaN.

    Source: O. Bar-Tal et al., MultiDiffusion, ICML 2023 ("step"; ramps instead of equal weights, which show their ends
    on even ground).
    """
    _check_latents(latent, noise, plan, mix, keep)
    one = _stepper(denoiser, len(plan), on_progress)
    x = denoiser.noised(latent, noise, 0)
    if mix in ("finished", "none"):
        finished = ((box, _to_the_end(one, denoiser.steps, tile, box)) for box, tile in split(x, plan))
        return _merged(finished, plan if mix == "finished" else _hard(plan))
    for index in range(denoiser.steps):
        # all tiles see the latent as it was before the step: what comes out has no order
        answers = ((box, one(tile, index, box)) for box, tile in split(x, plan))
        x = _merged(answers, plan) if mix == "step" else hand_over(answers, plan, last=index + 1 == denoiser.steps)
        if keep is not None:
            x[keep] = denoiser.noised(latent[keep], noise[keep], index + 1)
    return x


def decode_tiles(
    latent: FloatArray, vae: Vae, plan: MosaicPlan, dtype: Any, on_progress: Progress = no_progress
) -> Array:
    """Decode every tile by itself and blend the pixels: the usual way, which leaves each tile its own tone.

    A network that norms over its input sees another input in every tile; more overlap does not mend that. For
    comparison with one decode of the whole latent.

    Returns:
        (h * factor, w * factor, 3) of `dtype` (uint8, uint16 or float32).
    """
    tiles = enumerate(split(latent, plan))

    def pictures() -> Iterator[tuple[Box, Array]]:
        for index, (box, tile) in tiles:
            yield box.scaled(vae.factor), vae.decode(np.ascontiguousarray(tile), dtype)
            on_progress(index + 1, len(plan), "decode")

    return _merged(pictures(), scaled_plan(plan, vae.factor))


Step = Callable[[FloatArray, int, Box], FloatArray]


def _stepper(denoiser: Denoiser, tiles: int, on_progress: Progress) -> Step:
    """The denoiser's step, with its answer checked and counted."""
    done = 0

    def one(tile: FloatArray, index: int, box: Box) -> FloatArray:
        nonlocal done
        answer = denoiser.step(np.ascontiguousarray(tile), index, box)
        if answer.shape != tile.shape or answer.dtype != np.float32:
            raise ModelError(
                f"the denoiser gave {answer.dtype} {answer.shape} for the tile at {box.x0},{box.y0}, "
                f"which is float32 {tile.shape}"
            )
        if not np.isfinite(answer).all():
            raise ModelError(f"the denoiser gave NaN or infinity for the tile at {box.x0},{box.y0} in step {index}")
        done += 1
        on_progress(done, tiles * denoiser.steps, "denoise")
        return answer

    return one


def _to_the_end(one: Step, steps: int, tile: FloatArray, box: Box) -> FloatArray:
    for index in range(steps):
        tile = one(tile, index, box)
    return tile


def _hard(plan: MosaicPlan) -> MosaicPlan:
    """The same tiles, cut in the middle of their overlaps."""

    def axis(axis: AxisPlan) -> AxisPlan:
        middles = tuple((start + stop) // 2 for start, stop in axis.ramps)
        return AxisPlan(axis.length, axis.tile, axis.origins, tuple((m, m) for m in middles))

    return MosaicPlan(axis(plan.xs), axis(plan.ys))


def _merged(tiles: Iterable[tuple[Box, Array]], plan: MosaicPlan) -> Array:
    merged = merge(tiles, plan)
    assert merged is not None  # without a sink there is a canvas
    return merged


def _filled(picture: Array, multiple: int) -> Array:
    """The picture, its last row and column repeated up to a multiple of so many px."""
    down, right = (-side % multiple for side in picture.shape[:2])
    return np.pad(picture, ((0, down), (0, right), (0, 0)), mode="edge") if down or right else picture


def _check_latents(latent: FloatArray, noise: FloatArray, plan: MosaicPlan, mix: str, keep: BoolArray | None) -> None:
    if mix not in get_args(Mix):
        raise BadInput(f"tiles cannot be mixed by {mix!r}; there are {', '.join(get_args(Mix))}")
    if latent.ndim != 3 or latent.shape[:2] != (plan.height, plan.width) or latent.dtype != np.float32:
        raise BadInput(
            f"the latent is {latent.dtype} {latent.shape}; "
            f"the plan is for float32 ({plan.height}, {plan.width}, channels)"
        )
    if noise.shape != latent.shape or noise.dtype != np.float32:
        raise BadInput(f"the noise is {noise.dtype} {noise.shape}; the latent is float32 {latent.shape}")
    if not np.isfinite(latent).all():
        raise BadInput("the latent holds NaN or infinity, which denoising would spread")
    if keep is None:
        return
    if keep.dtype != np.bool_ or keep.shape != latent.shape[:2]:
        raise BadInput(f"keep is {keep.dtype} {keep.shape}; it must be bool {latent.shape[:2]}")
    if mix in ("finished", "none"):
        raise BadInput(f"cells can be kept only where tiles meet after every step, not with mix {mix!r}")
