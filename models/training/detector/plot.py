"""The log of a run as a picture: losses above, validation figures below."""

from __future__ import annotations

from pathlib import Path

from models.training.common.plot import plot_rows
from models.training.common.runs import read_rows


def plot(log: Path, picture: Path) -> None:
    """Draw a log.jsonl into a PNG."""
    rows = read_rows(log)
    starts: dict[int, int] = {}
    for row in rows:
        starts[row["phase"] + 1] = max(starts.get(row["phase"] + 1, 0), starts.get(row["phase"], 0) + row["step"])
        row["at"] = starts.get(row["phase"], 0) + row["step"]
    plot_rows(rows, (("score", "box", "mask"), ("ap50", "ap", "counted_right", "mask_iou")), picture, "at")
