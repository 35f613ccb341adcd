"""A wheel, installed where the checkout cannot be seen, does the main job with its cards and weights inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def call(*command: str | Path, **kwargs: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **kwargs)


def install(python: Path, *what: str | Path) -> None:
    done = call(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what)
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(f"packages cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


def clean_python(repo: Path, folder: Path) -> Path:
    """The interpreter of a new environment that holds the wheel and what it asks for, nothing else."""
    built = call(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", repo)
    if built.returncode and not os.environ.get("CI"):
        pytest.skip(f"no wheel can be built here: {built.stderr.strip().splitlines()[-1]}")
    assert built.returncode == 0, built.stderr
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    (wheel,) = (folder / "dist").glob("*.whl")
    install(python, wheel)
    return python


def test_an_installed_wheel_cuts_out_and_finds_its_cards(repo, tmp_path, ring_scene):
    # one test, since the environment takes a minute to make and workers do not share it
    python = clean_python(repo, tmp_path)
    picture, alpha = ring_scene
    Image.fromarray(picture).save(tmp_path / "ring.png")
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = call(python, "-m", "segtile", "cutout", "ring.png", "-o", "out", "--json", "-q", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    found = np.asarray(Image.open(tmp_path / row["output"]))[..., 3] / 255
    assert np.abs(found - alpha).mean() < 0.002

    done = call(python, "-m", "segtile", "info", "--json", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    info = json.loads(done.stdout)
    cards = Path(info["folders"]["cards"])
    assert repo not in cards.parents
    assert {p.stem for p in cards.glob("*.toml")} == {p.stem for p in (repo / "models" / "cards").glob("*.toml")}
    assert info["models"]

    code = "import importlib.metadata as m; print(*sorted({f.parts[0] for f in m.files('segtile')}))"
    done = call(python, "-c", code, cwd=tmp_path, env=env)
    top = {name for name in done.stdout.split() if not name.startswith((".", "segtile-"))}
    assert top == {"segtile"}
