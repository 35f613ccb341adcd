"""Rendered scenes as data sets: made by eval/synth in a process of its own, kept once made."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from segtile.errors import BackendMissing, ModelError, WriteError
from segtile.evaluation.config import RendersData
from segtile.evaluation.digests import code_digest, text_digest
from segtile.evaluation.environments import ensure_environment, locked, requirements_in
from segtile.types import Progress, no_progress

#: A Python that can import Blender's module, where the running one cannot.
PYTHON_VARIABLE = "SEGTILE_SYNTH_PYTHON"
#: The only Python that Blender's module of eval/synth/requirements.txt is built for.
BLENDERS_PYTHON = (3, 11)


def rendered(
    data: RendersData,
    seeds: Sequence[int],
    cache: Path,
    *,
    on_progress: Progress = no_progress,
    on_line: Callable[[str], None] | None = None,
) -> list[tuple[str, Path, Path]]:
    """Every scene of a data set with every seed, as (SCENE_SEED, picture, exact alpha).

    A scene is known by its settings, by the code of eval/synth and by its requirements, and rendered where the cache
    does not hold it. Both files of it appear whole or not at all. Two runs wait for each other, scene by scene.

    Args:
        data: the scenes.
        seeds: where `data` names none.
        cache: folder of pictures and passes; it is made.
        on_progress: on_progress(done, total, "scenes of NAME"), over those that have to be rendered.
        on_line: is given what the installer prints where Blender's environment has to be made.

    Raises:
        BackendMissing: something has to be rendered, and there is no Blender's module and no way to install it, or this
            is no checkout with eval/synth.
        ModelError: the renderer failed; its last line is in the message.
        WriteError: the cache cannot be written to.
    """
    code = _code()
    looks = data.model_dump(include={"size", "contrast", "background", "quick", "stage"})
    folder, passes = cache / text_digest({**looks, "code": code}), cache / f"passes-{code}"
    scenes = [(scene, seed) for scene in data.scenes for seed in data.seeds or seeds]
    missing = [one for one in scenes if not _there(folder, *one)]
    if missing:
        python = _python(on_line)
        on_progress(0, len(missing), f"scenes of {data.name}")
        for done, (scene, seed) in enumerate(missing, 1):
            _render(python, data, scene, seed, folder, passes)
            on_progress(done, len(missing), f"scenes of {data.name}")
    return [(f"{scene}_{seed}", *_files(folder, scene, seed)) for scene, seed in scenes]


def _files(folder: Path, scene: str, seed: int) -> tuple[Path, Path]:
    return folder / f"{scene}_{seed}.jpg", folder / f"{scene}_{seed}_alpha.png"


def _there(folder: Path, scene: str, seed: int) -> bool:
    return all(file.is_file() for file in _files(folder, scene, seed))


def _root() -> Path:
    return Path(__file__).resolve().parents[2]


def _code() -> str:
    """The digest of eval/synth: its code and the packages that it is run with."""
    folder = _root() / "eval" / "synth"
    if not (folder / "__main__.py").is_file():
        raise BackendMissing("rendered scenes are made by eval/synth, which only a checkout of segtile has")
    return text_digest([code_digest(sorted(folder.rglob("*.py"))), requirements_in(folder)])


def _python(on_line: Callable[[str], None] | None) -> str:
    """A Python with Blender's module: the one that is named, the running one, else an environment made for it."""
    given = os.environ.get(PYTHON_VARIABLE)
    if given:
        return given
    if importlib.util.find_spec("bpy") is not None:
        return sys.executable
    if sys.version_info[:2] != BLENDERS_PYTHON:
        needed = ".".join(str(part) for part in BLENDERS_PYTHON)
        raise BackendMissing(
            f"rendered scenes need Blender's module, which is built for Python {needed} only and not for "
            f"{platform.python_version()}: run segtile with Python {needed}, or name a Python that has the module in "
            f"{PYTHON_VARIABLE}"
        )
    return str(ensure_environment(_root() / "eval" / "synth", on_line=on_line))


def _render(python: str, data: RendersData, scene: str, seed: int, folder: Path, passes: Path) -> None:
    command = [python, "-m", "eval.synth", "--kind", scene, "--seed", str(seed), "--size", str(data.size)]
    command += ["--background", str(data.background), "-o", str(folder), "--cache", str(passes)]
    command += [] if data.contrast is None else ["--contrast", str(data.contrast)]
    command += ["--quick"] if data.quick else []
    command += [] if data.stage == "studio" else ["--stage", data.stage]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        passes.mkdir(parents=True, exist_ok=True)
        with locked(passes / f"{scene}_{seed}.lock") as lock:
            if not _there(folder, scene, seed):  # another run may have rendered it while this one waited
                _call(command, lock, f"{scene} with the seed {seed}")
    except OSError as e:
        raise WriteError(f"{passes}: the rendered scenes cannot be kept there: {e.strerror or e}") from None


def _call(command: list[str], lock: int, what: str) -> None:
    """Run the renderer; it holds the lock as well, since it may outlive a run that was killed."""
    try:
        done = subprocess.run(
            command,
            cwd=_root(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            pass_fds=() if os.name == "nt" else (lock,),
        )
    except OSError as e:
        raise BackendMissing(f"{command[0]} does not start: {e.strerror}") from None
    if done.returncode:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        raise ModelError(f"the scene {what} could not be rendered: {last}")
