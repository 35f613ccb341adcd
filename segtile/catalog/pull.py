"""Brings a model into the weights folder: files are checked before they get their names, old ones kept until then."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from segtile.catalog.card import ModelCard, ModelFile
from segtile.catalog.download import Patience, Wanted, download
from segtile.catalog.home import locked, weights_folder
from segtile.catalog.licences import accept, accepted, require_accepted
from segtile.catalog.trust import check_file, trust_first
from segtile.catalog.weights import locate
from segtile.errors import ModelError, ReadError, WriteError
from segtile.types import Progress, no_progress

#: No file is taken that is bigger, where nothing is known of its size.
_CEILING = 8 * 10**9
#: What a published size in round megabytes may be off by.
_ROUND = 2.0
#: What stays free on the disk.
_SPARE = 64 * 10**6


@dataclass(frozen=True)
class Pulled:
    """What became of one file: it was there already, came from an address or a folder, or comes with segtile.

    `trusted_first`: nobody published its hash, and it was seen for the first time.
    """

    file: ModelFile
    path: Path
    how: Literal["kept", "fetched", "copied", "shipped"]
    trusted_first: bool = False


def pull(
    card: ModelCard,
    *,
    accept_licence: bool = False,
    source: Path | None = None,
    patience: Patience | None = None,
    on_progress: Progress = no_progress,
) -> list[Pulled]:
    """Bring the files of a model, those that are not there yet or are not what they should be.

    A file gets its name in the weights folder only after its content was checked; whatever fails, what was there stays.
    Two pulls of one file at the same time wait for each other. An interrupted one goes on where it stopped.

    Args:
        card: the model.
        accept_licence: the user accepts a licence that allows no commercial use; that is remembered.
        source: a folder to copy from instead of the network; files have the catalogue's names or those of their
            addresses, in the folder itself or in one in it with the model's id.
        patience: time-outs and tries.
        on_progress: called with bytes done, bytes in all (0 where nobody says) and the file's name.

    Returns:
        What became of each file, in the card's order.

    Raises:
        LicenceError: the licence allows no commercial use and was not accepted.
        ModelError: SEGTILE_OFFLINE is set, no address gave the file, or what came is not it.
        ReadError: `source` is no folder, or lacks a file.
        WriteError: the weights folder cannot be written, or the disk is too full.
    """
    if card.shipped:
        return [_shipped(card, file) for file in card.files]
    if accept_licence and not accepted(card):
        accept(card)
    require_accepted(card)
    if source is not None and not source.is_dir():
        raise ReadError(f"{source} is no folder to take weights from")
    return [_bring(card, file, source, patience or Patience(), on_progress) for file in card.files]


def offline() -> bool:
    """True where SEGTILE_OFFLINE says that nothing may be downloaded."""
    return os.environ.get("SEGTILE_OFFLINE", "").strip().lower() not in ("", "0", "no", "false", "off")


def _shipped(card: ModelCard, file: ModelFile) -> Pulled:
    path = locate(file)
    if path is None:
        raise ModelError(f"{file.name} is not where it belongs; reinstall segtile")
    check_file(card, file, path)
    return Pulled(file, path, "shipped")


def _bring(card: ModelCard, file: ModelFile, source: Path | None, patience: Patience, on_progress: Progress) -> Pulled:
    target = weights_folder() / file.name
    partial = weights_folder() / ".partial" / file.name

    def on_wait() -> None:
        on_progress(0, 0, f"{file.name}: waiting for another segtile that fetches it")

    with locked(partial.with_name(f"{file.name}.lock"), on_wait):
        if _good(card, file, target):
            return Pulled(file, target, "kept", trust_first(card, file, target, str(target)))
        if source is not None:
            came_from = str(_copy(card, file, source, partial, on_progress))
        elif offline():
            raise ModelError(
                f"SEGTILE_OFFLINE is set, so {file.name} is not downloaded: put it into a folder and run "
                f"'segtile models pull {card.id} --from FOLDER'"
            )
        else:
            came_from = _fetch(card, file, partial, patience, on_progress)
        new = trust_first(card, file, partial, came_from)
        _name(partial, target)
        return Pulled(file, target, "fetched" if source is None else "copied", new)


def _good(card: ModelCard, file: ModelFile, path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        check_file(card, file, path)
    except ModelError:
        return False
    return True


def _fetch(card: ModelCard, file: ModelFile, partial: Path, patience: Patience, on_progress: Progress) -> str:
    """Bring the file from the first address that gives the right one; says which."""
    wanted = Wanted(file.bytes, _limit(card, file), file.pinned)
    _require_space(partial.parent, file.bytes or (card.bytes or 0) // len(card.files))

    def on_bytes(done: int, total: int) -> None:
        on_progress(done, total, file.name)

    reasons = []
    for url in file.urls:
        try:
            download(url, partial, wanted, patience, on_bytes)
        except ModelError as error:
            reasons.append(f"{url}: {error}")
            continue
        try:
            check_file(card, file, partial, "what came")
        except ModelError as error:
            _discard(partial)
            reasons.append(f"{url}: {error}")
            continue
        return url
    raise ModelError(f"{file.name} could not be fetched: {'; '.join(reasons)}")


def _copy(card: ModelCard, file: ModelFile, source: Path, partial: Path, on_progress: Progress) -> Path:
    names = dict.fromkeys([file.name, *(Path(unquote(urlsplit(url).path)).name for url in file.urls)])
    places = [folder / name for name in names for folder in (source, source / card.id)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise ReadError(f"{source} has no {' or '.join(names)}, which {card.id} needs")
    size = found.stat().st_size
    if size > _limit(card, file):
        raise ModelError(f"{found} has {size} bytes, at most {_limit(card, file)} are taken")
    _require_space(partial.parent, size)
    _discard(partial)
    try:
        done = 0
        with found.open("rb") as given, partial.open("wb") as stream:
            while piece := given.read(1 << 20):
                stream.write(piece)
                done += len(piece)
                on_progress(done, size, file.name)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        _discard(partial)
        raise WriteError(f"{found} cannot be copied to {partial}: {error.strerror}") from None
    try:
        check_file(card, file, partial, str(found))
    except ModelError:
        _discard(partial)
        raise
    return found


def _limit(card: ModelCard, file: ModelFile) -> int:
    """The most bytes that are taken for a file."""
    if file.bytes is not None:
        return file.bytes
    return _CEILING if card.bytes is None else round(card.bytes * _ROUND)


def _require_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + _SPARE:
        raise WriteError(f"{folder} has {free / 1e6:.0f} MB free, {size / 1e6:.0f} MB are to be written")


def _name(partial: Path, target: Path) -> None:
    try:
        partial.replace(target)
    except OSError as error:
        raise WriteError(f"{target} cannot be written: {error.strerror}") from None
    _discard(partial)


def _discard(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    partial.with_name(f"{partial.name}.json").unlink(missing_ok=True)
