"""Rendered scenes as a data set: which Python renders, what is kept, and what a kill leaves. Nothing is rendered."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from segtile.errors import BackendMissing, ModelError, WriteError
from segtile.evaluation import renders
from segtile.evaluation.config import RendersData, parse_config
from segtile.evaluation.datasets import items_of

# Writes both files as `python -m eval.synth` does, and a line of what it was asked for.
FAKE = """#!{python}
import pathlib, sys, time
args = sys.argv[1:]
value = lambda name: args[args.index(name) + 1]
out, name = pathlib.Path(value("-o")), value("--kind") + "_" + value("--seed")
with open("{log}", "a") as f: f.write(" ".join([name, *args]) + "\\n")
if value("--kind") == "cow": sys.exit("Blender says hello\\nno such scene")
time.sleep({sleep})
(out / (name + ".jpg")).write_bytes(b"p")
if value("--kind") == "cup": sys.exit("it died between the two files")
(out / (name + "_alpha.png")).write_bytes(b"a")
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def fake_python(tmp_path: Path, name: str = "python", sleep: float = 0.0) -> Path:
    path = tmp_path / name
    path.write_text(FAKE.format(python=sys.executable, log=tmp_path / "log", sleep=sleep))
    path.chmod(0o755)
    return path


@pytest.fixture
def blender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A named Python that stands in for one with Blender's module."""
    path = fake_python(tmp_path)
    monkeypatch.setenv(renders.PYTHON_VARIABLE, str(path))
    return path


@pytest.fixture
def without_blender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(renders.PYTHON_VARIABLE, raising=False)
    monkeypatch.setattr(renders.importlib.util, "find_spec", lambda name: None)


def data(**given: object) -> RendersData:
    return RendersData.model_validate({"kind": "renders", "name": "r", "scenes": ["ring"], "size": 100, **given})


def asked(log: Path) -> list[str]:
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def test_scenes_are_made_once_for_each_seed_and_look(tmp_path, log, blender):
    told: list[tuple[int, int, str]] = []
    first = renders.rendered(
        data(seeds=[3, 4]), (1,), tmp_path / "c", on_progress=lambda *progress: told.append(progress)
    )
    assert [name for name, _, _ in first] == ["ring_3", "ring_4"]
    assert [(photo.read_bytes(), alpha.read_bytes()) for _, photo, alpha in first] == [(b"p", b"a")] * 2
    assert told == [(0, 2, "scenes of r"), (1, 2, "scenes of r"), (2, 2, "scenes of r")]
    assert renders.rendered(data(seeds=[3, 4]), (1,), tmp_path / "c", on_progress=pytest.fail) == first
    assert asked(log) == ["ring_3", "ring_4"]
    ((_, other, _),) = renders.rendered(data(contrast=0.05), (3,), tmp_path / "c")
    assert other.name == first[0][1].name
    assert other.parent != first[0][1].parent
    line = log.read_text().splitlines()[-1]
    for words in ("--seed 3", "--size 100", "--contrast 0.05", "-m eval.synth"):
        assert words in line
    assert "--quick" not in line
    assert "--stage" not in line
    ((_, varied, _),) = renders.rendered(data(stage="varied"), (3,), tmp_path / "c")
    assert varied.parent not in (first[0][1].parent, other.parent)
    assert "--stage varied" in log.read_text().splitlines()[-1]


def test_they_are_a_data_set_with_the_seeds_of_the_run(tmp_path, log, blender):
    raw = {
        "datasets": [{"kind": "renders", "name": "r", "scenes": ["ring"]}],
        "systems": [{"kind": "segtile", "name": "s"}],
        "seeds": [5, 6],
    }
    found = items_of(parse_config(raw, tmp_path / "c.yaml"), tmp_path / "c")
    assert [(item.dataset, item.picture) for item in found] == [("r", "ring_5"), ("r", "ring_6")]
    assert all(item.photo.is_file() and item.truth.is_file() for item in found)


def test_what_the_renderer_says_last_is_told(tmp_path, blender):
    with pytest.raises(ModelError, match=r"the scene cow with the seed 1 could not be rendered: no such scene$"):
        renders.rendered(data(scenes=["cow"]), (1,), tmp_path / "c")


def test_one_file_of_two_does_not_count(tmp_path, log, blender):
    for _ in range(2):
        with pytest.raises(ModelError, match="between the two files"):
            renders.rendered(data(scenes=["cup"]), (1,), tmp_path / "c")
    assert asked(log) == ["cup_1", "cup_1"]


@pytest.mark.skipif(os.name != "posix", reason="files are locked across processes")
def test_two_runs_wait_for_each_other(tmp_path, log, monkeypatch):
    monkeypatch.setenv(renders.PYTHON_VARIABLE, str(fake_python(tmp_path, sleep=0.3)))
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(renders.rendered(data(), (1,), tmp_path / "c"))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]
    assert asked(log) == ["ring_1"]


def test_without_blender_an_environment_is_made_for_it(tmp_path, log, monkeypatch, without_blender):
    made: list[Path] = []

    def ensure(folder, *, on_line=None):
        made.append(folder)
        on_line("Collecting bpy")
        return fake_python(tmp_path, "made")

    monkeypatch.setattr(renders, "ensure_environment", ensure)
    monkeypatch.setattr(renders, "BLENDERS_PYTHON", sys.version_info[:2])
    lines: list[str] = []
    scenes = renders.rendered(data(seeds=[1, 2]), (), tmp_path / "c", on_line=lines.append)
    assert len(scenes) == 2
    assert made == [Path(renders.__file__).parents[2] / "eval" / "synth"], "once for the data set"
    assert lines == ["Collecting bpy"]
    made.clear()
    assert renders.rendered(data(seeds=[1, 2]), (), tmp_path / "c") == scenes
    assert made == [], "nothing had to be rendered"


def test_an_environment_that_cannot_be_made_is_no_traceback(tmp_path, monkeypatch, without_blender):
    def ensure(folder, *, on_line=None):
        raise BackendMissing("the environment of synth could not be made from its requirements.txt: no network")

    monkeypatch.setattr(renders, "ensure_environment", ensure)
    monkeypatch.setattr(renders, "BLENDERS_PYTHON", sys.version_info[:2])
    with pytest.raises(BackendMissing, match="no network"):
        renders.rendered(data(), (1,), tmp_path / "c")


def test_the_named_and_the_running_python_come_first(tmp_path, monkeypatch, blender):
    monkeypatch.setattr(renders, "ensure_environment", pytest.fail)
    renders.rendered(data(), (1,), tmp_path / "c")
    monkeypatch.delenv(renders.PYTHON_VARIABLE)
    monkeypatch.setattr(renders.importlib.util, "find_spec", lambda name: object())
    assert renders._python(None) == sys.executable


def test_another_python_is_told_which_one_is_needed(tmp_path, monkeypatch, without_blender):
    monkeypatch.setattr(renders, "ensure_environment", pytest.fail)
    monkeypatch.setattr(renders, "BLENDERS_PYTHON", (3, 99))
    with pytest.raises(BackendMissing, match=r"Python 3\.99 only.*SEGTILE_SYNTH_PYTHON") as caught:
        renders.rendered(data(), (1,), tmp_path / "c")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "c").exists()


def test_other_packages_make_other_pictures(tmp_path, monkeypatch):
    root = tmp_path / "checkout"
    folder = root / "eval" / "synth"
    folder.mkdir(parents=True)
    monkeypatch.setattr(renders, "_root", lambda: root)
    with pytest.raises(BackendMissing, match="checkout"):
        renders.rendered(data(), (1,), tmp_path / "c")
    (folder / "__main__.py").write_text("print(1)\n")
    (folder / "requirements.txt").write_text("bpy==5.0.1\n")
    before = renders._code()
    (folder / "requirements.txt").write_text("# a comment\nbpy==5.0.1\n")
    assert renders._code() == before
    (folder / "requirements.txt").write_text("bpy==5.0.2\n")
    assert renders._code() != before


def test_a_python_that_does_not_start_and_a_cache_that_cannot_be_written(tmp_path, monkeypatch, blender):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be kept"):
        renders.rendered(data(), (1,), tmp_path / "file")
    monkeypatch.setenv(renders.PYTHON_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(BackendMissing, match="none does not start"):
        renders.rendered(data(), (1,), tmp_path / "c")


def test_the_renderer_needs_nothing_of_ours():
    """Its environment has what requirements.txt names, and segtile is not among it."""
    code = (
        "import sys, importlib, pathlib\n"
        "for file in pathlib.Path('eval/synth').glob('*.py'):\n"
        "    if file.stem != '__main__': importlib.import_module('eval.synth.' + file.stem)\n"
        "import eval.synth.__main__\n"
        "own = {name.split('.')[0] for name in sys.modules} & {'segtile', 'scipy', 'cv2', 'PIL', 'pydantic', 'yaml'}\n"
        "sys.exit(', '.join(sorted(own)) or 0)"
    )
    root = Path(renders.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "bpy==" in (root / "eval" / "synth" / "requirements.txt").read_text()
