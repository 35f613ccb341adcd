"""A run folder made by code: two systems, three small pictures whose errors are known to the pixel."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

OURS = "ours"
HOSTILE = "<script>window.pwned=1</script>\"'&"
HOSTILE_ERROR = "no <img src=x onerror=window.pwned=1> found in <b>bar</b>."
WIDTH, HEIGHT = 420, 300

METRICS = {
    "biou2": {"better": "higher", "unit": "", "summary": "Boundary IoU <2 px>."},
    "mae": {"better": "lower", "unit": "x1000", "summary": "Mean absolute error."},
    "offset": {"better": "zero", "unit": "px", "summary": "Signed offset of the edge."},
}
#: biou2, mae and offset by picture; None is "not defined".
FIGURES = {
    OURS: {"ring": (0.9, 1.0, -0.5), "cup": (0.2, 9.0, None), "bead": (0.6, 12.5, 0.25)},
    HOSTILE: {"ring": (0.3, 3.0, 2.0), "cup": (0.7, 30.0, -3.0)},
}
#: (rows, columns) of the block that each system gets wrong, missing for ours, too much for the other.
OURS_MISSES = (slice(120, 140), slice(200, 224))
OTHER_ADDS = (slice(16, 40), slice(24, 56))


def truth() -> np.ndarray:
    """(HEIGHT, WIDTH) uint8: a rectangle with a hole."""
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[60:240, 100:320] = 255
    alpha[180:200, 150:170] = 0
    return alpha


def photo() -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8: the rectangle in gold on a light sweep."""
    picture = np.full((HEIGHT, WIDTH, 3), 230, np.uint8)
    picture[truth() > 0] = (60, 140, 180)
    return picture


def make_run(folder: Path) -> Path:
    """Write the run folder, with its photos and truths beside it."""
    data = folder.parent / "data"
    data.mkdir(parents=True)
    rows = []
    for system, figures in FIGURES.items():
        for picture in ("ring", "cup", "bead"):
            if system == OURS:
                cv2.imwrite(str(data / f"{picture}.png"), photo())
                cv2.imwrite(str(data / f"{picture}_alpha.png"), truth())
            rows.append(_row(data, system, picture, figures.get(picture)))
    for row in rows:
        if row["alpha"]:
            path = folder / row["alpha"]
            path.parent.mkdir(parents=True, exist_ok=True)
            alpha = truth()
            alpha[OURS_MISSES if row["system"] == OURS else OTHER_ADDS] = 0 if row["system"] == OURS else 255
            cv2.imwrite(str(path), alpha)
    write_results(folder, rows)
    about = {
        "segtile": "0.0.1",
        "libraries": {"numpy": "2.0", "evil": "</script><script>window.pwned=1</script>"},
        "cores": 2,
        "metrics": METRICS,
        "systems": [OURS, HOSTILE],
        "datasets": ["samples"],
        "slices": {"thin": "Thin ones.", "holes": "Those with holes."},
        "bootstrap": {"samples": 200, "level": 0.9, "seed": 3},
    }
    (folder / "run.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def write_results(folder: Path, rows: list[dict]) -> None:
    """Write results.jsonl."""
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_rows(folder: Path) -> list[dict]:
    """The rows of results.jsonl."""
    return [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def _row(data: Path, system: str, picture: str, figures: tuple | None) -> dict:
    stand_in = dict.fromkeys(METRICS, 0.0) | {"mae": 400.0}
    return {
        "digest": "d",
        "dataset": "samples",
        "picture": picture,
        "system": system,
        "task": "matte",
        "metrics": {} if figures is None else dict(zip(METRICS, figures, strict=True)),
        "stand_in": stand_in if figures is None else {},
        "slices": ["thin"] if picture == "ring" else ["holes"],
        "seconds": 1.5,
        "peak_rss_mb": 100.0,
        "size": [WIDTH, HEIGHT],
        "resized": False,
        "error": HOSTILE_ERROR if figures is None else None,
        "warnings": ["A <i>warning</i>."] if picture == "ring" else [],
        "photo": str(data / f"{picture}.png"),
        "truth": str(data / f"{picture}_alpha.png"),
        "alpha": None if figures is None else f"alphas/{'ours' if system == OURS else 'other'}/samples/{picture}.png",
    }
