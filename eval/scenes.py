"""Seeded pictures full of coloured parts, with their COCO instances: a data set for what slicing and fusion do.

    python -m eval.scenes -o runs/scenes [--seed 1] [--pictures 4] [--side 4000]

Writes scene_000.jpg, ... and annotations.json (run-length masks). Discs, rings, bars, and pierced plates, from smaller
than a thumbnail to several slices long; stones sit on the bands of rings, beads inside their openings, and every third
part has a neighbour of its own kind that touches it. A part's tone tells its category, and parts that touch differ in
tone, so that a plain detector (eval/peers/detector) tells everything apart that it is shown whole: what it then loses
is lost by slicing and fusion.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

CATEGORIES = ("disc", "ring", "bar", "plate")
TONES = 12  # hues around the circle, three to a category; eval/peers/detector/detector.py knows them too

Shape = Callable[[npt.NDArray[np.float32], npt.NDArray[np.float32]], npt.NDArray[np.bool_]]


@dataclass
class Scene:
    """A canvas of labels, 0 for nothing, and the tone of each label from 1."""

    side: int
    labels: npt.NDArray[np.int32] = field(init=False)
    tones: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.labels = np.zeros((self.side, self.side), np.int32)

    def window(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """Rows and columns within `reach` of a point."""
        rows = slice(max(0, math.floor(y - reach)), min(self.side, math.ceil(y + reach) + 1))
        columns = slice(max(0, math.floor(x - reach)), min(self.side, math.ceil(x + reach) + 1))
        return rows, columns

    def paint(self, x: float, y: float, reach: float, shape: Shape, tone: int, *, over: bool = False) -> None:
        """Add a part: `shape` is asked about offsets from (x, y); it covers what is there only with `over`."""
        window = self.window(x, y, reach)
        inside = shape(
            np.arange(window[1].start, window[1].stop, dtype=np.float32)[None] - np.float32(x),
            np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None] - np.float32(y),
        )
        there = self.labels[window]
        self.tones.append(tone)
        there[inside if over else inside & (there == 0)] = len(self.tones)

    def is_free(self, x: float, y: float, reach: float) -> bool:
        """True where nothing lies within the square of `reach` around a point, all of it on the canvas."""
        if min(x, y) < reach + 4 or max(x, y) > self.side - reach - 4:
            return False
        return not self.labels[self.window(x, y, reach + 8)][::4, ::4].any()


def make_scene(seed: int, side: int) -> Scene:
    """One scene, the same for the same seed and side."""
    rng = np.random.default_rng(seed)
    scene = Scene(side)
    largest = 0.32 * side
    # the large ones first, while there is room; few enough for the 100 detections a picture that COCO counts
    reaches = sorted((float(np.exp(rng.uniform(np.log(14), np.log(largest)))) for _ in range(48)), reverse=True)
    for number, reach in enumerate(reaches):
        kind = int(rng.integers(0, 4)) if reach > 40 else 0
        for _ in range(60):
            x, y = rng.uniform(0, side, 2)
            if scene.is_free(x, y, reach):
                _PARTS[kind](scene, rng, float(x), float(y), reach, number % 3 == 0)
                break
    return scene


def _tones(rng: np.random.Generator, category: int) -> tuple[int, int]:
    """Two different tones of one category."""
    first, second = rng.permutation(3)[:2]
    return 3 * category + int(first), 3 * category + int(second)


def _disc(scene: Scene, rng: np.random.Generator, x: float, y: float, reach: float, touched: bool) -> None:
    tone, other = _tones(rng, 0)
    if not touched:
        scene.paint(x, y, reach, _round(0, reach), tone)
        return
    half = reach / 2
    scene.paint(x - half, y, half, _round(0, half), tone)
    scene.paint(x + half - 1, y, half, _round(0, half), other)


def _ring(scene: Scene, rng: np.random.Generator, x: float, y: float, reach: float, touched: bool) -> None:
    tone, other = _tones(rng, 1)
    band = max(10.0, reach * rng.uniform(0.1, 0.3))
    scene.paint(x, y, reach, _round(reach - band, reach), tone)
    stone = 0.36 * band
    if stone >= 5:
        count = int(min(8, math.pi * reach / (3 * stone)))
        for turn in np.linspace(0, 2 * np.pi, count, endpoint=False):
            middle = reach - band / 2
            place = (x + middle * np.cos(turn), y + middle * np.sin(turn))
            scene.paint(*place, stone, _round(0, stone), _tones(rng, 0)[0], over=True)
    opening = reach - band
    if touched and opening > 24:  # a smaller ring that rolls inside the larger one and touches it
        inner = opening * 0.55
        scene.paint(x + opening - inner + 1, y, inner, _round(0.75 * inner, inner), other)


def _bar(scene: Scene, rng: np.random.Generator, x: float, y: float, reach: float, touched: bool) -> None:
    tone, other = _tones(rng, 2)
    thick = float(np.clip(reach * rng.uniform(0.03, 0.2), 9, 80))
    turn = rng.uniform(0, np.pi)
    long = reach - thick
    scene.paint(x, y, reach, _slab(turn, long, thick / 2, 0), tone)
    if touched:
        scene.paint(x, y, reach, _slab(turn, long * 0.8, thick / 2, thick - 0.5), other)


def _plate(scene: Scene, rng: np.random.Generator, x: float, y: float, reach: float, touched: bool) -> None:
    tone, other = _tones(rng, 3)
    half = reach / math.sqrt(2)
    pitch = float(np.clip(half / rng.integers(2, 7), 24, 160))

    def pierced(dx: npt.NDArray[np.float32], dy: npt.NDArray[np.float32], low: float = -half) -> npt.NDArray[np.bool_]:
        u, v = (dx + half) % pitch - pitch / 2, (dy + half) % pitch - pitch / 2
        solid = np.hypot(u, v) > 0.3 * pitch
        # a rim, and a margin between the two halves, so that no hole is open
        rim = (np.abs(dx) > half - 8) | (np.abs(dy) > half - 8) | (np.abs(dx) < 8)
        return (solid | rim) & (dx >= low) & (np.abs(dx) <= half) & (np.abs(dy) <= half)

    scene.paint(x, y, reach, lambda dx, dy: pierced(dx, dy) & (dx < 0 if touched else dx <= half), tone)
    if touched:
        scene.paint(x, y, reach, lambda dx, dy: pierced(dx, dy, low=0), other)


_PARTS = (_disc, _ring, _bar, _plate)


def _round(inner: float, outer: float) -> Shape:
    return lambda dx, dy: (dx * dx + dy * dy <= outer * outer) & (dx * dx + dy * dy >= inner * inner)


def _slab(turn: float, long: float, half: float, aside: float) -> Shape:
    c, s = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    return lambda dx, dy: (np.abs(c * dx + s * dy) <= long) & (np.abs(c * dy - s * dx - aside) <= half)


def colours() -> npt.NDArray[np.float32]:
    """The tones as (TONES, 3) RGB in [0, 255]: hues evenly around the circle, all of the same strength."""
    angle = np.arange(TONES, dtype=np.float32)[:, None] / TONES * 6 - np.array([0, 2, 4], np.float32)
    pure = np.clip(2 - np.abs((angle + 3) % 6 - 3), 0, 1)
    return (60 + 130 * pure).astype(np.float32)


def photograph(scene: Scene, seed: int) -> npt.NDArray[np.uint8]:
    """The scene's picture (side, side, 3): light falls off to one side, and there is noise."""
    rng = np.random.default_rng([seed, 1])
    table = np.concatenate([np.full((1, 3), 222, np.float32), colours()[scene.tones]])
    light = np.linspace(1.04, 0.9, scene.side, dtype=np.float32)
    picture = np.empty((scene.side, scene.side, 3), np.uint8)
    for top in range(0, scene.side, 500):
        rows = slice(top, top + 500)
        part = table[scene.labels[rows]] * light[None, :, None]
        part += rng.normal(0, 3, part.shape).astype(np.float32)
        picture[rows] = np.clip(np.rint(part), 0, 255)
    return picture


def instances(scene: Scene, image_id: int, first_id: int) -> list[dict[str, Any]]:
    """COCO annotations of what can be seen of each part, as compressed run lengths."""
    from pycocotools import mask as coco_mask
    from scipy.ndimage import find_objects

    found: list[dict[str, Any]] = []
    windows: Any = find_objects(scene.labels, len(scene.tones))
    for label, window in enumerate(windows, start=1):
        if window is None:  # covered by later ones
            continue
        whole = np.zeros(scene.labels.shape, np.uint8, order="F")
        whole[window] = scene.labels[window] == label
        area = int(whole[window].sum())
        if area < 64:
            continue
        runs = coco_mask.encode(whole)
        rows, columns = window
        found.append(
            {
                "id": first_id + len(found),
                "image_id": image_id,
                "category_id": scene.tones[label - 1] // 3 + 1,
                "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
                "area": area,
                "iscrowd": 0,
                "segmentation": {"size": runs["size"], "counts": runs["counts"].decode()},
            }
        )
    return found


def write_scenes(folder: Path, seed: int, pictures: int, side: int) -> Path:
    """Make the data set; its annotations.json comes last, so that it stands for a whole one."""
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(pictures):
        scene = make_scene(seed * 1000 + number, side)
        name = f"scene_{number:03d}.jpg"
        settings = [
            cv2.IMWRITE_JPEG_QUALITY,
            95,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ]
        if not cv2.imwrite(str(folder / name), photograph(scene, seed * 1000 + number)[..., ::-1], settings):
            raise SystemExit(f"{folder / name} cannot be written")
        images.append({"id": number + 1, "file_name": name, "width": side, "height": side})
        annotations += instances(scene, number + 1, len(annotations) + 1)
    content = {
        "info": {"description": f"python -m eval.scenes --seed {seed} --pictures {pictures} --side {side}"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(CATEGORIES, start=1)],
    }
    path = folder / "annotations.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content))
    part.replace(path)
    return path


def main() -> None:
    """Write the data set and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder, made where it is missing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--side", type=int, default=4000, help="px of each picture")
    options = parser.parse_args()
    path = write_scenes(options.output, options.seed, options.pictures, options.side)
    content = json.loads(path.read_text())
    print(f"{path}: {len(content['images'])} pictures, {len(content['annotations'])} objects")


if __name__ == "__main__":
    main()
