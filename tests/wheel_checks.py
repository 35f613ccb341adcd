"""A wheel of the project, built and installed in an environment of its own, and what it must be able to do there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def call(*command: str | Path, **kwargs: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **kwargs)


def wheel_python(repo: Path, folder: Path, *, alone: bool) -> Path:
    """The interpreter of a new environment that holds the wheel and, `alone`, what it asks for and nothing else.

    Else the packages of the running environment lie beside it: a path file leads to them, and the checkout that this
    environment may be told of by path files of its own is not seen.
    """
    built = call(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", repo)
    if built.returncode and not os.environ.get("CI"):
        pytest.skip(f"no wheel can be built here: {built.stderr.strip().splitlines()[-1]}")
    assert built.returncode == 0, built.stderr
    venv.create(folder / "env")
    python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    (wheel,) = (folder / "dist").glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check")
    done = call(*pip, wheel, *(() if alone else ("--no-deps",)))
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(f"packages cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    if not alone:
        asked = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        beside = sorted({sysconfig.get_path(kind) for kind in ("purelib", "platlib")})
        Path(asked.stdout.strip(), "beside.pth").write_text("\n".join(beside) + "\n")
    return python


def check_wheel(python: Path, repo: Path, folder: Path, ring_scene: tuple[np.ndarray, np.ndarray]) -> None:
    """It does the main job, finds its cards and weights, and holds the package alone."""
    picture, alpha = ring_scene
    Image.fromarray(picture).save(folder / "ring.png")
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = call(python, "-m", "segtile", "cutout", "ring.png", "-o", "out", "--json", "-q", cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    found = np.asarray(Image.open(folder / row["output"]))[..., 3] / 255
    assert np.abs(found - alpha).mean() < 0.002

    done = call(python, "-m", "segtile", "info", "--json", cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    info = json.loads(done.stdout)
    cards = Path(info["folders"]["cards"])
    assert repo not in cards.parents
    assert folder in cards.parents
    assert {p.stem for p in cards.glob("*.toml")} == {p.stem for p in (repo / "models" / "cards").glob("*.toml")}
    assert info["models"]

    code = "import importlib.metadata as m; print(*sorted({f.parts[0] for f in m.files('segtile')}))"
    done = call(python, "-c", code, cwd=folder, env=env)
    top = {name for name in done.stdout.split() if not name.startswith((".", "segtile-"))}
    assert top == {"segtile"}
