"""The shared detector without slicing: on the whole picture at its input size, or (--side 0) at the full one.

The first is what one gets by not slicing at all. The second is what no detector with a fixed input size can do, and
thus the most that slicing and fusion could give back.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from protocol import serve


def load() -> None:
    """Import what the detector needs."""
    import coco_results  # noqa: F401
    import detector  # noqa: F401


def work(job: dict[str, Any], side: int | None) -> None:
    """Detect in one picture."""
    from coco_results import result, write_results
    from detector import detect
    from pictures import read_rgb

    rgb = read_rgb(Path(job["photo"]))
    found = detect(rgb, side)
    image = int(job["image_id"])
    write_results(
        [result(image, one.category + 1, one.score, one.box, one.mask, rgb.shape[:2]) for one in found],
        Path(job["output"]),
    )


def main() -> None:
    """Read the arguments and answer jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--side", type=int, default=640, help="the detector's input size in px; 0: as large as it comes"
    )
    options = parser.parse_args()
    serve(load, lambda job: work(job, options.side or None))


if __name__ == "__main__":
    main()
