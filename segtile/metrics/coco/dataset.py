"""A COCO truth and a detector's results, checked and in one form before any engine sees them.

Engines trust their input: an unknown field is a KeyError, an annotation with id 0 counts as never found, a run that
leaves its picture is read from somebody else's memory. Here every annotation is checked once and numbered anew from 1
(pictures and classes in the order of their ids, annotations in the order of the file, which is how ties are broken),
so that ids of any kind work and none of them can change a figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segtile.metrics.coco import rle
from segtile.metrics.coco.settings import IouType
from segtile.metrics.coco.source import Id, Source, identity, kind, listed, load, number

#: Boxes further out than this are no boxes of a photograph.
_FURTHEST = 1e8

#: x, y, width, height in px.
BoxOf = tuple[float, float, float, float]

Given = Path | str | Mapping[str, Any] | list[Any]


@dataclass(frozen=True)
class Picture:
    """A picture: its id in the file, its name, its size in px (0 x 0 where the file does not say)."""

    id: Id
    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Item:
    """One annotation or result.

    `picture` and `category` are positions in the data set's lists. `box` is (x, y, width, height) in px. `mask` is
    compressed run lengths over the whole picture (None where masks were not asked for). `area` is in px.
    """

    id: Id
    picture: int
    category: int
    box: BoxOf
    mask: bytes | None
    area: float
    crowd: bool
    score: float


@dataclass(frozen=True)
class Truth:
    """A checked truth: pictures and categories sorted by id, annotations in the file's order."""

    pictures: tuple[Picture, ...]
    categories: tuple[tuple[Id, str], ...]
    items: tuple[Item, ...]
    source: Source
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Results:
    """Checked results for one truth; an item's id is its position in the file's list."""

    items: tuple[Item, ...]
    source: Source
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Draft:
    """An annotation whose mask is read but not yet checked."""

    what: str
    row: Mapping[str, Any]
    id: Id
    picture: int
    category: int
    mask: bytes | None


def read_truth(given: Given, iou_type: IouType, *, recompute_area: bool = False) -> Truth:
    """Read and check a COCO truth.

    Args:
        given: a path or a loaded COCO dict with `images`, `annotations` and `categories`.
        iou_type: "bbox" leaves masks unread except where a box or an area is missing.
        recompute_area: take every area from the mask (or box) and not from the file.

    Raises:
        ReadError: the file, or something in it, cannot be used; the sentence names the annotation.
        BadInput: the same for loaded data.
    """
    data, source = load(given, "the truth")
    if not isinstance(data, Mapping):
        source.refuse(f"a truth is a COCO object with images, annotations and categories, not {kind(data)}")
    pictures = _pictures(data, source)
    categories = _categories(data, source)
    picture_at = {p.id: i for i, p in enumerate(pictures)}
    category_at = {id_: i for i, (id_, _) in enumerate(categories)}
    rows = listed(data, "annotations", source)
    notes: Counter[str] = Counter()
    drafts = []
    for i, row in enumerate(rows):
        if row.get("id") is None:
            notes["have no id and are counted by their place"] += 1
            id_: Id = i
        else:
            id_ = identity(row, "id", f"annotations[{i}]", source)
        what = f"annotation {id_}"
        picture = picture_at.get(identity(row, "image_id", what, source))
        if picture is None:
            source.refuse(f"{what} is on image {row['image_id']!r}, which `images` does not list")
        category = category_at.get(identity(row, "category_id", what, source))
        if category is None:
            source.refuse(f"{what} is of category {row['category_id']!r}, which `categories` does not list")
        needed = iou_type != "bbox"
        wanted = needed or recompute_area or row.get("area") is None or not _boxed(row)
        mask = _mask(row, what, pictures[picture], source, needed=needed) if wanted else None
        drafts.append(_Draft(what, row, id_, picture, category, mask))
    _no_twins([d.id for d, row in zip(drafts, rows, strict=True) if row.get("id") is not None], "annotation", source)
    masks = _measured(drafts, pictures, source)
    items = [_truth_item(d, m, source, notes, recompute_area) for d, m in zip(drafts, masks, strict=True)]
    return Truth(pictures, categories, tuple(items), source, _sentences(notes, len(items), "annotations"))


def read_results(given: Given, truth: Truth, iou_type: IouType) -> Results:
    """Read and check results: COCO's list of them, or a whole COCO object whose annotations have scores.

    Raises:
        ReadError: the file, or something in it, cannot be used; the sentence names the result.
        BadInput: the same for loaded data.
    """
    data, source = load(given, "the results")
    if isinstance(data, Mapping):
        _same_world(data, truth, source)
        rows, name = listed(data, "annotations", source), "annotations"
    else:
        rows, name = listed({"results": data}, "results", source), "results"
    picture_at = {p.id: i for i, p in enumerate(truth.pictures)}
    category_at = {id_: i for i, (id_, _) in enumerate(truth.categories)}
    foreign: Counter[Id] = Counter()
    drafts = []
    for i, row in enumerate(rows):
        what = f"{name}[{i}]"
        picture = picture_at.get(identity(row, "image_id", what, source))
        if picture is None:
            source.refuse(f"{what} is on image {row['image_id']!r}, which the truth does not list")
        id_ = identity(row, "category_id", what, source)
        category = category_at.get(id_)
        if category is None:
            foreign[id_] += 1
            continue
        needed = iou_type != "bbox"
        wanted = needed or not _boxed(row)
        mask = _mask(row, what, truth.pictures[picture], source, needed=needed) if wanted else None
        drafts.append(_Draft(what, row, i, picture, category, mask))
    if foreign and not drafts:
        ids = ", ".join(str(i) for i in list(foreign)[:5])
        source.refuse(f"none of its categories ({ids}) is a category of the truth, so nothing could match")
    masks = _measured(drafts, truth.pictures, source)
    items = [_result_item(d, m, source) for d, m in zip(drafts, masks, strict=True)]
    return Results(tuple(items), source, _result_notes(foreign, drafts, iou_type))


def _result_notes(foreign: Counter[Id], drafts: Sequence[_Draft], iou_type: IouType) -> tuple[str, ...]:
    notes = []
    if foreign:
        ids = ", ".join(str(i) for i in list(foreign)[:5]) + (", ..." if len(foreign) > 5 else "")
        notes.append(f"{foreign.total()} results are of categories that the truth does not have ({ids}): left out.")
    if iou_type != "bbox" and (both := sum(_boxed(d.row) for d in drafts)):
        notes.append(f"{both} results have a box and a mask: their area is the box's, as pycocotools takes it.")
    return tuple(notes)


def _same_world(data: Mapping[str, Any], truth: Truth, source: Source) -> None:
    """A whole COCO file brings its own pictures and categories: equal ids must mean equal things."""
    if "images" in data:
        known = {p.id: p for p in truth.pictures}
        for p in _pictures(data, source):
            other = known.get(p.id)
            if other and p.width and other.width and (p.width, p.height) != (other.width, other.height):
                source.refuse(
                    f"image {p.id} is {p.width}x{p.height} px here and {other.width}x{other.height} px in the truth"
                )
    if "categories" in data:
        names = dict(truth.categories)
        for id_, name in _categories(data, source):
            if id_ in names and names[id_] != name:
                source.refuse(f"category {id_} is called {name!r} here and {names[id_]!r} in the truth")


def _no_twins(ids: Sequence[Id], what: str, source: Source) -> None:
    if len(set(ids)) != len(ids):
        twin = next(id_ for id_, n in Counter(ids).items() if n > 1)
        source.refuse(f"{what} id {twin!r} is used {Counter(ids)[twin]} times; ids must differ")


def _sorted_ids(ids: Sequence[Id], what: str, source: Source) -> None:
    _no_twins(ids, what, source)
    if len({type(i) for i in ids}) > 1:
        source.refuse(f"{what} ids must be all numbers or all texts, not both")


def _pictures(data: Mapping[str, Any], source: Source) -> tuple[Picture, ...]:
    found = []
    for i, row in enumerate(listed(data, "images", source)):
        id_ = identity(row, "id", f"images[{i}]", source)
        size = []
        for key in ("width", "height"):
            side = number(row[key], f"image {id_}: `{key}`", source) if row.get(key) is not None else 0.0
            if side < 0 or side != int(side) or (row.get(key) is not None and side == 0):
                source.refuse(f"image {id_}: `{key}` must be a whole number of px above 0, not {row[key]!r:.60}")
            size.append(int(side))
        if size[0] * size[1] > rle.MAX_PIXELS:
            source.refuse(f"image {id_} of {size[0]}x{size[1]} px is larger than the {rle.MAX_PIXELS} px allowed")
        name = row.get("file_name")
        found.append(Picture(id_, name if isinstance(name, str) else "", size[0], size[1]))
    _sorted_ids([p.id for p in found], "image", source)
    return tuple(sorted(found, key=lambda p: p.id))


def _categories(data: Mapping[str, Any], source: Source) -> tuple[tuple[Id, str], ...]:
    found = []
    for i, row in enumerate(listed(data, "categories", source)):
        id_ = identity(row, "id", f"categories[{i}]", source)
        found.append((id_, str(row.get("name", id_))))
    _sorted_ids([id_ for id_, _ in found], "category", source)
    return tuple(sorted(found, key=lambda c: c[0]))


def _boxed(row: Mapping[str, Any]) -> bool:
    """False where the box is missing or an empty list, which some exporters write."""
    given = row.get("bbox")
    return given is not None and not (isinstance(given, list | tuple) and not given)


def _mask(row: Mapping[str, Any], what: str, picture: Picture, source: Source, *, needed: bool) -> bytes | None:
    """Compressed run lengths of one annotation, of the right size but not yet added up; None where it has no mask."""
    given = row.get("segmentation")
    if given is None or (isinstance(given, list | tuple) and not given):
        if needed:
            source.refuse(f"{what} has no segmentation; masks are needed here, boxes are measured by type bbox")
        return None
    if not picture.width or not picture.height:
        source.refuse(f"image {picture.id} has no width and height, which the mask of {what} needs")
    if isinstance(given, list | tuple):
        counts: Any = rle.draw(given, picture.height, picture.width)
    elif isinstance(given, Mapping):
        counts = _rle(given, what, picture, source)
    else:
        source.refuse(f"{what}: `segmentation` must be polygons or run lengths, not {kind(given)}")
    if isinstance(counts, bytes):
        return counts
    source.refuse(f"{what} {counts}")


def _rle(given: Mapping[str, Any], what: str, picture: Picture, source: Source) -> bytes | str:
    """Compressed run lengths of {"size": ..., "counts": ...}; a string is a fault, a sentence without subject."""
    size, counts = given.get("size"), given.get("counts")
    if not isinstance(size, list | tuple) or list(size) != [picture.height, picture.width]:
        source.refuse(
            f"{what}: the size of its run lengths is {size!r:.60}, but its picture's [height, width] is "
            f"[{picture.height}, {picture.width}]"
        )
    if isinstance(counts, bytes):
        return counts
    if isinstance(counts, str):
        if not counts.isascii():
            return "has run lengths that are cut off or hold characters that run lengths do not have"
        return counts.encode("ascii")
    if isinstance(counts, list | tuple):
        return rle.compress(counts, picture.height, picture.width)
    source.refuse(f"{what}: `counts` must be a text or a list, not {kind(counts)}")


def _measured(drafts: Sequence[_Draft], pictures: Sequence[Picture], source: Source) -> list[tuple[int, BoxOf] | None]:
    """(px, box) of each mask after adding up its runs, None without one; the first fault is refused."""
    from pycocotools import mask as coco_mask

    masked = [(i, d) for i, d in enumerate(drafts) if d.mask is not None]
    sizes = [(pictures[d.picture].height, pictures[d.picture].width) for _, d in masked]
    done = rle.check([d.mask or b"" for _, d in masked], sizes)
    for (_, d), fault in zip(masked, done.fault, strict=True):
        if fault:
            source.refuse(f"{d.what} {fault}")
    boxes = coco_mask.toBbox([{"size": s, "counts": d.mask} for s, (_, d) in zip(sizes, masked, strict=True)])
    found: list[tuple[int, BoxOf] | None] = [None] * len(drafts)
    for (i, _), area, box in zip(masked, done.area.tolist(), np.asarray(boxes).tolist(), strict=True):
        found[i] = (area, tuple(box))
    return found


def _box(d: _Draft, mask: tuple[int, BoxOf] | None, source: Source) -> BoxOf | None:
    """The annotation's own box, or its mask's; None where it has neither."""
    given: Any = d.row.get("bbox")
    given = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(given, list | tuple) and len(given) == 4:
        x, y, w, h = [number(v, f"{d.what}: a number of its box", source) for v in given]
        if w < 0 or h < 0:
            source.refuse(f"{d.what}: its box {list(given)} has a negative width or height")
        if max(abs(x), abs(y), w, h) > _FURTHEST:
            source.refuse(f"{d.what}: its box {list(given)} reaches beyond {_FURTHEST:.0e} px")
        return x, y, w, h
    if _boxed(d.row):
        source.refuse(f"{d.what}: `bbox` must be a list of x, y, width, height, not {given!r:.60}")
    return mask[1] if mask else None


def _truth_item(
    d: _Draft, mask: tuple[int, BoxOf] | None, source: Source, notes: Counter[str], recompute: bool
) -> Item:
    row = d.row
    if not _boxed(row) and mask:
        notes["have no bbox: taken from the mask"] += 1
    box = _box(d, mask, source)
    if box is None:
        source.refuse(f"{d.what} has neither a bbox nor a segmentation")
    crowd = row.get("iscrowd")
    if crowd is None:
        notes["have no iscrowd: taken as 0"] += 1
    elif crowd not in (0, 1):
        source.refuse(f"{d.what}: `iscrowd` must be 0 or 1, not {crowd!r:.60}")
    if row.get("ignore") and not crowd:
        notes["are marked `ignore`, which COCO's evaluation does not read: it leaves out crowds only"] += 1
    own = float(mask[0]) if mask else box[2] * box[3]
    if recompute:
        area = own
    elif row.get("area") is None:
        notes[f"have no area: taken from the {'mask' if mask else 'box'}"] += 1
        area = own
    else:
        area = number(row["area"], f"{d.what}: `area`", source)
        if area < 0:
            source.refuse(f"{d.what}: `area` must not be negative, and it is {area:g}")
        if area > 1.01 * box[2] * box[3] + 1 and not crowd:
            notes["have an area larger than their box, so their size range is in doubt (it can be recomputed)"] += 1
    return Item(d.id, d.picture, d.category, box, d.mask, area, bool(crowd), 0.0)


def _result_item(d: _Draft, mask: tuple[int, BoxOf] | None, source: Source) -> Item:
    """As pycocotools loads results: the area is the box's where a box is given, else the mask's; nothing is crowd."""
    if d.row.get("score") is None:
        source.refuse(f"{d.what} has no `score`")
    score = number(d.row["score"], f"{d.what}: `score`", source)
    box = _box(d, mask, source)
    if box is None:
        source.refuse(f"{d.what} has neither a bbox nor a segmentation")
    area = box[2] * box[3] if _boxed(d.row) or mask is None else float(mask[0])
    return Item(d.id, d.picture, d.category, box, d.mask, area, False, score)


def _sentences(notes: Counter[str], total: int, what: str) -> tuple[str, ...]:
    return tuple(f"{n} of {total} {what} {sentence}." for sentence, n in notes.items())
