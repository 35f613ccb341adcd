"""One Python environment per peer, made once and kept in the cache, so that their dependencies never meet ours."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from segtile.errors import BackendMissing, BadInput, ReadError, WriteError

# Written last. Without it an environment does not count, whatever else lies in its folder: pip writes for minutes, and
# a venv cannot be built beside and renamed, because the scripts in it name its interpreter by its full path.
_COMPLETE = "complete.json"
_LOCAL = re.compile(
    r"^(-e\b|--editable\b|-r\b|--requirement\b|-c\b|--constraint\b|\.{0,2}[/\\])|@\s*file:", re.IGNORECASE
)
# What would send pip or the interpreter elsewhere than into the new environment.
_LEADS_AWAY = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON")
_LAST_LINES = 3


def environments_folder() -> Path:
    """The folder of all environments: SEGTILE_HOME/environments, by default in the platform's cache folder."""
    home = os.environ.get("SEGTILE_HOME")
    base = Path(home).expanduser() if home else Path(platformdirs.user_cache_dir("segtile", appauthor=False))
    return base.absolute() / "environments"


def ensure_environment(folder: Path, *, on_line: Callable[[str], None] | None = None) -> Path:
    """The interpreter of the environment that `folder`/requirements.txt describes; makes it where there is none yet.

    An environment is known by the digest of its requirements and by the running Python, so that a changed file gets a
    new one. One that a killed build left behind is made anew. Two builders wait for each other.

    Args:
        folder: holds requirements.txt. It is read from there, so `--find-links wheels` means a folder beside it.
        on_line: is given each line that pip prints.

    Returns:
        The absolute path of the environment's python.

    Raises:
        ReadError: requirements.txt is missing or is no text.
        BadInput: it names files whose content a digest of it cannot see (`-e`, `-r`, `-c`, a path).
        BackendMissing: pip could not install it; the message ends with pip's last lines.
        WriteError: the cache cannot be written to.
    """
    folder = folder.absolute()
    requirements = requirements_in(folder)
    target = environments_folder() / f"{folder.name}-{_key(requirements)}"
    python = target / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if _is_complete(target, python):
        return python
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_name(f"{target.name}.lock")) as lock:
            if not _is_complete(target, python):  # another builder may have made it while this one waited
                _build(folder, target, python, lock, on_line or (lambda line: None))
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise WriteError(f"the environment {target} cannot be made: {error.strerror or error}") from error
    return python


def requirements_in(folder: Path) -> str:
    """The lines of `folder`/requirements.txt that count: no comments, no empty ones.

    Raises:
        ReadError: the file is missing or is no text.
        BadInput: it names files whose content a digest of it cannot see (`-e`, `-r`, `-c`, a path).
    """
    path = folder / "requirements.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ReadError(f"{path} cannot be read: {what}") from error
    lines = [line.split(" #")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    for line in lines:
        if _LOCAL.search(line):
            raise BadInput(
                f"{path} has the line {line!r}: a change behind it would go unseen, so give a pinned version instead"
            )
    return "\n".join(lines)


def _key(requirements: str) -> str:
    """Sixteen hex digits over the requirements (comments do not count) and over the Python they are installed for."""
    interpreter = f"{sys.implementation.name} {platform.python_version()} {sys.platform} {platform.machine()}"
    return hashlib.sha256(f"{interpreter}\n{requirements}".encode()).hexdigest()[:16]


def _is_complete(target: Path, python: Path) -> bool:
    # the interpreter is a link to the one it was made with, and that one may have been removed since
    return (target / _COMPLETE).is_file() and python.exists()


def _build(folder: Path, target: Path, python: Path, lock: int, on_line: Callable[[str], None]) -> None:
    if target.exists():
        shutil.rmtree(target)
    try:
        _call([sys.executable, "-I", "-m", "venv", str(target)], folder, lock, on_line)
        install = ["-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "-r", "requirements.txt"]
        _call([str(python), *install], folder, lock, on_line)
        listing = _call(
            [str(python), "-I", "-m", "pip", "--disable-pip-version-check", "freeze"], folder, lock, lambda line: None
        )
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    made = {"python": platform.python_version(), "installed": listing}
    temporary = target / f"{_COMPLETE}.part"
    temporary.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    temporary.replace(target / _COMPLETE)


def _call(command: list[str], folder: Path, lock: int, on_line: Callable[[str], None]) -> list[str]:
    """Run one step and return its lines; it holds the lock as well, so that it outlives a killed parent's claim."""
    environ = {name: value for name, value in os.environ.items() if name not in _LEADS_AWAY}
    environ |= {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PYTHONUTF8": "1"}
    last: deque[str] = deque(maxlen=1000)
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        pass_fds=() if os.name == "nt" else (lock,),
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last.append(line.rstrip())
                on_line(line.rstrip())
        except BaseException:  # an interrupted build must not go on without its builder
            process.kill()
            raise
    if process.returncode:
        said = "; ".join([line.strip() for line in last if line.strip()][-_LAST_LINES:]) or "it said nothing"
        raise BackendMissing(f"the environment of {folder.name} could not be made from its requirements.txt: {said}")
    return list(last)


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold a lock that the system takes back when its holders die, so that no kill leaves it locked."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
