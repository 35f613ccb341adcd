"""The pictures of a run, with their truths, in a fixed order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from segtile.errors import BadInput, ReadError
from segtile.evaluation.config import CocoData, EvalConfig, FolderData, PairsData, RendersData, SamplesData
from segtile.types import Progress, no_progress

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})
_MOST_BYTES = 2**30


@dataclass(frozen=True)
class Item:
    """One picture and its truth.

    `picture` names it within the data set and is a plain file name without an ending. `truth` is the exact alpha, or
    the COCO file that holds the picture's annotations under `image_id`. `groups` are slices that the data set itself
    says the picture belongs to.
    """

    dataset: str
    picture: str
    photo: Path
    truth: Path
    groups: tuple[str, ...] = ()
    image_id: int | None = None


def items_of(
    config: EvalConfig,
    cache: Path,
    *,
    on_progress: Progress = no_progress,
    on_line: Callable[[str], None] | None = None,
) -> list[Item]:
    """Every picture of every data set, in the order of the configuration and then of the names.

    Args:
        config: a checked configuration.
        cache: folder for rendered scenes.
        on_progress: on_progress(done, total, "scenes of NAME"), where scenes have to be rendered.
        on_line: is given what the installer prints where the renderer's environment has to be made.

    Raises:
        ReadError: a folder, table, picture or truth is missing.
        BadInput: a data set is empty, names a picture twice, or leads out of its folder.
        BackendMissing: scenes have to be rendered, and Blender's module is not there and cannot be installed.
    """
    found: list[Item] = []
    for data in config.datasets:
        if isinstance(data, FolderData):
            items = _folder(data)
        elif isinstance(data, SamplesData):
            items = _samples(data)
        elif isinstance(data, PairsData):
            items = _pairs(data)
        elif isinstance(data, RendersData):
            items = _renders(data, config.seeds, cache, on_progress, on_line)
        else:
            items = _coco(data)
        found += _checked(data.name, items, () if isinstance(data, CocoData | RendersData) else data.only)
    return found


def _checked(name: str, items: list[Item], only: tuple[str, ...]) -> list[Item]:
    """The items that were asked for; refuses doubles, gaps and emptiness."""
    seen: dict[str, Item] = {}
    for item in items:
        other = seen.setdefault(item.picture.lower(), item)
        if other is not item:
            raise BadInput(f"the data set {name} has two pictures named {item.picture}: {other.photo}, {item.photo}")
    unknown = [stem for stem in only if stem not in {item.picture for item in items}]
    if unknown:
        raise BadInput(f"the data set {name} has no picture named {unknown[0]}, which its key only asks for")
    kept = [item for item in items if not only or item.picture in only]
    if not kept:
        raise BadInput(f"the data set {name} holds no picture")
    for item in kept:
        for path in (item.photo, item.truth):
            if not path.is_file():
                raise ReadError(f"the data set {name} lacks {path}")
    return kept


def _pictures(folder: Path, name: str) -> list[Path]:
    if not folder.is_dir():
        raise ReadError(f"the data set {name} lacks its folder {folder}")
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())


def _folder(data: FolderData) -> list[Item]:
    shared = data.pictures == data.truth
    items = []
    for photo in _pictures(data.pictures, data.name):
        if shared and photo.stem.endswith("_alpha"):
            continue
        names = [data.pattern] if data.pattern else ["{stem}.png", "{stem}_alpha.png"]
        places = [data.truth / name.replace("{stem}", photo.stem) for name in names]
        places = [place for place in places if place != photo]
        truth = next((place for place in places if place.is_file()), places[-1])
        items.append(Item(data.name, photo.stem, photo, truth))
    return items


def _samples(data: SamplesData) -> list[Item]:
    rows = read_json(data.table)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ReadError(f"{data.table}: is no list of samples")
    items = []
    for row in rows:
        photo, truth = (_within(data.table.parent, row.get(key), data.table) for key in ("file", "alpha"))
        items.append(Item(data.name, photo.stem, photo, truth))
    return items


def _pairs(data: PairsData) -> list[Item]:
    table = data.folder / "pairs.json"
    raw = read_json(table)
    pairs = raw.get("pairs") if isinstance(raw, dict) else None
    if not isinstance(pairs, dict):
        raise ReadError(f"{table}: holds no pairs")
    items = []
    for group in data.groups:
        if not any(str(key).startswith(f"{group}/") for key in pairs):
            raise BadInput(f"{table}: has no pair of the group {group}")
        for key, values in sorted(pairs.items()):
            if not key.startswith(f"{group}/"):
                continue
            visible = values.get("edge_visible", 1.0) if isinstance(values, dict) else None
            if not isinstance(visible, int | float):
                raise ReadError(f"{table}: the pair {key} has no edge_visible that is a number")
            if visible < data.least_visible:
                continue
            photo, truth = (_within(data.folder, f"{key}{end}", table) for end in (".png", "_alpha.png"))
            items.append(Item(data.name, f"{group}-{photo.stem}", photo, truth, (group,)))
    return items


def _renders(
    data: RendersData,
    seeds: tuple[int, ...],
    cache: Path,
    on_progress: Progress,
    on_line: Callable[[str], None] | None,
) -> list[Item]:
    from segtile.evaluation.renders import rendered

    scenes = rendered(data, seeds, cache, on_progress=on_progress, on_line=on_line)
    return [Item(data.name, name, photo, truth) for name, photo, truth in scenes]


def _coco(data: CocoData) -> list[Item]:
    raw = read_json(data.annotations)
    images = raw.get("images") if isinstance(raw, dict) else None
    if not isinstance(images, list):
        raise ReadError(f"{data.annotations}: holds no images, so it is no COCO file")
    items = []
    for image in images:
        number = image.get("id") if isinstance(image, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            raise ReadError(f"{data.annotations}: an image has no whole number as its id")
        photo = _within(data.pictures, image.get("file_name"), data.annotations)
        name = "-".join(PurePosixPath(image["file_name"]).with_suffix("").parts)
        items.append(Item(data.name, name, photo, data.annotations, (), number))
    return sorted(items, key=lambda item: item.picture)


def read_json(path: Path) -> Any:
    """The values of a JSON file.

    Raises:
        ReadError: it is missing, over 1 GiB, or not JSON.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ReadError(f"{path}: a table of more than 1 GiB is not read")
        return json.loads(path.read_text(encoding="utf-8"))
    except ReadError:
        raise
    except OSError as e:
        raise ReadError(f"{path}: cannot be read: {e.strerror}") from None
    except (ValueError, RecursionError):
        raise ReadError(f"{path}: is not JSON") from None


def _within(folder: Path, name: object, table: Path) -> Path:
    """A file that a table names, which must not lead out of its folder."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise ReadError(f"{table}: a picture has no file name")
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
        raise BadInput(f"{table}: {name!r} leads out of the folder of the data set")
    return folder / parts


def datasets_in(items: Iterable[Item]) -> list[str]:
    """The names of the data sets, in order."""
    return list(dict.fromkeys(item.dataset for item in items))
