"""What a figure depends on, as short digests: files, code and settings. A change of one re-does what it touches."""

from __future__ import annotations

import ast
import hashlib
import json
import threading
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from segtile.errors import ReadError
from segtile.evaluation.results import Task

_DIGITS = 16
# of our own code, what a cut-out does not pass through
_BESIDE = ("cli", "evaluation", "metrics")
_LIBRARIES = ("numpy", "scipy", "opencv-python", "pyvips", "pyvips-binary", "pymatting", "pillow", "onnxruntime")

#: Python 3.11 can fail with a SystemError where two threads build syntax trees at once (cpython issue 106905).
_PARSING = threading.Lock()


def text_digest(values: Any) -> str:
    """The first 16 hex digits of the sha256 of JSON values in canonical spelling."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def file_sha256(path: Path) -> str:
    """The sha256 of a file, 64 hex digits; computed again only when its time or size has changed.

    Raises:
        ReadError: it cannot be read.
    """
    try:
        state = path.stat()
        return _sha256(path, state.st_mtime_ns, state.st_size)
    except OSError as e:
        raise ReadError(f"{path}: cannot be read: {e.strerror}") from None


@lru_cache(maxsize=4096)
def _sha256(path: Path, _mtime_ns: int, _size: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def code_digest(paths: Iterable[Path]) -> str:
    """The digest of Python files as code: comments, docstrings and layout do not count."""
    return text_digest([[path.name, _code(path)] for path in paths])


def _code(path: Path) -> str:
    return _code_of(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=2048)  # by the text itself: a run asks at its end again whether it is still the same
def _code_of(source: str) -> str:
    tree = _tree(source)
    for node in (tree, *_statements(tree)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            value = first.value if isinstance(first, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All that holds statements below a node: docstrings are in nothing else."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, ()):
            yield child
            yield from _statements(child)


def _tree(source: str) -> ast.Module:
    with _PARSING:
        return ast.parse(source)


def _package() -> Path:
    return Path(__file__).resolve().parents[1]


@cache
def own_code() -> str:
    """The digest of the code a cut-out passes through, so that an edited checkout counts as another version."""
    root = _package()
    paths = sorted(p for p in root.rglob("*.py") if p.relative_to(root).parts[0] not in _BESIDE)
    return code_digest(paths)


@cache
def definitions(task: Task) -> str:
    """The digest of the metrics' code: figures made by other definitions are not mixed with these."""
    package = _package()
    folder, beside = ("metrics", ("measuring", "slices")) if task == "matte" else ("metrics/coco", ("detecting",))
    files = sorted((package / folder).glob("*.py"))
    return code_digest([*files, *(package / "evaluation" / f"{name}.py" for name in beside)])


@cache
def versions() -> dict[str, str]:
    """The versions of the libraries that a cut-out passes through, those installed."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def models() -> dict[str, str]:
    """The catalogue's cards by id: a digest of the card, or "not installed" with it; "auto" depends on both."""
    from segtile.catalog import cards_folder, installed, list_cards

    found = {}
    for card in list_cards():
        digest = file_sha256(cards_folder() / f"{card.id}.toml")[:_DIGITS]
        found[card.id] = digest if installed(card) else f"{digest} not installed"
    return found


def peer_digest(folder: Path) -> str:
    """The digest of a peer: all files of its folder, the modules beside the folder, and sibling folders it names.

    Peers share their protocol, and some a detector, from the folder above theirs.
    """
    named = {one.value for one in ast.walk(_parsed(folder / "peer.py")) if isinstance(one, ast.Constant)}
    siblings = [one for one in sorted(folder.parent.iterdir()) if one.is_dir() and one != folder and one.name in named]
    files = sorted(folder.parent.glob("*.py"))
    files += [p for one in (folder, *siblings) for p in sorted(one.rglob("*")) if p.is_file() and not _hidden(p, one)]
    return text_digest([[p.relative_to(folder.parent).as_posix(), file_sha256(p)] for p in files])


def _parsed(path: Path) -> ast.AST:
    try:
        return _tree(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):  # the peer will not start either, and says why then
        return ast.Module([], [])


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)


def named_files(arguments: Iterable[str], folder: Path) -> list[object]:
    """What stands behind arguments that name something there is: a file's sha256, a folder's names and sizes."""
    found: list[object] = []
    for argument in arguments:
        path = folder / argument
        try:
            if path.is_file():
                found.append(file_sha256(path))
            elif argument and path.is_dir():
                found.append([[p.name, p.stat().st_size] for p in sorted(path.iterdir()) if p.is_file()])
        except OSError:  # no name of a file at all
            continue
    return found
