"""supervision's `InferenceSlicer` on the shared detector, with its defaults but for the slices' overlap and the filter.

Masks are kept as crops (`compact_masks`): the default, a full frame for every piece, does not fit into memory here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "detector"))

from protocol import serve


class Slicer:
    """The slicer and the settings of one run."""

    def __init__(self, side: int, overlap: int, fusion: str, metric: str) -> None:
        self.side, self.overlap, self.fusion, self.metric = side, overlap, fusion, metric

    def load(self) -> None:
        """Import supervision and make the slicer."""
        import numpy as np
        import supervision as sv
        from detector import detect

        def callback(tile: Any) -> Any:
            found = detect(tile)
            if not found:
                return sv.Detections.empty()
            masks = np.zeros((len(found), *tile.shape[:2]), bool)
            for mask, one in zip(masks, found, strict=True):
                x0, y0, x1, y1 = one.box
                mask[y0:y1, x0:x1] = one.mask
            return sv.Detections(
                xyxy=np.array([one.box for one in found], float),
                mask=masks,
                confidence=np.array([one.score for one in found]),
                class_id=np.array([one.category for one in found]),
            )

        filters = {"nms": sv.OverlapFilter.NON_MAX_SUPPRESSION, "nmm": sv.OverlapFilter.NON_MAX_MERGE}
        metrics = {"iou": sv.OverlapMetric.IOU, "ios": sv.OverlapMetric.IOS}
        self.slicer = sv.InferenceSlicer(
            callback,
            slice_wh=self.side,
            overlap_wh=self.overlap,
            overlap_filter=filters[self.fusion],
            overlap_metric=metrics[self.metric],
            compact_masks=True,
        )

    def work(self, job: dict[str, Any]) -> Any:
        """Detect in one picture; the result file is written after the clock, as supervision has no such export."""
        from coco_results import result, write_results
        from pictures import read_rgb

        rgb = read_rgb(Path(job["photo"]))
        found = self.slicer(rgb)

        def finish() -> None:
            write_results(
                [
                    result(
                        int(job["image_id"]),
                        int(found.class_id[i]) + 1,
                        float(found.confidence[i]),
                        tuple(float(v) for v in found.xyxy[i]),
                        found.mask[i],
                        rgb.shape[:2],
                    )
                    for i in range(len(found))
                ],
                Path(job["output"]),
            )

        return finish


def main() -> None:
    """Read the arguments and answer jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=640, help="px of a slice")
    parser.add_argument("--overlap", type=int, default=128, help="px")
    parser.add_argument("--fusion", choices=["nms", "nmm"], default="nms")
    parser.add_argument("--metric", choices=["iou", "ios"], default="iou")
    options = parser.parse_args()
    peer = Slicer(options.side, options.overlap, options.fusion, options.metric)
    serve(peer.load, peer.work)


if __name__ == "__main__":
    main()
