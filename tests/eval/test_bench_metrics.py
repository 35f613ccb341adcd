from __future__ import annotations

import numpy as np
import pytest

from eval.bench_metrics import OURS, ROWS, main, make_alphas, plain_ways
from segtile.metrics.matte import DEFAULT


def test_prints_a_row_for_each_figure_asked_for(capfd) -> None:
    assert main(["--size", "200", "--only", "biou2", "s_measure"]) == 0
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in rows[2:]] == ["biou2", "s_measure"]
    assert {len(row) for row in rows} == {9}
    assert rows[2][7] == rows[2][8], "both ways give one value"
    assert rows[3][4] == rows[3][8] == "-", "no plain way is in the benchmark"


@pytest.mark.parametrize("size", [250, 640])
def test_every_plain_way_gives_our_value(tmp_path, size) -> None:
    make_alphas(size, tmp_path)
    truth, pred = np.load(tmp_path / "truth.npy"), np.load(tmp_path / "pred.npy")
    assert max(truth.shape) == size
    ways = plain_ways(*truth.shape)
    for name, way in ways.items():
        if name == "offset_median":
            assert abs(way(pred, truth) - OURS[name](pred, truth)) < 1.5
        else:
            assert way(pred, truth) == pytest.approx(OURS[name](pred, truth), rel=1e-4), name


def test_the_usual_figures_are_rows() -> None:
    assert set(DEFAULT) - {"offset_p95"} <= set(ROWS)


@pytest.mark.parametrize("wrong", [["--size", "10"], ["--repeats", "0"], ["--only", "psnr"]])
def test_wrong_use(wrong, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(wrong)
    assert stopped.value.code == 2
