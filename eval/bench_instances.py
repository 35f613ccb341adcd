"""What fusion across tiles makes of objects, beside SAHI and supervision: pieces, neighbours, masks, seconds, memory.

One run prints four tables. All scenes are made by numbers (`eval.pieces`) and seeded; times are CPU seconds of the
process, medians of the repeats, on one thread.

* masks: pieces of 200 wavy discs and rings on 8000 x 8000 px, slices of 1024 px; each system in a process of its own.
  Each gets the pieces as its own adapters make them, SAHI polygons, segtile bits on the frame's grid of bytes; "from
  bits" counts the making of these as well.
  Peak memory is what merging needs on top of the pieces. "solid" and "ring" are the mean IoU of the best result.
* fragments: results per object, for objects of 0.25 to 3 slices that each stand alone.
* neighbours: results for 34 links of a chain whose boxes overlap by 30 %, and for 100 stones inside a box of the same
  class. What no slice shows cannot be found, so "seen" says how many objects have a piece at all, and "mixed" how many
  results hold pieces of two objects.
* boxes: seconds for 50000 boxes against `sahi.postprocess.combine.batched_greedy_nmm`, which returns rows, no results.

The noisy detector leaves out 5 % of the pieces (`--drop 0.05`), misplaces every side of a piece by 1 to 3 px
(`--jitter 3`) and cuts up to 20 % off one side of 5 % of the pieces (`--clip 0.05 --clip-share 0.2`).

    python -m eval.bench_instances
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import cv2
import numpy as np

from eval.bench_merge import cpu_seconds, peak_over
from eval.instance_peers import SYSTEMS, best_ious
from eval.pieces import (
    IDEAL,
    NOISY,
    Doubles,
    Noise,
    Seen,
    chain,
    lone_objects,
    see_boxes,
    see_masks,
    shapes,
    slices,
    stones,
)
from segtile.backends.sahi_fusion import matches
from segtile.detected import Detections
from segtile.merge.boxes import group_boxes
from segtile.merge.instances import fuse
from segtile.types import Box, Tile

_SIDE, _OVERLAP = 1024, 204  # px of a slice, SAHI's 20 %
_SIZES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True)
class MaskRow:
    """How one system merged the mask pieces."""

    system: str
    seconds: float
    peak_mb: float | None
    pieces: int
    results: int
    solid: float
    ring: float


def merged_masks(system: str, objects: int, side: int, repeats: int) -> MaskRow:
    """Measure one system in this process."""
    cv2.setNumThreads(1)
    frame = Box.frame(side, side)
    tiles = slices(frame, _SIDE, _OVERLAP)
    truths = shapes(objects, side, np.random.default_rng(0))
    seen = see_masks(truths, np.zeros(objects, np.int32), tiles)
    prepared = SYSTEMS[system](seen, tiles, frame)
    kept: list[Any] = []
    peak = peak_over(lambda: kept.append(prepared.work()))
    boxes, draw = prepared.crops(kept.pop())
    found = best_ious(truths, boxes, draw)
    seconds = median(cpu_seconds(prepared.work) for _ in range(repeats))
    solid, ring = fmean(found[1::2] or [1.0]), fmean(found[0::2])
    return MaskRow(system, seconds, peak, len(seen.owner), len(boxes), solid, ring)


def masks_apart(system: str, objects: int, side: int, repeats: int) -> MaskRow:
    """Measure one system in a process of its own."""
    job = json.dumps([system, objects, side, repeats])
    command = [sys.executable, "-m", "eval.bench_instances", "--row", job]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    if done.returncode:
        raise RuntimeError(f"{system} failed:\n{done.stderr}")
    return MaskRow(**json.loads(done.stdout.splitlines()[-1]))


def _strip(pieces: Detections, tiles: Sequence[Tile], frame: Box, names: Sequence[str]) -> list[tuple[int, ...]]:
    return [one.pieces for one in fuse(pieces, tiles, names, frame=frame)]


def _sahi(method: Any) -> Callable[[Detections, Sequence[Tile], Box, Sequence[str]], list[tuple[int, ...]]]:
    def groups(pieces: Detections, tiles: Sequence[Tile], frame: Box, names: Sequence[str]) -> list[tuple[int, ...]]:
        return [tuple(rows) for rows in group_boxes(pieces, method=method).groups]

    return groups


RULES: dict[str, Callable[[Detections, Sequence[Tile], Box, Sequence[str]], list[tuple[int, ...]]]] = {
    "segtile, strip agreement": _strip,
    "SAHI GREEDYNMM IOS 0.5 (its default)": _sahi("greedy-nmm"),
    "SAHI NMM IOS 0.5": _sahi("nmm"),
}


def fragments(objects: int, side: int, noise: Noise, seed: int = 1) -> dict[str, list[float]]:
    """Results per object that was seen, by rule, for each of the sizes; every object is a class of its own."""
    frame = Box.frame(side, side)
    tiles = slices(frame, _SIDE, _OVERLAP)
    labels = np.arange(objects, dtype=np.int32)
    names = [str(i) for i in range(objects)]
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {rule: [] for rule in RULES}
    for size in _SIZES:
        seen = see_boxes(lone_objects(objects, size * _SIDE, frame, rng), labels, tiles, noise, rng)
        for rule, groups in RULES.items():
            count = len(groups(seen.pieces, tiles, frame, names))
            found[rule].append(count / len(np.unique(seen.owner)))
    return found


@dataclass(frozen=True)
class Neighbours:
    """Means over trials: `results` and `mixed` by rule, and `seen` objects."""

    seen: float
    results: dict[str, float]
    mixed: dict[str, float]


def neighbours(scene: Callable[[np.random.Generator], Doubles], noise: Noise, trials: int, seed: int) -> Neighbours:
    """Results for a scene of objects of one class that touch or lie in each other."""
    frame = Box.frame(8000, 8000)
    tiles = slices(frame, _SIDE, _OVERLAP)
    rng = np.random.default_rng(seed)
    results: dict[str, list[int]] = {rule: [] for rule in RULES}
    mixed: dict[str, list[int]] = {rule: [] for rule in RULES}
    count = []
    for _ in range(trials):
        objects = scene(rng)
        seen = see_boxes(objects, np.zeros(len(objects), np.int32), tiles, noise, rng)
        count.append(len(np.unique(seen.owner)))
        for rule, groups in RULES.items():
            made = groups(seen.pieces, tiles, frame, ["object"])
            results[rule].append(len(made))
            mixed[rule].append(sum(len(np.unique(seen.owner[list(rows)])) > 1 for rows in made))
    means = [{rule: float(np.mean(values)) for rule, values in table.items()} for table in (results, mixed)]
    return Neighbours(float(np.mean(count)), *means)


def links(rng: np.random.Generator) -> Doubles:
    """34 links in a row, 0.3 of a slice each."""
    return chain(34, 0.3 * _SIDE, rng.uniform(50, 300), rng.uniform(500, 6500))


def set_stones(rng: np.random.Generator) -> Doubles:
    """100 stones inside a box of three slices, somewhere."""
    return stones(*rng.uniform(500, 4500, 2).tolist())


def many_boxes(count: int, noise: Noise) -> tuple[Seen, tuple[Tile, ...], Box]:
    """About `count` pieces of scattered small objects; the picture grows with them, so that its density stays."""
    rng = np.random.default_rng(0)
    side = round(12000 * (count / 10000) ** 0.5)
    frame = Box.frame(side, side)
    tiles = slices(frame, _SIDE, _OVERLAP)
    n = round(0.61 * count)
    size, shape = np.clip(rng.lognormal(np.log(60), 0.5, n), 12, 600), rng.uniform(0.6, 1.6, n)
    half = np.stack((size * shape**0.5, size / shape**0.5), axis=1) / 2
    middle = rng.uniform(0, side, (n, 2))
    objects = np.clip(np.concatenate((middle - half, middle + half), axis=1), 0, side)
    return see_boxes(objects, np.zeros(n, np.int32), tiles, noise, rng), tiles, frame


def box_times(count: int, noise: Noise, repeats: int) -> list[tuple[str, float, int]]:
    """(what, CPU seconds, results) of each way to fuse boxes; SAHI's own call comes first."""
    seen, tiles, frame = many_boxes(count, noise)
    pieces = seen.pieces

    def call() -> Any:
        return matches(
            pieces.boxes,
            pieces.scores,
            pieces.labels,
            method="greedy-nmm",
            metric="IOS",
            threshold=0.5,
            class_agnostic=False,
        )

    ways: dict[str, Callable[[], Any]] = {
        f"SAHI's batched_greedy_nmm, {len(pieces)} boxes": call,
        "segtile group_boxes (that call, merged as SAHI merges)": lambda: group_boxes(pieces),
        "segtile fuse, strip agreement, to instances": lambda: fuse(pieces, tiles, ["object"], frame=frame),
        "segtile fuse, greedy-nmm, to instances": lambda: fuse(
            pieces, tiles, ["object"], method="greedy-nmm", frame=frame
        ),
    }
    found = {name: len(work()) for name, work in ways.items()}  # also warms what is compiled at first use
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):  # taking turns, so that a busy machine is busy for all
        for name, work in ways.items():
            gc.collect()
            times[name].append(cpu_seconds(work))
    return [(name, median(times[name]), found[name]) for name in ways]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def print_masks(options: argparse.Namespace) -> None:
    """The table of masks."""
    rows = [
        masks_apart(
            system, options.objects, options.side, options.repeats if system.startswith("segtile") else options.peers
        )
        for system in SYSTEMS
    ]
    ours = rows[0].seconds
    print(f"masks: {options.objects} objects on {options.side} x {options.side} px, {rows[0].pieces} pieces\n")
    print(
        table(
            ("system", "CPU s", "x ours", "peak MB", "results", "solid IoU", "ring IoU"),
            [
                (
                    row.system,
                    f"{row.seconds:.3f}",
                    f"{row.seconds / ours:.0f}",
                    "-" if row.peak_mb is None else f"{row.peak_mb:.0f}",
                    str(row.results),
                    f"{row.solid:.4f}",
                    f"{row.ring:.4f}",
                )
                for row in rows
            ],
        )
    )


def print_objects(options: argparse.Namespace, noise: Noise) -> None:
    """The tables of fragments and neighbours, ideal and noisy."""
    for name, faults in (("ideal", IDEAL), ("noisy", noise)):
        print(f"fragments per object, {name} detector, by the object's size in slices\n")
        found = fragments(options.lone, 8000, faults)
        rows = [(rule, *(f"{value:.2f}" for value in values)) for rule, values in found.items()]
        print(table(("rule", *map(str, _SIZES)), rows))
        both = [neighbours(scene, faults, options.trials, 3) for scene in (links, set_stones)]
        print(f"neighbours, {name} detector, mean of {options.trials}\n")
        rows = [
            (rule, *(cell for one in both for cell in (f"{one.results[rule]:.1f}", f"{one.mixed[rule]:.1f}")))
            for rule in RULES
        ]
        rows.insert(0, ("seen", f"{both[0].seen:.1f}", "", f"{both[1].seen:.1f}", ""))
        print(table(("rule", "chain of 34", "mixed", "stones 100 + 1", "mixed"), rows))


def print_boxes(options: argparse.Namespace, noise: Noise) -> None:
    """The table of times for boxes."""
    found = box_times(options.boxes, noise, options.repeats)
    rows = [(name, f"{seconds:.3f}", f"{seconds / found[0][1]:.2f}", str(n)) for name, seconds, n in found]
    print("boxes\n")
    print(table(("way", "CPU s", "x SAHI's call", "results"), rows))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    about = (__doc__ or "").partition("\n\n")[0]
    built = argparse.ArgumentParser(prog="python -m eval.bench_instances", description=about)
    built.add_argument("--objects", type=int, default=200, help="mask objects (default 200)")
    built.add_argument("--side", type=int, default=8000, help="px of the masks' picture (default 8000)")
    built.add_argument("--lone", type=int, default=200, help="objects of each size (default 200)")
    built.add_argument("--trials", type=int, default=20, help="chains and rings of stones (default 20)")
    built.add_argument("--boxes", type=int, default=50000, help="boxes to time (default 50000)")
    built.add_argument("--repeats", type=int, default=9, help="timed runs; the median counts (default 9)")
    built.add_argument("--peers", type=int, default=3, help="timed runs of each mask peer (default 3)")
    for name, what in (
        ("drop", "share of pieces that are missing"),
        ("jitter", "px by which a side is off at most"),
        ("clip", "share of pieces that are cut short"),
        ("clip_share", "the most of a piece's width or height that is cut off"),
    ):
        value = getattr(NOISY, name)
        built.add_argument(f"--{name.replace('_', '-')}", type=float, default=value, help=f"{what} (default {value})")
    built.add_argument("--quick", action="store_true", help="small scenes: shows that it runs, its figures say little")
    built.add_argument("--row", help=argparse.SUPPRESS)
    return built


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    options = parser().parse_args(arguments)
    if options.row:
        print(json.dumps(asdict(merged_masks(*json.loads(options.row)))))
        return 0
    if options.quick:
        options.objects, options.side, options.lone, options.trials, options.boxes = 9, 2400, 20, 2, 1000
        options.repeats = options.peers = 1
    if min(options.objects, options.lone, options.trials, options.boxes, options.repeats, options.peers) < 1:
        parser().error("counts must be 1 or more")
    noise = Noise(options.drop, options.jitter, options.clip, options.clip_share)
    print_masks(options)
    print_objects(options, noise)
    print_boxes(options, noise)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
