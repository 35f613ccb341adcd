"""What outlines and conversions of instances cost, against OpenCV's contours of the same masks in the same run.

    python -m eval.bench_polygons              200 instances of 1000 px on 8000 x 8000, every second one a ring

Medians of CPU seconds, and how many times OpenCV's `findContours` (through pixel centres, no polygons made) each takes.
The exact outline is checked on the way: `bits back` is the lowest IoU of what it fills with the mask it came from, and
`simplified` that of outlines simplified by 0.5 px.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from segtile.detected import CropMask, Instance
from segtile.detection import DetectionResult, DetectionRow
from segtile.masks.outline import outline
from segtile.masks.polygons import overlap, simplified
from segtile.types import Box, ImageInfo


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--side", type=int, default=1000, help="of an instance in px")
    parser.add_argument("--frame", type=int, default=8000, help="side of the picture in px")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    found = scene(options.instances, options.side, options.frame)
    masks = [i.mask for i in found.instances if i.mask is not None]
    bits = [mask.bits.view(np.uint8) for mask in masks]
    preview = np.zeros((1000, 1000, 3), np.uint8)
    calls: dict[str, Callable[[], object]] = {
        "cv2.findContours": lambda: [cv2.findContours(b, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE) for b in bits],
        "outline": lambda: [outline(mask) for mask in masks],
        "simplified 0.5 px": lambda: [simplified(mask, 0.5) for mask in masks],
        "to_coco": found.to_coco,
        "to_geojson": found.to_geojson,
        "to_yolo": found.to_yolo,
        "to_labelme": found.to_labelme,
        "to_supervision": found.to_supervision,
        "to_sahi": found.to_sahi,
        "overlay": partial(found.overlay, preview),
    }
    medians = {name: median(call, options.repeats) for name, call in calls.items()}
    print("call|CPU s|x findContours")
    for name, seconds in medians.items():
        print(f"{name}|{seconds:.2f}|{seconds / medians['cv2.findContours']:.1f}")
    print(f"bits back|{min(overlap(outline(mask), mask) for mask in masks):.4f}|")
    print(f"simplified|{min(simplified(mask, 0.5).iou for mask in masks):.4f}|")


def scene(count: int, side: int, frame_side: int) -> DetectionResult:
    """Wavy discs and rings at random places, the same at each call."""
    rng, frame = np.random.default_rng(0), Box.frame(frame_side, frame_side)
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    r, angle = np.hypot(x, y) / side, np.arctan2(y, x)
    instances = []
    for k in range(count):
        bits = (r < 0.44 + 0.05 * np.sin(angle * (3 + k % 7) + k)) & (r > (0.25 if k % 2 else -1))
        x0, y0 = rng.integers(0, frame_side - side + 1, 2).tolist()
        mask = CropMask.from_bits(bits, Box(x0, y0, x0 + side, y0 + side), frame)
        box = (float(x0), float(y0), float(x0 + side), float(y0 + side))
        instances.append(Instance(k + 1, 0, "piece", 0.9, box, mask, (0,), (k,)))
    row = DetectionRow("", None, frame_side, frame_side, "", "", 0, 0, 0, count, count, {}, {}, None, None)
    return DetectionResult(ImageInfo(frame_side, frame_side, 3, "uint8"), tuple(instances), ("piece",), (), row)


def median(call: Callable[[], object], repeats: int) -> float:
    """Median CPU seconds of a call."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
