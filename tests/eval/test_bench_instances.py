from __future__ import annotations

import numpy as np
import pytest

from eval.bench_instances import RULES, box_times, fragments, links, main, merged_masks, neighbours
from eval.pieces import IDEAL, Noise, lone_objects, see_boxes, slices
from segtile.types import Box


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_the_quick_run_prints_every_table(capfd) -> None:
    assert main(["--quick"]) == 0
    printed = capfd.readouterr().out
    lines = [cells(line) for line in printed.splitlines() if line.startswith("|")]
    firsts = [line[0] for line in lines]
    assert [name for name in firsts if name in ("segtile", "sahi", "supervision")] == ["segtile", "sahi", "supervision"]
    assert firsts.count("segtile, strip agreement") == 4
    ours = next(line for line in lines if line[0] == "segtile")
    assert ours[4:] == ["9", "1.0000", "1.0000"]
    assert "| way | CPU s | x SAHI's call | results |" in printed


@pytest.mark.parametrize("system", ["sahi", "supervision"])
def test_peers_are_given_every_piece_and_their_answer_is_read(system) -> None:
    """One object in one tile: nothing to merge, so a peer that was understood gives it back but for its outline."""
    row = merged_masks(system, 1, 1000, 1)
    assert row.pieces >= 1
    assert row.results == 1
    assert row.ring > 0.4


def test_ideal_figures_of_our_rule_are_the_truth() -> None:
    assert fragments(10, 4000, IDEAL)["segtile, strip agreement"] == [1.0] * 7
    found = neighbours(links, IDEAL, 1, 0)
    assert found.seen == found.results["segtile, strip agreement"] == 34
    assert set(found.mixed) == set(RULES)


def test_boxes_are_timed_against_sahis_call() -> None:
    rows = box_times(400, IDEAL, 1)
    assert all(seconds > 0 and results > 0 for _, seconds, results in rows)
    assert "batched_greedy_nmm" in rows[0][0]


def test_noise_is_what_it_says() -> None:
    frame = Box.frame(4000, 4000)
    tiles = slices(frame, 1000, 200)
    objects = lone_objects(300, 120, frame, np.random.default_rng(0))
    labels = np.arange(300, dtype=np.int32)
    ideal = see_boxes(objects, labels, tiles, IDEAL, np.random.default_rng(1))
    dropped = see_boxes(objects, labels, tiles, Noise(drop=0.3), np.random.default_rng(1))
    assert 0.6 < len(dropped.owner) / len(ideal.owner) < 0.8
    off = see_boxes(objects, labels, tiles, Noise(jitter=3), np.random.default_rng(1))
    whole = (off.pieces.boxes - ideal.pieces.boxes)[(np.bincount(ideal.owner)[ideal.owner] == 1)]
    inside = np.abs(whole[whole != 0])
    assert inside.max() <= 3.001
    assert np.median(inside) > 1
    cut = see_boxes(objects, labels, tiles, Noise(clip=1, clip_share=0.5), np.random.default_rng(1))
    size = [(b[:, 2:] - b[:, :2]).prod(axis=1) for b in (cut.pieces.boxes, ideal.pieces.boxes)]
    assert (size[0] <= size[1] + 1).all()
    assert (size[0] >= 0.5 * size[1] - 200).all()
