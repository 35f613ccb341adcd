"""Lines of a log as a picture, drawn with OpenCV: one panel for each group of names, above one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, HEIGHT, MARGIN = 900, 300, 50
_COLOURS = ((180, 90, 20), (30, 130, 30), (40, 40, 200), (150, 40, 150), (0, 130, 200))


def plot_rows(rows: list[dict[str, Any]], groups: tuple[tuple[str, ...], ...], picture: Path, at: str = "step") -> None:
    """Draw the values of some names over `at` into a PNG."""
    cv2.imwrite(str(picture), np.vstack([_panel(rows, names, at) for names in groups]))


def _panel(rows: list[dict[str, Any]], names: tuple[str, ...], at: str) -> Any:
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    values = [row[name] for row in rows for name in names if name in row]
    if not values:
        return canvas
    low, last = min(values), max(max(row[at] for row in rows), 1)
    high = max(float(np.percentile(values, 98)), low + 1e-6)
    cv2.rectangle(canvas, (MARGIN, MARGIN), (WIDTH - MARGIN, HEIGHT - MARGIN), (200, 200, 200), 1)
    _write(canvas, f"{high:.3g}", (2, MARGIN + 5))
    _write(canvas, f"{low:.3g}", (2, HEIGHT - MARGIN + 5))
    _write(canvas, str(last), (WIDTH - MARGIN - 20, HEIGHT - MARGIN + 20))
    for n, (name, colour) in enumerate(zip(names, _COLOURS, strict=False)):
        points = np.array([(row[at] / last, (row[name] - low) / (high - low)) for row in rows if name in row])
        if len(points):
            across = MARGIN + points[:, 0] * (WIDTH - 2 * MARGIN)
            down = HEIGHT - MARGIN - np.minimum(points[:, 1], 1) * (HEIGHT - 2 * MARGIN)
            cv2.polylines(canvas, [np.stack([across, down], 1).round().astype(np.int32)], False, colour, 1, cv2.LINE_AA)
        _write(canvas, name, (MARGIN + 10 + 150 * n, MARGIN - 12), colour)
    return canvas


def _write(canvas: Any, text: str, at: tuple[int, int], colour: tuple[int, int, int] = (80, 80, 80)) -> None:
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
