"""X-Dub's scheme for sequences of tiles: what two tiles share is the earlier one's, at every step.

X-Dub denoises a long video clip by clip: the latent frames that a clip shares with the one before are set to that one's
after every step, at the join one frame is the mean of both, all latents are decoded once, and each clip's colours are
matched where nothing was changed. Here the sequence is that of tiles, row by row.

A tile's latent in the shared cells is the earlier tile's at the same step, and no earlier tile depends on a later one.
So all tiles may take a step in turn on one latent, instead of each going to its end before the next one starts, and no
tile's history needs to be kept; the result is the same.

Source: the published code of X-Dub (KlingAIResearch, Apache-2.0), described in words; nothing is copied from it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segtile.errors import BadInput
from segtile.merge.mosaic import MosaicPlan, merge
from segtile.types import Array, BoolArray, Box, FloatArray

#: Largest difference, of 0..1, at which a pixel counts as unchanged.
UNCHANGED = 0.07
#: A tile with fewer unchanged pixels than this share, or than this many, keeps its colours.
_LEAST_SHARE = 0.02
_LEAST_PIXELS = 64
# A match may not stretch contrast beyond this: unchanged pixels of an even patch say little about it.
_MOST_GAIN = 2.0


def hand_over(answers: Iterable[tuple[Box, FloatArray]], plan: MosaicPlan, *, last: bool) -> FloatArray:
    """Put one step's tiles together, shared cells from the earlier tile.

    Args:
        answers: (box, (h, w, channels) float32) of every tile of the plan, row by row.
        plan: the tiles.
        last: whether this is the last step; then the last line that two tiles share is the mean of both, half and half.

    Returns:
        (h, w, channels) float32.
    """
    out: FloatArray | None = None
    for index, (box, answer) in enumerate(answers):
        if out is None:
            out = np.empty((plan.height, plan.width, answer.shape[2]), np.float32)
        row, column = divmod(index, plan.columns)
        x0 = max(box.x0, plan.box(index - 1).x1) if column else box.x0
        y0 = max(box.y0, plan.box(index - plan.columns).y1) if row else box.y0
        own = Box(x0, y0, box.x1, box.y1)
        out[own.slices] = answer[own.within(box).slices]
        if not last:
            continue
        for join in (Box(x0 - 1, y0, x0, box.y1), Box(x0, y0 - 1, box.x1, y0)):
            if box.contains(join):  # not at the frame's border, nor where tiles only touch
                out[join.slices] = (out[join.slices] + answer[join.within(box).slices]) * np.float32(0.5)
    assert out is not None  # a plan has tiles
    return out


def match_unchanged(edited: Array, original: Array, plan: MosaicPlan, threshold: float = UNCHANGED) -> Array:
    """Give each tile the mean and contrast of the original, measured only where the edit changed nothing.

    Pixels that were edited do not count, so a wanted change of colour is not undone; they move with the rest of their
    tile. Between tiles the correction runs over the plan's ramps.

    Args:
        edited: (H, W, 3) uint8, uint16 or float32 in 0..1.
        original: of the same shape and dtype.
        plan: tiles in px, as `scaled_plan` gives them.
        threshold: a pixel is unchanged where every channel differs by less than this, of 0..1.

    Returns:
        (H, W, 3) of that dtype; equal to `edited` where it equals the original.

    Raises:
        BadInput: pictures of different shape or dtype, or another size than the plan's.
    """
    if edited.shape != original.shape or edited.dtype != original.dtype:
        raise BadInput(
            f"the edited picture is {edited.dtype} {edited.shape}, the original {original.dtype} {original.shape}; "
            "colours are matched between pictures alike"
        )
    if edited.ndim != 3 or edited.shape[:2] != (plan.height, plan.width):
        raise BadInput(f"the picture has shape {edited.shape}; the plan is for ({plan.height}, {plan.width}, channels)")
    if edited.dtype not in (np.uint8, np.uint16, np.float32):
        raise BadInput(f"colours are matched on uint8, uint16 or float32, not {edited.dtype}")
    top = 1.0 if edited.dtype.kind == "f" else float(np.iinfo(edited.dtype).max)
    tiles = ((box, _matched(edited[box.slices], original[box.slices], threshold * top, top)) for box in plan.boxes())
    merged = merge(tiles, plan)
    assert merged is not None  # without a sink there is a canvas
    return merged


def _matched(edited: Array, original: Array, threshold: float, top: float) -> Array:
    mine, theirs = edited.astype(np.float32), original.astype(np.float32)
    same: BoolArray = (np.abs(mine - theirs) < threshold).all(axis=2)
    count = int(np.count_nonzero(same))
    if count < max(_LEAST_PIXELS, _LEAST_SHARE * same.size):
        return edited
    of_mine, of_theirs = mine[same].astype(np.float64), theirs[same].astype(np.float64)
    spread = of_mine.std(axis=0)
    gain = np.where(spread > 0, of_theirs.std(axis=0) / np.where(spread > 0, spread, 1.0), 1.0)
    gain = np.clip(gain, 1 / _MOST_GAIN, _MOST_GAIN)
    offset = of_theirs.mean(axis=0) - of_mine.mean(axis=0) * gain
    matched = mine * gain.astype(np.float32) + offset.astype(np.float32)
    if edited.dtype == np.float32:
        return matched
    return np.rint(np.clip(matched, 0, top)).astype(edited.dtype)
