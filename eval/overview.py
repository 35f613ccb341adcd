"""Makes the README's picture: a sample, its tile plan, the cut-out on black, and the edge at 400 %.

python -m eval.overview [--sample ring]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

import segtile
from eval.bench_cutout import find_sample
from segtile.grid import draw_plan
from segtile.types import Array, Box

TARGET = Path(__file__).parent / "figures" / "overview.jpg"
_HEIGHT = 520


def main() -> None:
    """Cut the sample out and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", default="ring", help="stem in data_samples")
    parser.add_argument("--detail", type=int, nargs=2, metavar=("X", "Y"), help="centre of the enlarged edge")
    options = parser.parse_args()
    photo, _ = find_sample(options.sample)
    with segtile.cutout(photo) as cut:
        plan = draw_plan(cut.raster.preview(2048), cut.coarse, cut.grid)
        picture, on_black = cut.rgba[..., :3], over(cut.rgba, 0.0)
        box = detail_box(cut.alpha, options.detail)
        panels = [picture, plan, on_black, enlarged(on_black, box)]
    row = np.hstack([fit(panel) for panel in panels])
    TARGET.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(TARGET), row[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def over(rgba: Array, tone: float) -> Array:
    """The cut-out on a flat grey: (h, w, 3) uint8."""
    alpha = rgba[..., 3:] / np.float32(255)
    mixed: Array = rgba[..., :3] * alpha + np.float32(tone) * (1 - alpha)
    return mixed.round().astype(np.uint8)


def detail_box(alpha: Array, centre: list[int] | None, side: int = 130) -> Box:
    """A window on the edge; where none is named, around the soft pixel nearest the top."""
    if centre is None:
        y, x = np.argwhere((alpha > 64) & (alpha < 192))[0]
        centre = [int(x), int(y) + side // 3]
    h, w = alpha.shape
    x0 = min(max(0, centre[0] - side // 2), w - side)
    y0 = min(max(0, centre[1] - side // 2), h - side)
    return Box(x0, y0, x0 + side, y0 + side)


def enlarged(picture: Array, box: Box) -> Array:
    """The window at 400 %, pixels left square."""
    grown: Array = cv2.resize(picture[box.slices], None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    return grown


def fit(picture: Array) -> Array:
    """Scaled to the row's height."""
    width = round(picture.shape[1] * _HEIGHT / picture.shape[0])
    scaled: Array = cv2.resize(picture, (width, _HEIGHT), interpolation=cv2.INTER_AREA)
    return scaled


if __name__ == "__main__":
    main()
