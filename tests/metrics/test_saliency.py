"""S, E, weighted F and max F: by hand, and against PySODMetrics.

The golden values stand in pysodmetrics_golden.json; from a checkout with PySODMetrics in an environment of its own

    SEGTILE_PYSOD_PYTHON=ENV/bin/python python tests/metrics/test_saliency.py

makes that file again.
"""

import json
import math
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "pysodmetrics_golden.json"
ORACLE = HERE.parents[1] / "eval" / "peers" / "pysodmetrics" / "oracle.py"
NAMES = ("s_measure", "e_max", "e_mean", "e_adaptive", "f_weighted", "f_max")
#: Sums are taken in another order; nothing else differs.
TOLERANCE = 1e-9


def blocks(seed: int, h: int, w: int, soft: bool) -> np.ndarray:
    """(h, w) uint8 from whole numbers only, so that every machine makes the same."""
    rng = np.random.default_rng(seed)
    alpha = np.zeros((h, w), np.int64)
    for _ in range(4):
        y, x = int(rng.integers(0, h)), int(rng.integers(0, w))
        alpha[y : y + int(rng.integers(1, h)), x : x + int(rng.integers(1, w))] += int(rng.integers(60, 256))
    alpha = np.minimum(alpha, 255)
    if soft:
        for _ in range(3):
            padded = np.pad(alpha, 1, mode="edge")
            alpha = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] + 4 * alpha) // 8
        alpha = np.clip(alpha + rng.integers(-6, 7, alpha.shape), 0, 255)
    return alpha.astype(np.uint8)


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    found = {}
    for k, (h, w) in enumerate([(24, 31), (40, 40), (57, 33), (64, 90), (130, 111), (9, 200)]):
        truth = np.where(blocks(k, h, w, False) >= 128, 255, 0).astype(np.uint8)
        found[f"soft {k}"] = blocks(k + 100, h, w, True), truth
        found[f"near {k}"] = np.roll(blocks(k, h, w, True), 1, axis=1), truth
        found[f"grey truth {k}"] = blocks(k + 200, h, w, True), blocks(k + 300, h, w, True)
    truth = found["soft 3"][1]
    constants = {"black": 0, "white": 255}
    for name, value in constants.items():
        found[f"{name} prediction"] = np.full_like(truth, value), truth
        found[f"{name} truth"] = found["soft 3"][0], np.full_like(truth, value)
    found["equal"] = truth, truth
    found["inverse"] = 255 - truth, truth
    found["narrow range"] = (blocks(7, 64, 90, True) // 4 + 100).astype(np.uint8), truth
    corner = np.zeros((50, 60), np.uint8)
    corner[44:, 53:] = 255
    found["in the corner"] = np.roll(corner, (-3, -2), (0, 1)), corner
    margins = np.zeros((70, 80), np.uint8)
    margins[20:40, 30:60] = blocks(11, 20, 30, True)
    found["far margins"] = margins, np.where(np.roll(margins, 2, 0) > 128, 255, 0).astype(np.uint8)
    return found


def ask(python: str, folder: Path) -> dict[str, dict[str, float]]:
    pairs = {f"{name}.pred": pred for name, (pred, _) in cases().items()}
    pairs |= {f"{name}.truth": truth for name, (_, truth) in cases().items()}
    np.savez(folder / "pairs.npz", **pairs)
    done = subprocess.run([python, ORACLE, folder / "pairs.npz"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def compare(golden: dict[str, dict[str, float]]) -> None:
    from segtile.metrics.matte import measure

    assert set(golden) == set(cases())
    for case, (pred, truth) in cases().items():
        found = measure(pred, truth, NAMES)
        for name in NAMES:
            assert found[name] == pytest.approx(golden[case][name], abs=TOLERANCE), (case, name)


def test_pysodmetrics_golden_values():
    compare(json.loads(GOLDEN.read_text()))


def test_pysodmetrics_itself(tmp_path):
    python = os.environ.get("SEGTILE_PYSOD_PYTHON")
    if not python:
        pytest.skip("SEGTILE_PYSOD_PYTHON does not name the python of an environment with PySODMetrics")
    compare(ask(python, tmp_path))


def test_golden_values_over_many_tiles(monkeypatch):
    monkeypatch.setattr("segtile.metrics.saliency._TILE", 23)
    golden = json.loads(GOLDEN.read_text())
    from segtile.metrics.matte import measure

    for case in ("soft 3", "near 4", "grey truth 2", "in the corner", "far margins"):
        found = measure(*cases()[case], NAMES)
        # a background pixel that is equally near to two of the object's may take the other one's error
        want = {name: pytest.approx(golden[case][name], abs=2e-4 if name == "f_weighted" else 1e-9) for name in NAMES}
        assert found == want, case


def test_by_hand():
    from segtile.metrics.matte import measure

    truth = np.zeros((2, 2), np.uint8)
    truth[0] = 255
    pred = np.array([[255, 0], [0, 0]], np.uint8)
    found = measure(pred, truth, NAMES)
    # F: at every threshold over 0 precision 1 and recall 1/2: 1.3 * 0.5 / (0.3 + 0.5); at 0 precision 1/2 and
    # recall 1: 1.3 * 0.5 / (0.15 + 1), which is less
    assert found["f_max"] == pytest.approx(1.3 * 0.5 / 0.8)
    # E: mean of pred 1/4, of truth 1/2. Aligned values 2 p g / (p^2 + g^2): (3/4, 1/2) 12/13, (-1/4, 1/2) -4/5, twice
    # (-1/4, -1/2) 4/5. Sum of (1 + a)^2 / 4 over n - 1 = 3.
    e = ((25 / 13) ** 2 + (1 / 5) ** 2 + 2 * (9 / 5) ** 2) / 4 / 3
    assert found["e_max"] == pytest.approx(e)
    # threshold 0 takes all: p = 0, a = 0, 4 * 1/4 / 3
    assert found["e_mean"] == pytest.approx((255 * e + 1 / 3) / 256)
    assert found["e_adaptive"] == pytest.approx(e)  # threshold 2 * 1/4
    # Weighted F: inside the errors are 0 and 1. The background's errors are taken from the object above it, so the
    # window (7 x 7, all of the picture, zeros around it) sees 0, 1 / 0, 1 with nearly equal weights w(d) = c(dy) c(dx).
    c = np.exp(-(np.arange(-3, 4) ** 2) / 50)
    c /= c.sum()
    around = {0: (c[3] + c[4]) * c[4], 1: (c[3] + c[4]) * c[3]}  # at the right pixel and at the missed one
    loss = min(0, around[0]) + min(1, around[1])
    recall = 1 - loss / 2
    precision = (2 - loss) / (2 - loss + 0)
    assert found["f_weighted"] == pytest.approx(2 * recall * precision / (recall + precision))
    # S: object part: truth's pixels 1, 0: mean 1/2, deviation sqrt(1/2): 1 / (1/4 + 1 + sqrt(1/2)); background all
    # right: 2 / (1 + 1). Halves of the picture: (1 / (1.25 + sqrt(0.5)) + 1) / 2.
    by_object = (1 / (1.25 + math.sqrt(0.5)) + 1) / 2
    # Region part: centroid row 0, column 0.5 rounded to 0, plus one: cut after row 1 and column 1 into four single
    # pixels, and where neither alpha varies the tool says alike, whatever the values
    assert found["s_measure"] == pytest.approx(0.5 * by_object + 0.5)


def test_a_grey_prediction_is_even_in_every_quadrant():
    from segtile.metrics.saliency import s_measure

    truth = np.zeros((8, 8), np.uint8)
    truth[:4, :4] = 255  # centroid 1.5, 1.5: rounded to 2, plus one: the upper left quadrant is 3 x 3
    # Object part: 1/4 * 2 m / (m^2 + 1) and 3/4 * 2 (1 - m) / ((1 - m)^2 + 1). Region part: only the first quadrant is
    # even in both, so alike; each of the others holds an edge of the truth, which the prediction lacks: 0
    m = 90 / 255
    by_object = 0.25 * 2 * m / (m * m + 1) + 0.75 * 2 * (1 - m) / ((1 - m) ** 2 + 1)
    assert s_measure(np.full((8, 8), 90, np.uint8), truth) == pytest.approx(0.5 * by_object + 0.5 * 9 / 64)


def test_more_blur_and_more_growth_are_worse():
    from metric_cases import disc

    from segtile.metrics.matte import measure

    truth = disc(90, 24)
    rows = [measure(disc(90, 24 + k), truth, NAMES) for k in range(0, 9, 2)]
    for name in NAMES:
        row = [found[name] for found in rows]
        assert row == sorted(row, reverse=True), name
        assert row[-1] < row[0] - 0.01, name


def remake() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        golden = ask(os.environ["SEGTILE_PYSOD_PYTHON"], Path(folder))
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


def test_the_order_of_pixels_does_not_decide_whether_one_at_twice_the_mean_is_taken():
    """Sums of the same pixels in another order differ in the last bit, and with them the mean."""
    from segtile.metrics.saliency import e_adaptive

    rng = np.random.default_rng(0)
    while True:
        pred = rng.integers(0, 256, 64).astype(np.uint8)
        pred[0], pred[1], pred[2:14] = 0, 255, 0
        twice, left = divmod(2 * int(pred.sum()), 64)
        if left == 0 and twice < 255 and (pred == twice).any():
            break
    truth = np.where(np.arange(64) % 3 == 0, 255, 0).astype(np.uint8)
    found = []
    for _ in range(100):
        order = rng.permutation(64)
        found.append(e_adaptive(pred[order].reshape(8, 8), truth[order].reshape(8, 8)))
    assert np.ptp(found) < 1e-9


if __name__ == "__main__":
    remake()
