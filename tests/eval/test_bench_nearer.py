"""The look between over a map that is too coarse, on a small sample: with it more of the edge is right."""

import pytest

from eval.bench_nearer import METRICS, main

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def test_with_the_look_between_the_edge_is_better(capsys):
    main(["--sample", "flatlay", "--side", "1150", "--cells", "256", "--coarse", "studio"])
    table = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    names, (between, with_it), (none, without) = table[0][1:], *((row[0], row[1:]) for row in table[1:])
    assert (between, none) == ("yes", "no")
    one, two = (dict(zip(names, map(float, row), strict=True)) for row in (with_it, without))
    assert tuple(names[: len(METRICS)]) == METRICS
    assert one["px a cell"] <= 4 < two["px a cell"]
    assert one["biou2"] > two["biou2"] + 0.015
    assert one["mae"] < two["mae"]
