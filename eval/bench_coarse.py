"""How well the coarse passes find what is there: one row per sample and pass.

    python -m eval.bench_coarse [--folder data_samples] [--side 2048] [--pass studio --pass u2netp]

Pictures are every NAME_alpha.png of a folder with its NAME.png, .jpg or .tif. Columns, all at the frame's full size:

* soft: pixels whose exact alpha lies strictly between 0 and 1; missed: those of them outside the band;
  covered: the share of them inside it.
* band: share of the frame that the band takes; object: share of the frame with alpha above 0.5.
* wrong: pixels outside the band on the wrong side of alpha 0.5, as a share of the frame.
* iou: coarse probability at 0.5 against alpha at 0.5; it says how good the first guess is, not the cut-out.
* seconds: processor time of the pass alone, all threads together.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from segtile.coarse import look
from segtile.errors import SegtileError
from segtile.raster import open_raster
from segtile.types import CoarseMap, FloatArray

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


@dataclass(frozen=True)
class Figures:
    """One row of the table; shares in [0, 1]."""

    soft: int
    missed: int
    band: float
    wrong: float
    iou: float
    inside: float

    @property
    def covered(self) -> float:
        """Share of soft pixels inside the band."""
        return 1 - self.missed / max(1, self.soft)


def measure(found: CoarseMap, alpha: FloatArray) -> Figures:
    """Compare a coarse map with the exact alpha, (H, W) float32 in [0, 1] at the frame's size."""
    rows, cols = found.cells(found.frame)
    band = found.unsure[rows][:, cols]
    guess = (found.prob >= 0.5)[rows][:, cols]
    truth = alpha >= 0.5
    soft = (alpha > 0) & (alpha < 1)
    either = np.count_nonzero(guess | truth)
    return Figures(
        soft=int(np.count_nonzero(soft)),
        missed=int(np.count_nonzero(soft & ~band)),
        band=float(band.mean()),
        wrong=float((~band & (guess != truth)).mean()),
        iou=np.count_nonzero(guess & truth) / either if either else 1.0,
        inside=float(truth.mean()),
    )


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Every picture of a folder that has an exact alpha beside it."""
    found = []
    for alpha in sorted(folder.glob("*_alpha.png")):
        stem = alpha.name.removesuffix("_alpha.png")
        found += [(folder / (stem + s), alpha) for s in _SUFFIXES if (folder / (stem + s)).is_file()][:1]
    return found


def read_alpha(path: Path) -> FloatArray:
    """An alpha picture, 8 or 16 bit, as (H, W) float32 in [0, 1]."""
    alpha = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if alpha is None:
        raise SystemExit(f"{path} cannot be read")
    alpha = alpha if alpha.ndim == 2 else alpha[..., 0]
    return (alpha / np.float32(np.iinfo(alpha.dtype).max)).astype(np.float32)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parents[1] / "data_samples")
    parser.add_argument("--side", type=int, default=2048, help="longer side of the map")
    parser.add_argument("--pass", dest="passes", action="append", help="a coarse pass; repeat for several")
    args = parser.parse_args()
    head = f"{'picture':34} {'pass':8} {'soft':>8} {'missed':>7} {'covered':>8} {'band':>6} {'object':>7} "
    print(head + f"{'wrong':>9} {'iou':>6} {'objects':>8} {'seconds':>8}")
    for picture, alpha_path in pairs(args.folder):
        raster = open_raster(picture)
        preview = raster.preview(args.side)
        alpha = read_alpha(alpha_path)
        for name in args.passes or ["studio", "u2netp"]:
            start = time.process_time()
            try:
                found = look(preview, raster.info.frame, name)
            except SegtileError as error:
                print(f"{picture.name:34} {name:8} {error}")
                continue
            spent = time.process_time() - start
            f = measure(found, alpha)
            print(
                f"{picture.name:34} {name:8} {f.soft:8d} {f.missed:7d} {f.covered:8.3%} {f.band:6.1%} {f.inside:7.1%} "
                f"{f.wrong:9.4%} {f.iou:6.3f} {int(found.labels.max()):8d} {spent:8.2f}"
            )
        raster.close()


if __name__ == "__main__":
    main()
