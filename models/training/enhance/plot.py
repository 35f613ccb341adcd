"""The log of a run as a picture, drawn with OpenCV: the loss above, PSNR of the held-out crops below."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, HEIGHT, MARGIN = 900, 300, 50
_COLOURS = ((180, 90, 20), (30, 130, 30), (40, 40, 200))


def plot(log: Path, picture: Path) -> None:
    """Draw a log.jsonl into a PNG."""
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    panels = [_panel(rows, names) for names in (("loss", "values"), ("psnr_before", "psnr_after", "psnr_clean"))]
    cv2.imwrite(str(picture), np.vstack(panels))


def _panel(rows: list[dict[str, Any]], names: tuple[str, ...]) -> Any:
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    values = [row[name] for row in rows for name in names if name in row]
    if not values:
        return canvas
    low, high, last = min(values), max(float(np.percentile(values, 98)), min(values) + 1e-6), rows[-1]["step"]
    cv2.rectangle(canvas, (MARGIN, MARGIN), (WIDTH - MARGIN, HEIGHT - MARGIN), (200, 200, 200), 1)
    _write(canvas, f"{high:.3g}", (2, MARGIN + 5))
    _write(canvas, f"{low:.3g}", (2, HEIGHT - MARGIN + 5))
    _write(canvas, str(last), (WIDTH - MARGIN - 20, HEIGHT - MARGIN + 20))
    for n, (name, colour) in enumerate(zip(names, _COLOURS, strict=False)):
        points = np.array([(row["step"] / last, (row[name] - low) / (high - low)) for row in rows if name in row])
        if len(points):
            across = MARGIN + points[:, 0] * (WIDTH - 2 * MARGIN)
            down = HEIGHT - MARGIN - np.minimum(points[:, 1], 1) * (HEIGHT - 2 * MARGIN)
            cv2.polylines(canvas, [np.stack([across, down], 1).round().astype(np.int32)], False, colour, 1, cv2.LINE_AA)
        _write(canvas, name, (MARGIN + 10 + 150 * n, MARGIN - 12), colour)
    return canvas


def _write(canvas: Any, text: str, at: tuple[int, int], colour: tuple[int, int, int] = (80, 80, 80)) -> None:
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
