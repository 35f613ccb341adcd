"""`segtile eval seams`: whether the borders of tiles show in a picture."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segtile.cli import options as o
from segtile.cli.run import print_line
from segtile.errors import BadInput, ReadError

if TYPE_CHECKING:
    from segtile.metrics.seams import Border, SeamFigure
    from segtile.types import Array, Box

_PLAN_BYTES = 64 * 2**20


def seams(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="What was put together from tiles.")],
    tile: Annotated[int | None, typer.Option(min=2, metavar="PX", help="Side of a uniform grid's tiles.")] = None,
    overlap: Annotated[int, typer.Option(min=0, metavar="PX", help="What neighbours of that grid share.")] = 0,
    origin: Annotated[str, typer.Option(metavar="X,Y", help="Corner of the first tile, 0 or less.")] = "0,0",
    cut: Annotated[bool, typer.Option("--cut", help="The last tiles are cut off, not shifted back inside.")] = False,
    plan: Annotated[
        Path | None, typer.Option(metavar="JSON", help='Cores instead of a grid: {"cores": [[x0, y0, x1, y1], ...]}.')
    ] = None,
    curve: Annotated[str, typer.Option(help="Solar curve of the fold.")] = "solar6",
    alpha: Annotated[bool, typer.Option("--alpha", help="Look at the alpha, not at the colours.")] = False,
    as_json: o.Json = False,
) -> None:
    """Steps and slow ramps across tile borders, over the same half a tile away; also on the solar fold.

    Compare with the same figures of the undisturbed picture.
    """
    from segtile.evaluation.alphas import read_alpha
    from segtile.metrics import seams as figures
    from segtile.raster import open_raster
    from segtile.types import Box

    if (tile is None) == (plan is None):
        raise BadInput("say where the borders lie: either --tile (with --overlap and --origin) or --plan")
    start = _origin(origin)
    cores = None if plan is None else read_plan(plan)
    pixels: Array
    if alpha:
        pixels = read_alpha(picture)
    else:
        with open_raster(picture) as raster:
            pixels = raster.native(raster.info.frame)
    frame = Box.frame(pixels.shape[1], pixels.shape[0])
    borders = (
        figures.grid_borders(frame, tile, overlap, start, shifted=not cut)
        if tile is not None
        else _plan_borders(cores or [], frame, plan)
    )
    if not borders:
        raise BadInput(f"{picture}: the plan has no border inside its {frame.width}x{frame.height} px")
    found = {
        "seam_grad": figures.seam_grad(pixels, borders),
        "seam_ramp": figures.seam_ramp(pixels, borders),
        "seam_grad_solar": figures.seam_grad(pixels, borders, curve),
        "seam_ramp_solar": figures.seam_ramp(pixels, borders, curve),
    }
    _show(picture, frame, borders, found, curve, as_json)


def _origin(text: str) -> tuple[int, int]:
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError:
        raise BadInput(f"--origin is two whole numbers with a comma, such as -64,0, not {text!r}") from None
    return x, y


def read_plan(path: Path) -> list[tuple[int, int, int, int]]:
    """The cores of a plan file.

    Raises:
        ReadError: the file cannot be read, is no JSON, or holds no cores.
    """
    try:
        if path.stat().st_size > _PLAN_BYTES:
            raise ReadError(f"{path}: is larger than {_PLAN_BYTES >> 20} MB, too large for a plan")
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        if isinstance(e, ReadError):
            raise
        raise ReadError(f"{path}: cannot be read: {e.strerror}") from None
    except (ValueError, RecursionError):
        raise ReadError(f"{path}: is no JSON file") from None
    cores = raw.get("cores") if isinstance(raw, dict) else None
    if not isinstance(cores, list) or not cores:
        raise ReadError(f'{path}: holds no plan; it must be {{"cores": [[x0, y0, x1, y1], ...]}}')
    for core in cores:
        whole = isinstance(core, list) and len(core) == 4 and all(type(v) is int for v in core)
        if not whole or core[0] >= core[2] or core[1] >= core[3]:
            raise ReadError(
                f"{path}: {core!r} is no core; one is [x0, y0, x1, y1] in whole px with x0 < x1 and y0 < y1"
            )
    return [(c[0], c[1], c[2], c[3]) for c in cores]


def _plan_borders(cores: list[tuple[int, int, int, int]], frame: Box, plan: Path | None) -> tuple[Border, ...]:
    from segtile.metrics.seams import core_borders
    from segtile.types import Box, Tile

    boxes = [Box(*core) for core in cores]
    for box in boxes:
        if not frame.contains(box):
            raise BadInput(
                f"{plan}: the core {box.x0},{box.y0},{box.x1},{box.y1} lies outside the picture of "
                f"{frame.width}x{frame.height} px"
            )
    return core_borders([Tile(index, box, box) for index, box in enumerate(boxes)])


def _show(
    picture: Path, frame: Box, borders: tuple[Border, ...], found: dict[str, SeamFigure], curve: str, as_json: bool
) -> None:
    length = sum(border.hi - border.lo for border in borders)
    if as_json:
        row: dict[str, Any] = {
            "input": str(picture),
            "size": [frame.width, frame.height],
            "borders": len(borders),
            "border_px": length,
            "curve": curve,
        }
        for name, figure in found.items():
            parts = {"ratio": figure.ratio, "border": figure.border, "control": figure.control}
            row[name] = {key: value if math.isfinite(value) else None for key, value in parts.items()}
        print_line(json.dumps(row, ensure_ascii=False, allow_nan=False))
        return
    lines = [f"{picture}: {len(borders)} borders, {length} px of them; steps in 8-bit levels"]
    lines.append(f"{'':16s} {'ratio':>9s} {'border':>9s} {'control':>9s}")
    for name, figure in found.items():
        values = (figure.ratio, 255 * figure.border, 255 * figure.control)
        cells = " ".join(f"{'-' if math.isnan(v) else f'{v:.4f}':>9s}" for v in values)
        lines.append(f"{name:16s} {cells}")
    print_line("\n".join(lines))
