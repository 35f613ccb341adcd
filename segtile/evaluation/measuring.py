"""What the measuring worker does: facts of a picture, figures of an alpha, keeping what a system wrote.

Values travel as JSON, NaN as null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from segtile.errors import BadInput
from segtile.evaluation.alphas import keep_alpha, read_alpha
from segtile.evaluation.config import SliceSettings
from segtile.types import Array, Box, Tile


def answer(job: Mapping[str, Any]) -> None:
    """Do one job and write its answer to `output`.

    Jobs by their field "job": "facts" (photo, truth, settings) -> size, contrast, thin_share, holes; "figures" (photo:
    an alpha, truth, names, cores) -> metrics, resized, size; "empty" (truth, names) -> metrics of an alpha that is 0
    everywhere; "keep" (photo: what a system wrote) -> `output` is the alpha itself, a grey PNG.

    Raises:
        SegtileError: a file cannot be read or written, or holds no alpha.
    """
    output = Path(job["output"])
    if job["job"] == "keep":
        keep_alpha(Path(job["photo"]), output)
        return
    if job["job"] == "facts":
        values = _facts(Path(job["photo"]), Path(job["truth"]), SliceSettings(**job["settings"]))
    else:
        truth = read_alpha(Path(job["truth"]))
        alpha = np.zeros_like(truth) if job["job"] == "empty" else read_alpha(Path(job["photo"]))
        values = figures(alpha, truth, job["names"], job.get("cores") or ())
    output.write_text(json.dumps(_plain(values), allow_nan=False), encoding="utf-8")


@dataclass(frozen=True)
class Figure:
    """What a figure is, for tables: which way is better, its unit, a sentence."""

    better: Literal["lower", "higher", "zero"]
    unit: str
    summary: str


#: Figures that need a system's tile plan as well; NaN for systems that tell none and for plans of one tile.
SEAMS: dict[str, Figure] = {
    "seam_grad": Figure(
        "zero", "", "step of alpha across the plan's core borders against control lines, minus truth's"
    ),
    "seam_ramp": Figure("zero", "", "the same on the low-passed alpha: sees steps that a feather spread out"),
}


def known_metrics() -> dict[str, Figure]:
    """Every figure a run of the task matte can give, by name."""
    from segtile.metrics.matte import METRICS

    return {name: Figure(m.better, m.unit, m.summary) for name, m in METRICS.items()} | SEAMS


def default_metrics() -> tuple[str, ...]:
    """The figures of a run that names none."""
    from segtile.metrics.matte import DEFAULT

    return tuple(DEFAULT)


def check_metrics(names: Sequence[str]) -> None:
    """Refuse names that no figure has.

    Raises:
        BadInput: a name is unknown; the sentence lists those there are.
    """
    known = known_metrics()
    for name in names:
        if name not in known:
            raise BadInput(f"there is no metric named {name}; there are {', '.join(sorted(known))}")


def figures(alpha: Array, truth: Array, names: Sequence[str], cores: Sequence[Sequence[int]] = ()) -> dict[str, Any]:
    """The figures of one alpha: {"metrics": {name: value}, "resized": bool, "size": (width, height) of the truth}."""
    from segtile.metrics.matte import fit, measure

    fitted, resized = fit(alpha, truth.shape) if alpha.shape != truth.shape else (alpha, False)
    own = tuple(name for name in names if name not in SEAMS)
    values = measure(fitted, truth, own) if own else {}
    values |= {name: seam_excess(name, fitted, truth, cores) for name in names if name in SEAMS}
    return {
        "metrics": {name: values[name] for name in names},
        "resized": resized,
        "size": (truth.shape[1], truth.shape[0]),
    }


def seam_excess(name: str, alpha: Array, truth: Array, cores: Sequence[Sequence[int]]) -> float:
    """`seam_grad` or `seam_ramp` of an alpha along a plan's core borders, minus the same of the truth.

    An object's own edges that run along a border are in both, so 0 means that the plan left no trace.

    Args:
        name: "seam_grad" or "seam_ramp".
        alpha: (h, w) uint8, uint16 or float in [0, 1].
        truth: the same.
        cores: [x0, y0, x1, y1] of every tile's core, frame px.

    Returns:
        NaN where there are no borders, or nothing changes along the control lines.
    """
    from segtile.metrics import seams

    tiles = [Tile(index, Box(*core), Box(*core)) for index, core in enumerate(cores)]
    borders = seams.core_borders(tiles)
    if not borders:
        return math.nan
    measure = seams.seam_grad if name == "seam_grad" else seams.seam_ramp
    return measure(alpha, borders).ratio - measure(truth, borders).ratio


def _facts(photo: Path, truth: Path, settings: SliceSettings) -> dict[str, Any]:
    from segtile.evaluation.slices import facts_of
    from segtile.raster import open_raster

    with open_raster(photo) as raster:
        facts = facts_of(raster, read_alpha(truth), settings)
    return {"size": facts.size, "contrast": facts.contrast, "thin_share": facts.thin_share, "holes": facts.holes}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
