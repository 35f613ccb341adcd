"""The log of a run as a picture, drawn with OpenCV: losses above, validation figures below."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, HEIGHT, MARGIN = 900, 300, 50
_COLOURS = ((180, 90, 20), (30, 130, 30), (40, 40, 200), (150, 40, 150), (0, 130, 200))


def plot(log: Path, picture: Path) -> None:
    """Draw a log.jsonl into a PNG."""
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    starts: dict[int, int] = {}
    for row in rows:
        starts[row["phase"] + 1] = max(starts.get(row["phase"] + 1, 0), starts.get(row["phase"], 0) + row["step"])
        row["at"] = starts.get(row["phase"], 0) + row["step"]
    names = (("score", "box", "mask"), ("ap50", "ap", "counted_right", "mask_iou"))
    cv2.imwrite(str(picture), np.vstack([_panel(rows, shown) for shown in names]))


def _panel(rows: list[dict[str, Any]], names: tuple[str, ...]) -> Any:
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    values = [row[n] for row in rows for n in names if n in row]
    if not values:
        return canvas
    last, top = max(row["at"] for row in rows), max(float(np.percentile(values, 98)), 1e-6)
    left, low = (MARGIN, HEIGHT - MARGIN), (WIDTH - MARGIN, MARGIN)
    cv2.rectangle(canvas, left, low, (200, 200, 200), 1)
    for text, place in (
        (f"{top:.2f}", (2, MARGIN + 5)),
        ("0", (30, left[1])),
        (str(last), (low[0] - 20, left[1] + 20)),
    ):
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (80, 80, 80), 1, cv2.LINE_AA)
    for n, (name, colour) in enumerate(zip(names, _COLOURS, strict=False)):
        points = [(row["at"], row[name]) for row in rows if name in row]
        line = [
            (round(MARGIN + (low[0] - MARGIN) * x / last), round(left[1] - (left[1] - MARGIN) * min(1.0, y / top)))
            for x, y in points
        ]
        cv2.polylines(canvas, [np.array(line, np.int32)], False, colour, 1, cv2.LINE_AA)
        place = (MARGIN + 10 + 150 * n, MARGIN - 12)
        cv2.putText(canvas, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    return canvas
