"""`segtile eval matte`: cut-outs against their exact alpha, one row a picture and the mean."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from segtile.cli import options as o
from segtile.cli.pictures import ENDINGS
from segtile.cli.run import complain, make_folder, print_line
from segtile.errors import BadInput, ReadError, SegtileError, WouldOverwrite

_TAIL = "_alpha"  # STEM_alpha.png counts before STEM.png: the latter may be the photograph


@dataclass(frozen=True)
class Pairing:
    """A prediction and its truth."""

    stem: str
    pred: Path
    truth: Path


@dataclass(frozen=True)
class Scores:
    """One picture's figures; sizes are (width, height)."""

    pairing: Pairing
    size: tuple[int, int]
    pred_size: tuple[int, int]
    values: dict[str, float]

    @property
    def resized(self) -> bool:
        """True where the prediction had another size than the truth."""
        return self.size != self.pred_size


def matte(
    pred: Annotated[Path, typer.Argument(metavar="PRED", help="A cut-out, or a folder of them.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="Its alpha; in a folder STEM_alpha.* or STEM.*.")],
    metrics: Annotated[
        str | None, typer.Option(metavar="LIST", help="Names with commas, or all.", show_default="the usual 12")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the table as .csv or .md.")
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Go on where a picture lacks its other half.")] = False,
    overwrite: o.Overwrite = False,
    as_json: o.Json = False,
) -> None:
    """Measure cut-outs against exact alphas: errors, edges, holes, published salient-object figures.

    A picture's alpha channel is taken where it has one, else its grey values, 8 or 16 bits.
    """
    from segtile.export.atomic import atomic_target, check_target

    names = _names(metrics)
    pairings, lonely = pair_up(pred, truth)
    if output is not None:
        if output.suffix.lower() not in (".csv", ".md"):
            raise BadInput(f"{output}: a table is written as .csv or .md; choose one of these endings")
        if output.is_file() and not overwrite:
            raise WouldOverwrite(f"{output} exists already: give --overwrite to replace it")
        make_folder(output.parent)
        check_target(output, overwrite=overwrite)
    if lonely:
        sentence = _lonely_sentence(lonely, pred, truth)
        if not partial or not pairings:
            raise BadInput(f"{sentence}; --partial goes on with the {len(pairings)} that have")
        sys.stderr.write(f"segtile: warning: {sentence}; going on with the other {len(pairings)}\n")
    rows, failed = [], 0
    for pairing in pairings:
        try:
            row = _score(pairing, names)
        except SegtileError as e:
            failed += 1
            complain(str(e) if pairing.stem in str(e) else f"{pairing.pred}: {e}")
            if as_json:
                print_line(_json({"input": str(pairing.pred), "truth": str(pairing.truth), "error": str(e)}))
            continue
        rows.append(row)
        if row.resized:
            w, h = row.pred_size
            sys.stderr.write(
                f"segtile: warning: {pairing.pred} is {w}x{h} and was resized to {row.size[0]}x{row.size[1]}\n"
            )
        if as_json:
            print_line(_json(_row_json(row)))
    if output is not None and rows:
        with atomic_target(output, overwrite=overwrite) as part:
            part.write_text(_csv(rows, names) if output.suffix.lower() == ".csv" else _table(rows, names), "utf-8")
    if not as_json and rows:
        print_line(_table(rows, names).rstrip())
    if failed:
        raise typer.Exit(1)


def _names(metrics: str | None) -> tuple[str, ...]:
    from segtile.metrics.matte import DEFAULT, METRICS, check_names

    if metrics is None:
        return DEFAULT
    if metrics.strip() == "all":
        return tuple(METRICS)
    names = tuple(dict.fromkeys(name.strip() for name in metrics.split(",") if name.strip()))
    check_names(names)
    return names


def pair_up(pred: Path, truth: Path) -> tuple[list[Pairing], list[Path]]:
    """Pairs in the order of their stems, and the files that have no other half.

    In folders (not below them) a picture's stem is its name without the ending and without "_alpha"; where a folder
    holds STEM_alpha.* and STEM.*, the latter is the photograph and left out.

    Raises:
        ReadError: one does not exist, or a folder holds no picture.
        BadInput: a file against a folder, one folder against itself, or two files for one stem.
    """
    for path in (pred, truth):
        if not path.exists():
            raise ReadError(f"{path}: no such file or folder")
    if pred.is_dir() != truth.is_dir():
        raise BadInput(f"{pred} and {truth} must be two files or two folders")
    if not pred.is_dir():
        return [Pairing(pred.stem, pred, truth)], []
    if pred.resolve() == truth.resolve():
        raise BadInput(f"{pred} would be measured against itself: give the folder of the exact alphas second")
    found, exact = _by_stem(pred), _by_stem(truth)
    pairings = [Pairing(stem, found[stem], exact[stem]) for stem in sorted(found.keys() & exact.keys())]
    alone = [found[s] for s in sorted(found.keys() - exact.keys())]
    return pairings, alone + [exact[s] for s in sorted(exact.keys() - found.keys())]


def _by_stem(folder: Path) -> dict[str, Path]:
    """The folder's alphas by stem; photographs beside an alpha with the tail are left out."""
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())
    if not files:
        raise ReadError(f"{folder}: the folder holds no picture ({', '.join(sorted(ENDINGS))})")
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        groups[path.stem.removesuffix(_TAIL) or path.stem].append(path)
    stems = {}
    for stem, group in groups.items():
        chosen = [p for p in group if p.stem != stem] or group
        if len(chosen) > 1:
            raise BadInput(f"{chosen[0]} and {chosen[1]} are both named {stem}: keep one of them in the folder")
        stems[stem] = chosen[0]
    return stems


def _lonely_sentence(lonely: Sequence[Path], pred: Path, truth: Path) -> str:
    shown = ", ".join(str(path) for path in lonely[:10]) + (f" and {len(lonely) - 10} more" if len(lonely) > 10 else "")
    return f"{len(lonely)} of the pictures in {pred} and {truth} have no other half: {shown}"


def _score(pairing: Pairing, names: Sequence[str]) -> Scores:
    from segtile.evaluation.alphas import read_alpha
    from segtile.metrics.matte import fit, measure

    exact, found = read_alpha(pairing.truth), read_alpha(pairing.pred)
    size = (found.shape[1], found.shape[0])
    fitted, _ = fit(found, exact.shape)
    return Scores(pairing, (exact.shape[1], exact.shape[0]), size, measure(fitted, exact, names))


def _mean(rows: Sequence[Scores], name: str) -> tuple[float, int]:
    """Mean over the pictures in which a figure is defined, and how many these are."""
    values = [row.values[name] for row in rows if not math.isnan(row.values[name])]
    return (math.fsum(values) / len(values) if values else math.nan), len(values)


def _table(rows: Sequence[Scores], names: Sequence[str]) -> str:
    """A Markdown table, aligned so that it reads well as it stands."""
    from segtile.evaluation.tables import show
    from segtile.metrics.matte import METRICS

    units = {name: METRICS[name].unit for name in names}
    head = ["picture", *(f"{name} {unit}".strip() for name, unit in units.items())]
    lines = [[row.pairing.stem, *(show(row.values[name], units[name]) for name in names)] for row in rows]
    if len(rows) > 1:
        last = [f"mean of {len(rows)}"]
        for name in names:
            value, count = _mean(rows, name)
            last.append(show(value, units[name]) + (f" (n {count})" if 0 < count < len(rows) else ""))
        lines.append(last)
    widths = [max(len(cells[k]) for cells in (head, *lines)) for k in range(len(head))]
    rule = "|".join("-" * (width + 1) + (":" if k else "-") for k, width in enumerate(widths))
    return "\n".join([_padded(head, widths), f"|{rule}|", *(_padded(cells, widths) for cells in lines)]) + "\n"


def _padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].replace("|", "/").ljust(widths[0])
    return "| " + " | ".join([first, *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]) + " |"


def _csv(rows: Sequence[Scores], names: Sequence[str]) -> str:
    """All digits; an undefined figure is an empty cell."""

    def cell(value: float) -> str:
        return "" if math.isnan(value) else repr(value)

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["picture", "pred", "truth", "width", "height", "resized", *names])
    for row in rows:
        p = row.pairing
        figures = [cell(row.values[name]) for name in names]
        writer.writerow([p.stem, p.pred, p.truth, *row.size, str(row.resized).lower(), *figures])
    writer.writerow(["mean", "", "", "", "", "", *(cell(_mean(rows, name)[0]) for name in names)])
    return out.getvalue()


def _row_json(row: Scores) -> dict[str, object]:
    return {
        "input": str(row.pairing.pred),
        "truth": str(row.pairing.truth),
        "size": row.size,
        "resized": row.resized,
        "metrics": {name: value if math.isfinite(value) else None for name, value in row.values.items()},
        "error": None,
    }


def _json(row: dict[str, object]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False)
