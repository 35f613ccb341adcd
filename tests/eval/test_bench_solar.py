"""The figures of the solar page hold on two samples, and the script prints a row each."""

import numpy as np
import pytest

from eval.bench_solar import distances, edge_pairs, main, measure, under_light, white_samples


@pytest.mark.parametrize("name", ["pearls_white.tif", "wow/rings_wedding_bands"])
def test_the_channel_keeps_its_promises(name):
    found = {sample: (photo, alpha) for sample, photo, alpha in white_samples()}
    if name not in found:
        pytest.skip("no shared pictures (set SEGTILE_SHARED)")
    _, _, step, clean, folds, _, _, _, open_share, most, _ = measure(name, *found[name])
    assert float(step) >= 4
    assert float(clean) >= 0.9
    assert folds == "0"
    assert float(open_share) > 50
    assert float(most) < 1


def test_edge_pairs_lie_across_the_edge():
    y, x = np.mgrid[:120, :120]
    inside = np.hypot(x - 60, y - 60) < 30
    luma = np.where(inside, 0.5, np.where(x > 60, 0.9, 0.505)).astype(np.float32)
    (into, out), visible = edge_pairs(inside, distances(~inside), luma)
    assert inside[into].all()
    assert not inside[out].any()
    assert 0.4 < visible < 0.6, "the edge is visible on the right"
    assert (out[1] >= 60).all()
    apart = np.hypot(into[0] - out[0], into[1] - out[1])
    assert apart.min() > 4
    assert apart.max() < 7


def test_light_falls_off_and_keeps_the_depth():
    flat = np.full((50, 60, 3), 60000, np.uint16)
    lit = under_light(flat, 0.1)
    assert lit.dtype == np.uint16
    assert lit[0, 0, 0] == pytest.approx(60000, abs=1)
    assert lit[-1, -1, 0] == pytest.approx(54000, abs=2)


def test_speed_prints_a_ratio_a_depth(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench", "--speed", "--size", "600", "--repeats", "1"])
    main()
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split("|")[1].split()[-1] for row in rows] == ["uint8", "uint16"]
    assert all(float(row.split("|")[5]) > 0 for row in rows)
