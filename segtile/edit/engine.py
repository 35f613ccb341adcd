"""Any image-to-image model over a picture of any size: windows in, tiles kept on disk, rows of one picture out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Literal, get_args

from segtile.coarse import look
from segtile.edit.blend import BLENDS
from segtile.edit.context import Order, at_once, wavefront
from segtile.edit.edited import Choices, Drift, Edited
from segtile.edit.plan import EditPlan, as_scale, plan_aligned_edit, plan_uniform_edit
from segtile.edit.run import Operator, TileRun, run_tiles
from segtile.edit.source import Source, open_source
from segtile.edit.store import TileStore
from segtile.errors import BadInput
from segtile.types import Progress, no_progress

Context = Literal["none", "sequential"]
GridKind = Literal["uniform", "aligned"]

# The coarse look only tells where objects are; tiles are laid around them to the nearest few px.
_LOOK = 768


def edit_tiled(
    image: Any,
    fn: Operator,
    *,
    tile: int = 1024,
    halo: int = 64,
    feather: int | None = None,
    grid: GridKind = "uniform",
    blend: str = "linear",
    context: Context = "none",
    scale: float | Fraction = 1,
    batch: int = 1,
    placed: bool = False,
    only_changes: bool = False,
    linear_light: bool = False,
    drift: Drift = "auto",
    reference: bool = True,
    threads: int = 1,
    on_progress: Progress = no_progress,
) -> Edited:
    """Run an image-to-image model over a picture by tiles.

    Args:
        image: a path, an (H, W[, 3 or 4]) uint8 or uint16 array in RGB order, an (H, W, 3) float32 array, a PIL image
            or a Raster.
        fn: the model: (h, w, 3) RGB in the picture's dtype to (h * scale, w * scale, 3) in the same dtype. It sees the
            stored colours (grey three times over, CMYK as sRGB) and must not depend on what it saw before.
        tile: side of what the model is shown, px.
        halo: context around what is kept of each answer, px: at least as far as the model looks.
        feather: how far beyond its core a tile's answer is kept for blending, px; two neighbours share twice that.
            None: 32, or 0 with sequential context, where only cores are kept.
        grid: "uniform", or "aligned": objects that fit a tile lie in one, by a coarse look at the picture.
        blend: "linear", "cosine", "pyramid", "cut", "poisson" (on cells of 8 px) or "poisson-exact" (on pixels).
        context: "sequential" shows each tile its finished neighbours in place of the original.
        scale: output px per px of the picture.
        batch: windows a call; with more than 1 `fn` is called with (n, h, w, 3), n at most this.
        placed: call `fn(tile, box)`, with the Box of px that the tile shows (a list of boxes with batches), for a model
            that depends on the place; at a fraction of a scale it may reach a few px beyond the picture.
        only_changes: at last keep only what the model changed (`segtile.diffmerge`); all else is the original, bit for
            bit. Needs a scale of 1 and 8 or 16 bits. It looks at the whole, since a tile that lies inside a change
            would take it for a change of tone.
        linear_light: blend in linear light, taking the values for sRGB-encoded ones.
        drift: "auto" evens out how tiles differ in colour, against the original where `reference` allows, by a gain and
            an offset a channel, "mix" by a 3 x 3 matrix and an offset; "none" leaves them.
        reference: whether the result should look like the original where it was not changed on purpose. False for a
            model that changes the colours of everything.
        threads: calls of `fn` at once. The result does not depend on it.
        on_progress: called with the stages "look" and "edit".

    Returns:
        The edited picture; nothing of it is in memory. Close it, or use it in a with statement.

    Raises:
        ReadError: the picture cannot be read.
        BadInput: a setting makes no sense.
        ModelError: the model failed, or gave something that does not fit its tile.
        WriteError: there is no room for the tiles on the disk.
    """
    factor = as_scale(scale)
    _check(blend, context, grid, drift, batch, threads, factor, only_changes)
    kept = (0 if context == "sequential" else 32) if feather is None else feather
    with _opened(image) as source:
        if only_changes and source.dtype.kind == "f":
            raise BadInput("only 8 and 16 bit pictures are searched for changes: scale the array to one of these first")
        plan = _plan(source, grid, tile, halo, kept, factor, on_progress)
        order: Order = at_once(len(plan.tiles))
        if context == "sequential":
            order = wavefront(plan.tiles, plan.windows)
        store = TileStore(plan.tiles, plan.out, source.bands, source.dtype)
        try:
            coloured = run_tiles(TileRun(source, plan, order, store, fn, batch, threads, placed), on_progress)
        except BaseException:
            store.close()
            raise
        notes = source.warnings
        if grid == "aligned" and plan.kind != "aligned":
            notes += (plan.why,)
        if coloured:
            notes += ("the picture is grey and was kept grey: the colours that the model gave it were averaged.",)
        choices = Choices(blend, drift, linear_light, only_changes, reference)
        return Edited(source, plan, store, choices, notes)


@contextmanager
def _opened(image: Any) -> Iterator[Source]:
    """The source, closed where the block fails."""
    source = open_source(image)
    try:
        yield source
    except BaseException:
        source.close()
        raise


def _check(
    blend: str,
    context: str,
    grid: str,
    drift: str,
    batch: int,
    threads: int,
    scale: Fraction,
    only_changes: bool,
) -> None:
    for name, value, known in (
        ("blend", blend, BLENDS),
        ("context", context, get_args(Context)),
        ("grid", grid, get_args(GridKind)),
        ("drift correction", drift, get_args(Drift)),
    ):
        if value not in known:
            raise BadInput(f"there is no {name} named {value!r}; use one of {', '.join(known)}")
    if batch < 1 or threads < 1:
        raise BadInput(f"batch is {batch} and threads {threads}; both must be 1 or more")
    if context == "sequential" and scale != 1:
        raise BadInput(
            f"sequential context shows a model its own output, which at a scale of {scale} does not fit its input: "
            "use context none"
        )
    if only_changes and scale != 1:
        raise BadInput(f"a change is merged into the original at its own size, which a scale of {scale} does not keep")


def _plan(
    source: Source, grid: str, tile: int, halo: int, feather: int, scale: Fraction, on_progress: Progress
) -> EditPlan:
    if grid == "uniform":
        return plan_uniform_edit(source.frame, tile, halo, feather, scale)
    plan_uniform_edit(source.frame, tile, halo, feather, scale)  # a wrong size is an error before the look
    on_progress(0, 1, "look")
    found = look(source.preview(_LOOK), source.frame)
    plan = plan_aligned_edit(found, tile, halo, feather, scale)
    on_progress(1, 1, "look")
    return plan
