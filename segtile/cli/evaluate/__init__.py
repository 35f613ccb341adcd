"""`segtile eval`: measure cut-outs, detections and whole runs. One file a sub-verb."""

from __future__ import annotations

from collections.abc import Callable

import typer

from segtile.cli.evaluate.coco import coco
from segtile.cli.evaluate.compare import compare
from segtile.cli.evaluate.matte import matte
from segtile.cli.evaluate.report import report
from segtile.cli.evaluate.run import run
from segtile.cli.evaluate.seams import seams

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Measure: cut-outs against exact alpha, detections against COCO files, seams, and whole runs.",
)

_EXAMPLES: dict[Callable[..., None], tuple[str, str]] = {
    matte: ("matte out/ring.png ring_alpha.png", "matte out/ data_samples/ --metrics mae,biou2,holes -o table.md"),
    coco: ("coco truth.json results.json", "coco truth.json results.json --type segm,boundary --band 2px --per-class"),
    seams: ("seams edited.tif --tile 1024 --overlap 128", "seams alpha.png --plan plan.json --json"),
    run: ("run eval/configs/samples.yaml -o runs/samples", "run eval/configs/smoke.yaml -o runs/smoke --limit 1"),
    compare: ("compare runs/before runs/after", "compare runs/before runs/after --fail-on-worse"),
    report: ("report runs/cutout", "report runs/cutout --limit 20 --open"),
}
for _verb, _examples in _EXAMPLES.items():
    _epilog = "\b\nExamples:\n" + "\n".join(f"  segtile eval {line}" for line in _examples)
    app.command(epilog=_epilog)(_verb)
