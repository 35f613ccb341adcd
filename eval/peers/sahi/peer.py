"""SAHI's `get_sliced_prediction` on the shared detector, with its defaults but for the slices' size and overlap.

Masks go in and come out as its adapters and its COCO export have them, as polygons.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "detector"))

from protocol import serve


def make_model() -> Any:
    """The shared detector as a model of SAHI's."""
    import numpy as np
    from detector import LEAST_SCORE, NAMES, detect
    from sahi.models.base import DetectionModel
    from sahi.prediction import ObjectPrediction
    from sahi.utils.compatibility import fix_full_shape_list, fix_shift_amount_list
    from sahi.utils.cv import get_coco_segmentation_from_bool_mask

    class Detector(DetectionModel):
        def load_model(self) -> None:
            self.model = detect

        def perform_inference(self, image: Any) -> None:
            self._shape = image.shape[:2]
            self._original_predictions = detect(image)

        def _create_object_prediction_list_from_original_predictions(
            self, shift_amount_list: Any = None, full_shape_list: Any = None
        ) -> None:
            # SAHI hands over one pair or a list of pairs; its own adapters sort that out with these two
            shift = [int(v) for v in fix_shift_amount_list(shift_amount_list or [0, 0])[0]]
            shapes = fix_full_shape_list(full_shape_list)
            full = list(shapes[0]) if shapes else list(self._shape)
            objects = []
            for one in self._original_predictions:
                x0, y0, x1, y1 = one.box
                mask = np.zeros(self._shape, np.uint8)
                mask[y0:y1, x0:x1] = one.mask
                outline = get_coco_segmentation_from_bool_mask(mask)
                if outline:
                    objects.append(
                        ObjectPrediction(
                            bbox=[float(v) for v in one.box],
                            category_id=one.category,
                            category_name=NAMES[one.category],
                            score=one.score,
                            segmentation=outline,
                            shift_amount=shift,
                            full_shape=[int(v) for v in full],
                        )
                    )
            self._object_prediction_list_per_image = [objects]

    return Detector(
        confidence_threshold=LEAST_SCORE, device="cpu", category_mapping={str(k): v for k, v in NAMES.items()}
    )


class Sahi:
    """The model and the settings of one run."""

    def __init__(self, side: int, overlap: float, whole_too: bool) -> None:
        self.side, self.overlap, self.whole_too = side, overlap, whole_too

    def load(self) -> None:
        """Import SAHI and make the model."""
        self.model = make_model()

    def work(self, job: dict[str, Any]) -> None:
        """Detect in one picture."""
        import json

        from sahi.predict import get_sliced_prediction

        done = get_sliced_prediction(
            job["photo"],
            self.model,
            slice_height=self.side,
            slice_width=self.side,
            overlap_height_ratio=self.overlap,
            overlap_width_ratio=self.overlap,
            perform_standard_pred=self.whole_too,
            verbose=0,
        )
        found = done.to_coco_predictions(image_id=int(job["image_id"]))
        for one in found:
            one["category_id"] += 1
            one["score"] = float(one["score"])
        Path(job["output"]).write_text(json.dumps(found))


def main() -> None:
    """Read the arguments and answer jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=640, help="px of a slice")
    parser.add_argument("--overlap", type=float, default=0.2, help="share of a slice")
    parser.add_argument(
        "--no-standard-prediction", action="store_true", help="slices only, without SAHI's pass over the whole picture"
    )
    options = parser.parse_args()
    peer = Sahi(options.side, options.overlap, not options.no_standard_prediction)
    serve(peer.load, peer.work)


if __name__ == "__main__":
    main()
