from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eval.bench_merge import KINDS, gaussian_full_canvas, jobs, main, make_canvas, ours, run_apart, table
from segtile.merge.mosaic import mosaic_plan

ROOT = Path(__file__).resolve().parents[2]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_prints_one_row_for_each_method_and_canvas(capfd) -> None:
    assert main(["--size", "600", "--tile", "256", "--overlap", "32", "--repeats", "1"]) == 0
    printed = capfd.readouterr().out.splitlines()
    assert printed[0].startswith("canvas 600 x 600, 9 tiles of 256 px")
    lines = [cells(line) for line in printed if line.startswith("|")][2:]
    assert {(line[0], line[1]) for line in lines} == {(job.method, job.kind) for job in jobs(600, 256, 32, 1)}
    for line in lines:
        assert float(line[3]) > 0
        assert float(line[4]) > 0
        if line[0] == "segtile":
            assert line[7] == "0 (to the bit)"
        elif line[0] == "gaussian, full canvases":
            assert line[7] == "0 (to the bit)" or float(line[7]) < 1e-5


@pytest.mark.parametrize("kind", list(KINDS))
def test_both_ways_give_the_canvas_back(kind: str) -> None:
    canvas, plan = make_canvas(kind, 300), mosaic_plan(300, 300, 128, 32)
    np.testing.assert_array_equal(ours(canvas, plan), canvas)
    np.testing.assert_allclose(gaussian_full_canvas(canvas, plan), canvas, atol=1e-5)


def test_a_row_tells_an_error_and_its_ratio() -> None:
    job = next(j for j in jobs(300, 128, 32, 1) if j.method == "segtile")
    row = run_apart(job)
    assert row.error == 0
    assert cells(table([row]).splitlines()[-1])[5] == f"{row.cpu_s / row.copy_s:.1f}"


def test_a_failing_row_is_not_passed_over() -> None:
    command = [sys.executable, "-m", "eval.bench_merge", "--size", "600", "--tile", "64", "--overlap", "64"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode != 0
    assert "overlap is 64 px" in done.stderr


def test_help_names_every_option() -> None:
    command = [sys.executable, "-m", "eval.bench_merge", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    for option in ("--size", "--tile", "--overlap", "--repeats"):
        assert option in done.stdout
