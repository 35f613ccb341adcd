"""`segtile.segment` on the shared detector, with its defaults but for the slices' size.

It is no peer but ours, measured as the peers are; it runs in the environment that the run itself runs in.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "detector"))

from protocol import serve


def find(window: Any) -> Any:
    """The shared detector as a callable."""
    import numpy as np
    from detector import detect

    from segtile.detected import CropMask, Detections
    from segtile.types import Box

    found = detect(window)
    frame = Box.frame(window.shape[1], window.shape[0])
    return Detections(
        boxes=np.array([one.box for one in found], np.float32).reshape(-1, 4),
        scores=np.array([one.score for one in found], np.float32),
        labels=np.array([one.category for one in found], np.int32),
        tiles=np.zeros(len(found), np.int32),
        masks=tuple(CropMask.from_bits(one.mask, Box(*one.box), frame) for one in found),
    )


def load() -> None:
    """Import what is needed."""
    import detector  # noqa: F401

    import segtile.segment  # noqa: F401


def work(job: dict[str, Any], options: argparse.Namespace) -> None:
    """Segment one picture; the boxes and the masks of the result, as the peers' results have them."""
    from coco_results import write_results

    import segtile

    result = segtile.segment(
        Path(job["photo"]),
        find,
        slice=options.side,
        overlap=options.overlap,
        grid=options.grid,
        scales=[scale if scale == "full" else float(scale) for scale in options.scales],
        fusion=options.fusion,
        confidence=0.0,
    )
    image = int(job["image_id"])
    masks, boxes = (result.to_coco_results(image, kind=kind) for kind in ("segm", "bbox"))
    write_results([{**mask, **box} for mask, box in zip(masks, boxes, strict=True)], Path(job["output"]))


def main() -> None:
    """Read the arguments and answer jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=640, help="px of a slice")
    parser.add_argument("--overlap", type=float, default=0.2, help="share of a slice")
    parser.add_argument("--grid", default="uniform")
    parser.add_argument("--scales", nargs="+", default=["1"], help="numbers and full")
    parser.add_argument("--fusion", default="strip")
    options = parser.parse_args()
    serve(load, lambda job: work(job, options))


if __name__ == "__main__":
    main()
