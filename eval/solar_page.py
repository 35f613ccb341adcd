"""The README's picture of the solar views, made by the program.

    python -m eval.solar_page [-o eval/figures/solar.jpg]

The pearls on white as they are, through solar4, and through the adaptive curve; whole above, a detail below.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from eval.bench_cutout import SAMPLES
from segtile.raster import open_raster
from segtile.types import Array
from segtile.view import make_view

PHOTO = SAMPLES / "pearls_white.tif"
VIEWS = (("as it is", None), ("solar4", "solar4"), ("adaptive", "adaptive"))
DETAIL = (150, 700, 510, 970)  # x0, y0, x1, y1
WIDTH = 480


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("eval/figures/solar.jpg"))
    path = parser.parse_args().output
    columns = [column(name, curve) for name, curve in VIEWS]
    Image.fromarray(np.hstack(columns)).save(path, quality=88, subsampling=0)
    print(path)


def column(name: str, curve: str | None) -> Array:
    """One view: its name, the whole picture, the detail."""
    with open_raster(PHOTO) as raster:
        if curve is None:
            whole: Array = (raster.window(raster.info.frame) >> 8).astype(np.uint8)
        else:
            whole = np.concatenate(list(make_view(raster, curve=curve).strips()))
    x0, y0, x1, y1 = DETAIL
    parts = [whole, whole[y0:y1, x0:x1]]
    sized = [fitted(part) for part in parts]
    ImageDraw.Draw(sized[0]).text((12, 8), name, fill=(40, 40, 40), font_size=24)
    return np.vstack([np.asarray(part) for part in sized])


def fitted(pixels: Array) -> Image.Image:
    """The picture at the column's width."""
    height = round(pixels.shape[0] * WIDTH / pixels.shape[1])
    return Image.fromarray(pixels).resize((WIDTH, height), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
