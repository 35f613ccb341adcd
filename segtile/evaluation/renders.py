"""Rendered scenes as data sets: made by eval/synth in a process of its own, kept once made."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from segtile.errors import BackendMissing, ModelError, WriteError
from segtile.evaluation.config import RendersData
from segtile.evaluation.digests import text_digest

#: A Python that can import Blender's module, where the running one cannot.
PYTHON_VARIABLE = "SEGTILE_SYNTH_PYTHON"


def rendered(data: RendersData, scene: str, seed: int, cache: Path) -> tuple[Path, Path]:
    """Picture and exact alpha of a scene; rendered where the cache does not hold them.

    Raises:
        BackendMissing: it has to be rendered, and neither this Python nor SEGTILE_SYNTH_PYTHON has Blender's module, or
            this is no checkout with eval/synth.
        ModelError: the renderer failed; its last line is in the message.
        WriteError: the cache cannot be written to.
    """
    looks = data.model_dump(include={"size", "contrast", "background", "quick"})
    folder = cache / text_digest({**looks, "code": _code()})
    photo, alpha = folder / f"{scene}_{seed}.jpg", folder / f"{scene}_{seed}_alpha.png"
    if not (photo.is_file() and alpha.is_file()):
        _render(data, scene, seed, folder, cache / "passes")
    return photo, alpha


def _root() -> Path:
    return Path(__file__).resolve().parents[2]


def _code() -> str:
    from segtile.evaluation.digests import code_digest

    return code_digest(sorted((_root() / "eval" / "synth").glob("*.py")))


def _python() -> str:
    given = os.environ.get(PYTHON_VARIABLE)
    if given:
        return given
    if importlib.util.find_spec("bpy") is not None:
        return sys.executable
    raise BackendMissing(
        "rendered scenes need Blender's module: pip install 'segtile[synth]', or name a Python that has it in "
        f"{PYTHON_VARIABLE}"
    )


def _render(data: RendersData, scene: str, seed: int, folder: Path, passes: Path) -> None:
    root = _root()
    if not (root / "eval" / "synth" / "__main__.py").is_file():
        raise BackendMissing("rendered scenes are made by eval/synth, which only a checkout of segtile has")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise WriteError(f"{folder}: the folder for rendered scenes cannot be made: {e.strerror}") from None
    command = [_python(), "-m", "eval.synth", "--kind", scene, "--seed", str(seed), "--size", str(data.size)]
    command += ["--background", str(data.background), "-o", str(folder), "--cache", str(passes)]
    command += [] if data.contrast is None else ["--contrast", str(data.contrast)]
    command += ["--quick"] if data.quick else []
    try:
        done = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as e:
        raise BackendMissing(f"{command[0]} does not start: {e.strerror}") from None
    if done.returncode:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        raise ModelError(f"the scene {scene} with the seed {seed} could not be rendered: {last}")
