"""Discs on light grounds with exact alpha, programs that cut them out, and configurations of runs over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

SIZE = (96, 80)

#: Darker than a bound is object. Fails for names with "bad", writes colours for names with "colour".
THRESHOLD = """
import sys, pathlib
from PIL import Image  # quicker to import than cv2, and it is imported once a picture
photo, target, bound = sys.argv[1], sys.argv[2], int(sys.argv[3])
stem = pathlib.Path(photo).stem
log = pathlib.Path(__file__).with_suffix(".log")
with log.open("a") as f: f.write(f"{stem} {bound}\\n")
if "bad" in stem:
    sys.exit("this picture is too hard")
alpha = Image.open(photo).convert("L").point(lambda v: 255 if v < bound else 0)
if "colour" in stem:
    alpha = Image.merge("RGB", (alpha, alpha.point(lambda v: v // 2), alpha))
alpha.save(target, "PNG")
"""


def disc(k: int = 0, size: tuple[int, int] = SIZE, hole: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(h, w, 3) uint8 BGR and its alpha (h, w) uint8; `k` moves and grows the disc."""
    w, h = size
    yy, xx = (np.mgrid[: h * 4, : w * 4] + 0.5) / 4
    r = np.hypot(xx - w / 2 - k % 5, yy - h / 2 + k % 3)
    inside = ((r < 22 + k % 7) & (r >= hole)).astype(np.float64)
    alpha = inside.reshape(h, 4, w, 4).mean((1, 3))
    rng = np.random.default_rng(k)
    grey = 235 * (1 - alpha) + 90 * alpha + rng.normal(0, 6, alpha.shape)
    picture = np.clip(grey, 0, 255).round().astype(np.uint8)
    return np.dstack([picture] * 3), (alpha * 255).round().astype(np.uint8)


def make_data(folder: Path, names: tuple[str, ...]) -> Path:
    """Pictures and alphas side by side: NAME.png, NAME_alpha.png."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        picture, alpha = disc(k)
        cv2.imwrite(str(folder / f"{name}.png"), picture)
        cv2.imwrite(str(folder / f"{name}_alpha.png"), alpha)
    return folder


def command(name: str, bound: int, script: str = "threshold.py", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "command",
        "argv": ["{python}", script, "{input}", "{output}", str(bound)],
        **more,
    }


def make_run(folder: Path, names: tuple[str, ...] = ("a", "b", "c"), **more: Any) -> Path:
    """A configuration over discs with one command system; the data and the program lie beside it."""
    make_data(folder / "data", names)
    (folder / "threshold.py").write_text(THRESHOLD)
    values = {
        "datasets": [{"name": "discs", "kind": "folder", "pictures": "data", "truth": "data"}],
        "systems": [command("mid", 160)],
        "metrics": ["mae", "iou", "offset_median"],
        **more,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def calls(folder: Path) -> list[str]:
    """The pictures that the program under test was started for, in order."""
    log = folder / "threshold.log"
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []
