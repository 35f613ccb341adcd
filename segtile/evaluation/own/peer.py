"""segtile itself as a worker: cuts one picture out for each line it is given.

The one argument is the recipe in JSON. A job is {"photo", "output", "report"}: the alpha goes to `output` (PNG), tile
cores and warnings to `report` (JSON).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from segtile.evaluation.serving import Job, serve
from segtile.recipe import Recipe


def _cut(job: Job, recipe: Recipe) -> None:
    from segtile.cutout import cutout
    from segtile.evaluation.results import write_text

    with cutout(Path(job["photo"]), recipe=recipe) as cut:
        cut.save_mask(job["output"], overwrite=True)
        cores = [[t.core.x0, t.core.y0, t.core.x1, t.core.y1] for t in cut.grid.tiles]
        report = {"warnings": list(cut.result.warnings), "cores": cores}
    write_text(Path(job["report"]), json.dumps(report))


def _main() -> None:
    recipe = Recipe.model_validate_json(sys.argv[1])

    def load() -> None:
        from segtile.cutout import refiner_for

        refiner_for(recipe)

    serve(load, lambda job: _cut(job, recipe))


if __name__ == "__main__":
    _main()
