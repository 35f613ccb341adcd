"""Tiled editing of one picture by a model that is named, loaded or a callable: what `segtile.edit` is."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from segtile.backends.image_ops import open_edit
from segtile.edit.edited import Drift, Edited
from segtile.edit.engine import Context, GridKind, edit_tiled
from segtile.types import Progress, no_progress

_TILE = 1024


def edit(
    image: Any,
    model: Any,
    *,
    tile: int | None = None,
    halo: int = 64,
    feather: int | None = None,
    grid: GridKind = "uniform",
    blend: str = "linear",
    context: Context = "none",
    scale: float | Fraction | None = None,
    batch: int = 1,
    placed: bool = False,
    only_changes: bool = False,
    linear_light: bool = False,
    drift: Drift = "auto",
    reference: bool = True,
    threads: int = 1,
    device: str = "auto",
    on_progress: Progress = no_progress,
) -> Edited:
    """Run an image-to-image model over a picture of any size by tiles, and put them together without seams.

    Args:
        image: a path, an (H, W[, 3 or 4]) uint8 or uint16 array in RGB order, an (H, W, 3) float32 array, a PIL image
            or a Raster.
        model: the path of an ONNX graph, a catalogue name ("enhance"), a `torch.nn.Module`, or any callable from
            (h, w, 3) to the same dtype, `scale` times as large (see `segtile.edit.engine.edit_tiled`).
        tile: side of what the model is shown, px; None: the one size that it takes, else 1024.
        halo: context around what is kept of each answer, px: at least as far as the model looks.
        feather: how far beyond its core a tile's answer is kept for blending, px. None: 32, or 0 with sequential
            context.
        grid: "uniform", or "aligned": objects that fit a tile lie in one, by a coarse look at the picture.
        blend: "linear", "cosine", "pyramid", "cut", "poisson" or "poisson-exact".
        context: "sequential" shows each tile its finished neighbours in place of the original.
        scale: output px per px of a callable; None: 1. A graph's or module's own is found by trying it.
        batch: windows a call.
        placed: give a callable the Box that its tile shows, too.
        only_changes: keep only what the model changed in a tile; all else stays the original's, bit for bit.
        linear_light: blend in linear light.
        drift: "auto" evens out how tiles differ in colour, "mix" with a 3 x 3 matrix a tile, "none" not at all.
        reference: whether the result should look like the original where it was not changed on purpose.
        threads: calls at once. The result does not depend on it.
        device: "auto", "cpu", "cuda", "cuda:1"; for graphs and modules.
        on_progress: called as on_progress(done, total, stage) with the stages "look" and "edit".

    Returns:
        The edited picture: `.save(path)`, `.array`, `.seams()`. Close it, or use it in a with statement: it holds
        temporary files.

    Raises:
        ReadError: the picture cannot be read.
        ModelError: the model cannot be had, failed, or gave something that does not fit its tile.
        BackendMissing: the model needs an extra that is not installed.
        BadInput: a setting makes no sense.
        WriteError: there is no room for the tiles on the disk.
    """
    operator = open_edit(model, device)
    own_size = getattr(operator, "input_size", None)
    return edit_tiled(
        image,
        operator,
        tile=tile or (min(own_size) if own_size else _TILE),
        halo=halo,
        feather=feather,
        grid=grid,
        blend=blend,
        context=context,
        scale=scale if scale is not None else getattr(operator, "scale", 1),
        batch=batch,
        placed=placed,
        only_changes=only_changes,
        linear_light=linear_light,
        drift=drift,
        reference=reference,
        threads=threads,
        on_progress=on_progress,
    )
