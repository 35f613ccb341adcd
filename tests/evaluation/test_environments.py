"""Environments of peers: made once, never half, made anew when their requirements change. No registry is asked."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from segtile.errors import BackendMissing, BadInput, ReadError, WriteError
from segtile.evaluation import environments
from segtile.evaluation.environments import ensure_environment, environments_folder


def make_wheel(folder: Path, version: str, name: str = "tinypeer") -> Path:
    """A pure wheel of one module whose VERSION is its version."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{file},sha256={digest},{len(text)}")
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
    return path


def make_peer(folder: Path) -> Path:
    """A peer's folder with a wheel in two versions beside it."""
    (folder / "wheels").mkdir(parents=True)
    make_wheel(folder / "wheels", "1.0")
    make_wheel(folder / "wheels", "2.0")
    require(folder, "tinypeer==1.0")
    return folder


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A peer's folder and a cache of its own."""
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path / "home"))
    return make_peer(tmp_path / "tiny")


@dataclass(frozen=True)
class Made:
    """An environment made from nothing, with the variables of a user that would lead pip astray."""

    python: Path
    folder: Path
    home: Path
    lines: tuple[str, ...]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    peer, lines = make_peer(folder / "tiny"), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGTILE_HOME", str(folder / "home"))
        patch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
        patch.setenv("PIP_TARGET", str(folder / "elsewhere"))
        python = ensure_environment(peer, on_line=lines.append)
    return Made(python, peer, folder / "home", tuple(lines))


@pytest.fixture
def quick_venv(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step `python -m venv` copies the empty environment under `made`, since installing pip takes seconds."""
    call = environments._call

    def copying(command: list[str], *rest: Any) -> list[str]:
        if command[1:4] != ["-I", "-m", "venv"]:
            return call(command, *rest)
        ours = shutil.ignore_patterns("tinypeer*", "complete.json")
        shutil.copytree(made.python.parents[1], command[4], symlinks=True, ignore=ours)
        return []

    monkeypatch.setattr(environments, "_call", copying)


def require(folder: Path, *lines: str) -> None:
    text = "\n".join(["--no-index", "--find-links wheels", *lines]) + "\n"
    (folder / "requirements.txt").write_text(text)


def version(python: Path) -> str:
    done = subprocess.run([python, "-c", "import tinypeer; print(tinypeer.VERSION)"], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr


def test_an_environment_holds_what_its_requirements_name_and_nothing_of_ours(made: Made) -> None:
    assert made.python.is_relative_to(made.home / "environments")
    assert version(made.python) == "1.0"
    assert any("tinypeer" in line for line in made.lines)
    assert json.loads((made.python.parents[1] / "complete.json").read_text())["installed"] == ["tinypeer==1.0"]
    assert not (made.home.parent / "elsewhere").exists()
    found = subprocess.run([made.python, "-I", "-c", "import numpy"], capture_output=True, text=True)
    assert "ModuleNotFoundError" in found.stderr, "it sees our packages"


def test_an_environment_is_made_once_and_anew_when_its_requirements_change(
    made: Made, monkeypatch: pytest.MonkeyPatch, quick_venv: None
) -> None:
    monkeypatch.setenv("SEGTILE_HOME", str(made.home))
    lines: list[str] = []
    require(made.folder, "# a comment", "tinypeer==1.0")
    assert ensure_environment(made.folder, on_line=lines.append) == made.python
    assert lines == []

    require(made.folder, "tinypeer==2.0")
    second = ensure_environment(made.folder)
    assert second != made.python
    assert version(second) == "2.0"
    assert version(made.python) == "1.0"

    second.unlink()  # as when the Python that it was made with is removed
    (second.parents[1] / "left-over").touch()
    assert ensure_environment(made.folder) == second
    assert version(second) == "2.0"
    assert not (second.parents[1] / "left-over").exists()


@pytest.mark.skipif(os.name != "posix", reason="kills a process group")
def test_a_killed_build_does_not_count_and_two_builders_wait_for_each_other(peer: Path, quick_venv: None) -> None:
    code = (
        "import sys; from pathlib import Path; from segtile.evaluation.environments import ensure_environment;"
        "ensure_environment(Path(sys.argv[1]))"
    )
    builder = subprocess.Popen([sys.executable, "-c", code, str(peer)], start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(environments_folder().glob("tiny-*/bin/python")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(builder.pid, signal.SIGKILL)
    builder.wait()
    (half,) = (path for path in environments_folder().glob("tiny-*") if path.is_dir())
    assert not (half / "complete.json").exists()

    made: list[Path] = []
    talk: list[list[str]] = [[], []]
    threads = [
        threading.Thread(target=lambda t=t: made.append(ensure_environment(peer, on_line=talk[t].append)))
        for t in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2
    assert made[0] == made[1] == half / "bin" / "python"
    assert version(made[0]) == "1.0"
    assert sum(bool(lines) for lines in talk) == 1, "both of them built"


def test_a_failed_build_says_what_pip_said_and_leaves_nothing(peer: Path, quick_venv: None) -> None:
    require(peer, "tinypeer==3.0")
    with pytest.raises(BackendMissing, match=r"environment of tiny could not be made.*tinypeer==3\.0") as caught:
        ensure_environment(peer)
    assert "\n" not in str(caught.value)
    assert not [path for path in environments_folder().iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    "line", ["-e .", "-r more.txt", "./wheels/a.whl", "a @ file:///a.whl", "/a.whl", "-c pins.txt"]
)
def test_requirements_that_a_digest_cannot_see_are_refused(peer: Path, line: str) -> None:
    require(peer, line)
    with pytest.raises(BadInput, match="would go unseen"):
        ensure_environment(peer)
    assert not environments_folder().exists()


def test_requirements_that_cannot_be_read(peer: Path) -> None:
    (peer / "requirements.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReadError, match="no UTF-8 text"):
        ensure_environment(peer)
    (peer / "requirements.txt").unlink()
    with pytest.raises(ReadError, match="No such file"):
        ensure_environment(peer)


def test_a_cache_that_cannot_be_written(peer: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(WriteError, match="cannot be made"):
        ensure_environment(peer)
