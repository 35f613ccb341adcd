"""The benchmark prints what the documents quote; figures themselves are nobody's test."""

from __future__ import annotations

import pytest

from eval.bench_coco import main


def test_prints_both_tables(capfd):
    pytest.importorskip("ultrafast_pycocotools", reason="the extra fastcoco is not installed")
    assert main(["--repeats", "1", "--pictures", "6", "--side", "300"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line.startswith("|")]
    names = [row[0] for row in rows if row[0].strip("-:")]
    assert names[:4] == ["bbox, engine", "bbox, whole call", "segm, engine", "segm, whole call"]
    assert names[4:] == ["band", "2 px", "8 px", "0.02 of the diagonal"]
    for row in rows:
        if row[0].endswith(("engine", "call")):
            assert float(row[3]) > 0
            assert float(row[4]) <= 1e-6
    assert "6 pictures, 90 objects" in out
    assert "12 pictures of 300 px" in out
