"""Objects found in pieces, and objects found as one: the two errors of tiled detection that AP does not tell apart.

A border of tiles that cuts an object gives several results for one truth; a merge across tiles that is too eager gives
one result for several. In AP both are a miss and some false positives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from segtile.errors import BadInput
from segtile.metrics.coco.dataset import BoxOf, Given, Item, Truth, read_results, read_truth
from segtile.metrics.coco.source import Id

Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class FragmentRules:
    """Where the lines are drawn; all are shares in (0, 1].

    A truth is *found whole* where a result has IoU >= `whole` with it. A result is a *piece* of a truth where at least
    `inside` of the result lies in the truth and it covers at least `piece` of it. A truth that is not found whole is
    *found in pieces* where at least two pieces, no two of which have IoU >= `same` (those are doubles), together cover
    at least `covered` of it. A result is a *merge* where it covers at least `inside` of each of two or more truths
    that are not found whole; so one that finds one truth whole is no merge of the others in it. Results under `score`
    are left out: a detector's tail is full of pieces. Truth and result must be of one class; crowds are left out.

    Raises:
        BadInput: a share is outside (0, 1], or the score is no number.
    """

    whole: float = 0.75
    inside: float = 0.7
    piece: float = 0.05
    same: float = 0.5
    covered: float = 0.5
    score: float = 0.5

    def __post_init__(self) -> None:
        for name in ("whole", "inside", "piece", "same", "covered"):
            if not 0 < getattr(self, name) <= 1:
                raise BadInput(f"The share `{name}` must be above 0 and at most 1, not {getattr(self, name)!r}.")
        if not np.isfinite(self.score):
            raise BadInput(f"The lowest score must be a number, not {self.score!r}.")


@dataclass(frozen=True)
class InPieces:
    """One truth found in pieces: `results` are positions in the results' file, best score first."""

    image: Id
    category: Id
    truth: Id
    results: tuple[Id, ...]
    covered: float


@dataclass(frozen=True)
class AsOne:
    """Several truths found as one: `result` is a position in the results' file, `truths` are annotation ids."""

    image: Id
    category: Id
    result: Id
    truths: tuple[Id, ...]


@dataclass(frozen=True)
class FragmentReport:
    """What was found of each truth: `truths` = `whole` + `in_pieces` + `merged` + `missed`, crowds not counted.

    A truth that is both in pieces and part of a merge counts as in pieces. `missed` are truths that are nothing of
    this: found at a lower IoU, or not at all. `pieces` and `merges` name all cases.
    """

    iou_type: str
    rules: FragmentRules
    truths: int
    whole: int
    in_pieces: int
    merged: int
    missed: int
    pieces: tuple[InPieces, ...]
    merges: tuple[AsOne, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return asdict(self)

    def to_markdown(self) -> str:
        """The counts as a table, then every case by its ids."""
        r = self.rules
        lines = [
            f"| {self.iou_type} | truths | share |",
            "|---|---:|---:|",
            *(
                f"| {name} | {n} | {100 * n / max(1, self.truths):.1f} % |"
                for name, n in (
                    (f"found whole (IoU >= {r.whole:g})", self.whole),
                    ("found in pieces", self.in_pieces),
                    ("found as one with others", self.merged),
                    ("none of these", self.missed),
                )
            ),
            "",
            f"Results with a score of at least {r.score:g}; {len(self.merges)} results cover several truths.",
        ]
        lines += [
            f"- image {p.image}, truth {p.truth}: in {len(p.results)} pieces, results "
            f"{', '.join(map(str, p.results))}, {100 * p.covered:.0f} % covered"
            for p in self.pieces
        ]
        lines += [
            f"- image {m.image}, result {m.result}: {len(m.truths)} truths as one, {', '.join(map(str, m.truths))}"
            for m in self.merges
        ]
        return "\n".join(lines) + "\n"


def fragments(
    truth: Given,
    results: Given,
    *,
    iou_type: Literal["bbox", "segm"] = "bbox",
    rules: FragmentRules | None = None,
) -> FragmentReport:
    """Count objects found whole, in pieces, as one with others, and not at all; `FragmentRules` defines each.

    Args:
        truth: COCO json, a path or loaded.
        results: COCO results, a path or loaded.
        iou_type: by boxes or by masks.
        rules: where the lines are drawn.

    Raises:
        BadInput: a setting is wrong, or loaded data cannot be used.
        ReadError: a file cannot be read or used; the sentence names the annotation.
    """
    if iou_type not in ("bbox", "segm"):
        raise BadInput(f"Fragments are counted by bbox or by segm, not by {iou_type!r}.")
    rules = rules or FragmentRules()
    checked = read_truth(truth, iou_type)
    found = read_results(results, checked, iou_type)
    groups: dict[tuple[int, int], tuple[list[Item], list[Item]]] = defaultdict(lambda: ([], []))
    for item in checked.items:
        if not item.crowd:
            groups[item.picture, item.category][0].append(item)
    for item in found.items:
        if item.score >= rules.score:
            groups[item.picture, item.category][1].append(item)
    whole = in_pieces = merged = 0
    pieces: list[InPieces] = []
    merges: list[AsOne] = []
    for (picture, category), (truths, seen) in sorted(groups.items()):
        if not truths or not seen:
            continue
        at = (checked.pictures[picture].id, checked.categories[category][0])
        group = _Group.of(truths, seen, checked, iou_type)
        is_whole = np.any(group.iou >= rules.whole, axis=0)
        here = list(group.in_pieces(np.flatnonzero(~is_whole), rules))
        ones = list(group.as_one(np.flatnonzero(~is_whole), rules))
        pieces += [InPieces(*at, truths[g].id, tuple(group.results[d].id for d in ds), c) for g, ds, c in here]
        merges += [AsOne(*at, group.results[d].id, tuple(truths[g].id for g in gs)) for d, gs in ones]
        broken = {g for g, _, _ in here}
        whole += int(is_whole.sum())
        in_pieces += len(broken)
        merged += len({g for _, gs in ones for g in gs} - broken)
    total = sum(not item.crowd for item in checked.items)
    missed = total - whole - in_pieces - merged
    return FragmentReport(iou_type, rules, total, whole, in_pieces, merged, missed, tuple(pieces), tuple(merges))


@dataclass(frozen=True)
class _Group:
    """Truths and results of one class in one picture: (D, G) IoU, share of each result inside, of each truth covered.

    The results come best score first.
    """

    truths: Sequence[Item]
    results: Sequence[Item]
    size: tuple[int, int]
    masks: bool
    iou: Doubles
    inside: Doubles
    covers: Doubles

    @classmethod
    def of(cls, truths: Sequence[Item], results: Sequence[Item], checked: Truth, iou_type: str) -> _Group:
        picture = checked.pictures[truths[0].picture]
        size, masks = (picture.height, picture.width), iou_type == "segm"
        results = sorted(results, key=lambda r: -r.score)
        # against a crowd, COCO's IoU is the share of the result that lies inside: the measure wanted here
        return cls(
            truths,
            results,
            size,
            masks,
            _iou(results, truths, size, masks),
            _iou(results, truths, size, masks, crowd=True),
            _iou(truths, results, size, masks, crowd=True).T,
        )

    def in_pieces(self, wanted: Indices, rules: FragmentRules) -> Iterable[tuple[int, list[int], float]]:
        """(truth, its pieces, share they cover together)."""
        for g in wanted.tolist():
            near = np.flatnonzero((self.inside[:, g] >= rules.inside) & (self.covers[:, g] >= rules.piece)).tolist()
            shapes = [self.results[d] for d in near]
            between = _iou(shapes, shapes, self.size, self.masks) if len(near) > 1 else np.zeros((1, 1))
            kept: list[int] = []
            for i in range(len(near)):
                if all(between[i, j] < rules.same for j in kept):
                    kept.append(i)
            pieces = [near[i] for i in kept]
            if len(pieces) > 1 and (covered := self._together(g, pieces)) >= rules.covered:
                yield g, pieces, covered

    def as_one(self, wanted: Indices, rules: FragmentRules) -> Iterable[tuple[int, list[int]]]:
        """(result, the truths it covers)."""
        for d in range(len(self.results)):
            held = [g for g in wanted.tolist() if self.covers[d, g] >= rules.inside]
            if len(held) > 1 and not np.any(self.iou[d] >= rules.whole):
                yield d, held

    def _together(self, g: int, kept: Sequence[int]) -> float:
        """Share of one truth that the results cover together."""
        if not self.masks:
            return _covered(self.truths[g].box, [self.results[d].box for d in kept])
        from pycocotools import mask as coco_mask

        joined = coco_mask.merge([{"size": self.size, "counts": self.results[d].mask} for d in kept])
        target = {"size": self.size, "counts": self.truths[g].mask}
        return float(coco_mask.iou([target], [joined], [1])[0, 0])


def _iou(a: Sequence[Item], b: Sequence[Item], size: tuple[int, int], masks: bool, *, crowd: bool = False) -> Doubles:
    """(A, B) IoU; with `crowd` the share of each of `a` that lies in each of `b`."""
    from pycocotools import mask as coco_mask

    first, second = (
        [{"size": size, "counts": item.mask} if masks else list(item.box) for item in items] for items in (a, b)
    )
    return np.asarray(coco_mask.iou(first, second, [int(crowd)] * len(b)))


def _covered(box: BoxOf, others: Sequence[BoxOf]) -> float:
    """Share of a box that the union of others covers."""
    x, y, w, h = box
    rows = np.array(others)
    x0, x1 = np.clip(rows[:, 0], x, x + w), np.clip(rows[:, 0] + rows[:, 2], x, x + w)
    y0, y1 = np.clip(rows[:, 1], y, y + h), np.clip(rows[:, 1] + rows[:, 3], y, y + h)
    xs, ys = np.unique((x0, x1)), np.unique((y0, y1))
    cells = np.zeros((len(xs) - 1, len(ys) - 1), bool)
    for a0, a1, b0, b1 in zip(x0, x1, y0, y1, strict=True):
        cells[np.searchsorted(xs, a0) : np.searchsorted(xs, a1), np.searchsorted(ys, b0) : np.searchsorted(ys, b1)] = (
            True
        )
    return float(np.diff(xs) @ cells @ np.diff(ys)) / (w * h)
