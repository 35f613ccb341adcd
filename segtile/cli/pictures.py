"""Which pictures, and which file each becomes; settled before any work is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from segtile.errors import BadInput, ReadError, WouldOverwrite

#: Endings taken from a folder; a file that is named outright is judged by its bytes, not by its name.
ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class Job:
    """One picture and the file it becomes."""

    source: Path
    target: Path


def jobs_for(sources: list[Path], out: Path, ending: str, *, overwrite: bool, skip_existing: bool) -> list[Job]:
    """Pair every picture with its target; a folder brings its pictures, and its tree is kept under `out`.

    Args:
        sources: files and folders.
        out: the output folder; need not exist.
        ending: of the targets, with the dot.
        overwrite: replace targets that exist.
        skip_existing: leave out pictures whose target exists.

    Raises:
        BadInput: two pictures would become one file, or a target would be one of the sources.
        ReadError: a source does not exist, or a folder holds no picture.
        WouldOverwrite: a target exists and neither option was given.
    """
    if overwrite and skip_existing:
        raise BadInput("--overwrite and --skip-existing exclude each other")
    jobs = [Job(path, out / relative.with_suffix(ending)) for path, relative in _files(sources, out)]
    taken: dict[Path, Path] = {}
    inputs = {job.source.resolve() for job in jobs}
    for job in jobs:
        key = job.target.resolve()
        if key in taken:
            raise BadInput(f"{taken[key]} and {job.source} would both be written to {job.target}: rename one of them")
        if key in inputs:
            raise BadInput(f"{job.target} is one of the pictures to be read: choose another output folder")
        taken[key] = job.source
    if skip_existing:
        return [job for job in jobs if not job.target.exists()]
    for job in jobs:
        if job.target.exists() and not overwrite:
            raise WouldOverwrite(f"{job.target} exists already: give --overwrite to replace it or --skip-existing")
    return jobs


def _files(sources: list[Path], out: Path) -> list[tuple[Path, Path]]:
    found: list[tuple[Path, Path]] = []
    for source in sources:
        if source.is_dir():
            inside = sorted(p for p in source.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
            # a second run over a folder that holds its own output must not cut out the cut-outs
            inside = [p for p in inside if source.resolve() == out.resolve() or not _below(p, out)]
            if not inside:
                raise ReadError(f"{source}: the folder holds no picture ({', '.join(sorted(ENDINGS))})")
            found += [(p, p.relative_to(source)) for p in inside]
        elif source.exists():
            found.append((source, Path(source.name)))
        else:
            raise ReadError(f"{source}: no such file or folder")
    return found


def _below(path: Path, folder: Path) -> bool:
    return folder.resolve() in path.resolve().parents
