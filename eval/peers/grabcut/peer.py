"""OpenCV's GrabCut as its tutorial runs it: from a rectangle alone, five iterations, a hard mask.

The rectangle is the picture less 2 % on each side, since nobody draws one for a batch. Pictures over 1000 px are made
smaller for it and the mask is made larger again, linearly.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from protocol import Refused, serve


def load() -> None:
    """Import OpenCV."""
    import cv2  # noqa: F401


def work(job: dict[str, Any], long_side: int, inset: float, iterations: int) -> None:
    """Cut one picture."""
    import cv2
    import numpy as np

    photo = cv2.imread(job["photo"], cv2.IMREAD_COLOR)
    if photo is None:
        raise Refused("OpenCV cannot read it")
    h, w = photo.shape[:2]
    scale = min(1.0, long_side / max(h, w))
    if scale < 1:
        photo = cv2.resize(photo, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_AREA)
    rows, columns = photo.shape[:2]
    dx, dy = max(1, round(columns * inset)), max(1, round(rows * inset))
    mask = np.zeros((rows, columns), np.uint8)
    cv2.setRNGSeed(0)  # its k-means starts at random
    models = np.zeros((1, 65)), np.zeros((1, 65))
    frame = (dx, dy, columns - 2 * dx, rows - 2 * dy)
    cv2.grabCut(photo, mask, frame, *models, iterations, cv2.GC_INIT_WITH_RECT)
    alpha = np.where((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD), 255, 0).astype(np.uint8)
    if scale < 1:
        alpha = cv2.resize(alpha, (w, h), interpolation=cv2.INTER_LINEAR)
    if not cv2.imwrite(job["output"], alpha, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise Refused("OpenCV cannot write the alpha")


def main() -> None:
    """Read the arguments and answer jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long-side", type=int, default=1000, help="px, larger pictures are made smaller")
    parser.add_argument("--inset", type=float, default=0.02, help="share of the sides that is outside the rectangle")
    parser.add_argument("--iterations", type=int, default=5)
    options = parser.parse_args()
    serve(load, lambda job: work(job, options.long_side, options.inset, options.iterations))


if __name__ == "__main__":
    main()
