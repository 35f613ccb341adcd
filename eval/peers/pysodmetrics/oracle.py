"""What PySODMetrics says about pairs of alphas: the oracle of our saliency figures. No file of ours is imported here.

It needs an environment of its own (requirements.txt), since it pins another OpenCV than segtile's.

    python eval/peers/pysodmetrics/oracle.py PAIRS.npz > golden.json

PAIRS.npz holds arrays `NAME.pred` and `NAME.truth`, (h, w) uint8. Written: {NAME: {figure: value}}, JSON on stdout.
`tests/metrics/test_saliency.py` compares with it where SEGTILE_PYSOD_PYTHON names the environment's python, and always
with the values that it gave when the test was written (`python tests/metrics/test_saliency.py` makes them again).
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt


def figures(pred: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> dict[str, float]:
    """All figures of one pair, under segtile's names."""
    import py_sod_metrics as sod  # type: ignore[import-not-found,unused-ignore]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tools: dict[str, Any] = {
            "s": sod.Smeasure(),
            "e": sod.Emeasure(),
            "w": sod.WeightedFmeasure(),
            "f": sod.Fmeasure(),
        }
        for tool in tools.values():
            tool.step(pred=pred, gt=truth)
        e, f = tools["e"].get_results()["em"], tools["f"].get_results()["fm"]
        found = {
            "s_measure": tools["s"].get_results()["sm"],
            "e_max": e["curve"].max(),
            "e_mean": e["curve"].mean(),
            "e_adaptive": e["adp"],
            "f_weighted": tools["w"].get_results()["wfm"],
            "f_max": f["curve"].max(),
        }
    return {name: float(value) for name, value in found.items()}


def main() -> None:
    """Read pairs, print figures."""
    pairs = np.load(sys.argv[1])
    names = sorted({key.rsplit(".", 1)[0] for key in pairs.files})
    golden = {name: figures(pairs[f"{name}.pred"], pairs[f"{name}.truth"]) for name in names}
    sys.stderr.write(f"pysodmetrics {version('pysodmetrics')}\n")
    print(json.dumps(golden, indent=1))


if __name__ == "__main__":
    main()
