"""Whole runs over tiny pictures: what is done, what is done again, and what is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from eval_scenes import calls, command, disc, make_run

from segtile.errors import BadInput, WriteError
from segtile.evaluation import measuring, runner, serving, work
from segtile.evaluation.results import RESULTS, read_results, read_run
from segtile.evaluation.workers import WorkerReply


def run(path, out, **settings):
    """A run without its report, which has tests of its own."""
    return runner.run(path, out, **{"report": False, **settings})


def figures(folder):
    """What a run measured, without what a clock or a scheduler says."""
    rows, _ = read_results(folder)
    dropped = ("seconds", "peak_rss_mb")
    return {row.key: {k: v for k, v in row.to_json().items() if k not in dropped} for row in rows}


def change(path, **values):
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **values}, sort_keys=False))


class MeasuringHere:
    """The measuring worker without its process, which takes a second to start."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, photo, output, **fields):
        job = {**fields, "truth": str(fields.get("truth", "")), "photo": str(photo), "output": str(output)}
        return WorkerReply(0.0, serving._tried(partial(measuring.answer, job)), None)


@pytest.fixture
def here(monkeypatch):
    """For tests of what is done again, or of what systems do; the others measure as users do."""
    monkeypatch.setattr(work, "Worker", MeasuringHere)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One undisturbed run of ours and a command over four pictures, one of which fails."""
    folder = tmp_path_factory.mktemp("finished")
    ours = {"name": "ours", "kind": "segtile", "recipe": {"coarse": {"name": "studio"}, "refine": {"name": "none"}}}
    path = make_run(folder, ("a", "bad", "c"), systems=[command("mid", 160), ours])
    return folder, path, run(path, folder / "run", report=True)


def test_the_run_folder_holds_what_it_says(finished):
    folder, path, summary = finished
    out = folder / "run"
    assert (out / "config.yaml").read_text() == path.read_text()
    info = read_run(out)
    assert info["systems"] == ["ours", "mid"]  # ours first
    assert info["datasets"] == ["discs"]
    assert info["metrics"]["mae"]["better"] == "lower"
    assert set(info["slices"]) == {"white_on_white", "thin", "holes", "large"}
    assert info["finished"]
    assert {p.name for p in (out / "tables").iterdir()} >= {"tables.md", "tables.csv", "tables.tex", "discs-all.md"}
    assert summary.notes == ()
    assert summary.complete
    assert not list(out.glob(".work*"))
    assert (out / "report.html").is_file()


def test_rows_say_what_happened(finished):
    folder, _, summary = finished
    rows = {row.key: row for row in summary.rows}
    assert len(rows) == 6
    assert summary.failed == 1
    good, bad, ours = rows["mid", "discs", "a"], rows["mid", "discs", "bad"], rows["ours", "discs", "a"]
    assert good.metrics["iou"] > 0.9
    assert good.size == (96, 80)
    assert good.seconds > 0
    assert good.peak_rss_mb > 1
    assert cv2.imread(str(folder / "run" / good.alpha), cv2.IMREAD_UNCHANGED).shape == (80, 96)
    assert "this picture is too hard" in bad.error
    assert bad.alpha is None
    assert not bad.metrics
    truth = disc(1)[1] / 255
    assert bad.stand_in["mae"] == pytest.approx(1000 * truth.mean(), rel=1e-6)
    assert bad.stand_in["iou"] == 0
    assert ours.peak_rss_mb > 50
    assert ours.metrics["iou"] > 0.8


def test_a_second_run_does_only_what_failed(finished):
    folder, path, _ = finished
    before, made = figures(folder / "run"), calls(folder)
    again = run(path, folder / "run")
    assert again.done == 1
    assert calls(folder)[len(made) :] == ["bad"]
    assert figures(folder / "run") == before


def test_two_runs_give_the_same_numbers(finished):
    folder, path, _ = finished
    run(path, folder / "other", jobs=2)
    assert figures(folder / "other") == figures(folder / "run")
    tables = [(folder / name / "tables" / "tables.tex").read_text() for name in ("run", "other")]
    assert tables[0] == tables[1]
    for alpha in (folder / "run" / "alphas").rglob("*.png"):
        assert alpha.read_bytes() == (folder / "other" / alpha.relative_to(folder / "run")).read_bytes()


def test_a_changed_configuration_redoes_only_what_changed(tmp_path, here):
    path, out = make_run(tmp_path), tmp_path / "run"
    run(path, out)
    first = figures(out)
    change(path, metrics=["mae", "biou2"])  # measured anew from the alphas that lie there
    assert run(path, out).done == 3
    assert len(calls(tmp_path)) == 3
    assert set(next(iter(figures(out).values()))["metrics"]) == {"mae", "biou2"}
    change(path, systems=[command("mid", 160), command("dark", 120)], metrics=["mae", "iou", "offset_median"])
    assert run(path, out).done == 6  # three measured again, three new
    assert len(calls(tmp_path)) == 6
    assert {k: v for k, v in figures(out).items() if k[0] == "mid"} == first
    change(path, systems=[command("mid", 200)])
    run(path, out)
    assert len(calls(tmp_path)) == 9
    assert {key[0] for key in figures(out)} == {"mid"}


def test_a_changed_picture_truth_program_or_alpha_is_noticed(tmp_path, here):
    path, out = make_run(tmp_path), tmp_path / "run"
    run(path, out)
    assert run(path, out).done == 0
    cv2.imwrite(str(tmp_path / "data" / "a.png"), disc(9)[0])
    assert run(path, out).done == 1
    assert calls(tmp_path)[3:] == ["a"]
    cv2.imwrite(str(tmp_path / "data" / "b_alpha.png"), disc(9)[1])
    assert run(path, out).done == 1
    assert calls(tmp_path)[4:] == []  # the truth is not the system's business
    (out / "alphas" / "mid" / "discs" / "c.png").unlink()
    assert run(path, out).done == 1
    assert calls(tmp_path)[4:] == ["c"]
    script = tmp_path / "threshold.py"
    script.write_text(script.read_text() + "# changed\n")
    assert run(path, out).done == 3


def test_only_and_limit(tmp_path, here):
    path = make_run(tmp_path, systems=[command("mid", 160), command("dark", 120)])
    out = tmp_path / "run"
    assert run(path, out, only=["dark"], limit=2).done == 2
    assert set(figures(out)) == {("dark", "discs", "a"), ("dark", "discs", "b")}
    assert run(path, out, limit=1).done == 1
    assert len(figures(out)) == 3  # what was done before stays
    with pytest.raises(BadInput, match="nobody"):
        run(path, out, only=["nobody"])


def test_what_programs_may_do_wrong(tmp_path, here):
    scripts = {
        "nothing": "pass",
        "rubbish": "import sys; open(sys.argv[2], 'w').write('no picture')",
        "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "slow": "import time; time.sleep(60)",
        "small": "import sys, cv2; cv2.imwrite(sys.argv[2], cv2.imread(sys.argv[1], 0)[::2, ::2])",
    }
    for name, text in scripts.items():
        (tmp_path / f"{name}.py").write_text(text)
    systems = [command(name, 1, f"{name}.py", timeout=3) for name in scripts]
    systems.append({"name": "missing", "kind": "command", "argv": ["no-such-program", "{input}", "{output}"]})
    path = make_run(tmp_path, ("a", "colour"), systems=[*systems, command("mid", 160)])
    start = time.monotonic()
    rows = {row.key: row for row in run(path, tmp_path / "run", limit=2).rows}
    assert time.monotonic() - start < 40
    errors = {name: rows[name, "discs", "a"].error for name in [*scripts, "missing"]}
    assert "no output" in errors["nothing"]
    assert errors["rubbish"]
    assert "signal 9" in errors["killed"]
    assert "longer than 3 s" in errors["slow"]
    assert "no-such-program" in errors["missing"]
    assert errors["small"] is None
    assert rows["small", "discs", "a"].resized
    assert "colour" in rows["mid", "discs", "colour"].error
    assert rows["mid", "discs", "a"].error is None
    assert all("\n" not in row.error for row in rows.values() if row.error)


def test_a_truth_that_cannot_be_read_costs_its_rows(tmp_path, here):
    path = make_run(tmp_path, ("a", "b"))
    (tmp_path / "data" / "a_alpha.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    summary = run(path, tmp_path / "run")
    assert [row.error is None for row in summary.rows] == [False, True]
    assert summary.failed == 1


def test_a_system_that_does_not_start_fails_all_its_pictures_at_once(tmp_path, here):
    (tmp_path / "peer").mkdir()
    path = make_run(tmp_path, systems=[{"name": "p", "kind": "peer", "folder": "peer"}, command("mid", 160)])
    summary = run(path, tmp_path / "run")
    assert summary.failed == 3
    assert all("peer.py" in row.error for row in summary.rows if row.system == "p")


def test_folders_that_are_no_run_and_runs_at_work_are_refused(tmp_path):
    path = make_run(tmp_path, ("a",))
    with pytest.raises(BadInput, match="other things"):
        run(path, tmp_path)
    with pytest.raises(WriteError, match="file"):
        run(path, path)
    import fcntl

    out = tmp_path / "run"
    out.mkdir()
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(WriteError, match="another run"):
            run(path, out)


def test_unknown_metrics_are_refused_before_any_work(tmp_path):
    path = make_run(tmp_path, metrics=["mae", "beauty"])
    with pytest.raises(BadInput, match="beauty"):
        run(path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_groups_and_slices_reach_the_rows(tmp_path, here):
    for k, name in enumerate(("a", "b")):
        picture, alpha = disc(k, hole=8)
        (tmp_path / "pairs" / "wow").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "pairs" / "wow" / f"{name}.png"), picture)
        cv2.imwrite(str(tmp_path / "pairs" / "wow" / f"{name}_alpha.png"), alpha)
    pairs = {"pairs": {f"wow/{name}": {"edge_visible": 1.0} for name in ("a", "b")}}
    (tmp_path / "pairs" / "pairs.json").write_text(json.dumps(pairs))
    data = [{"name": "real", "kind": "pairs", "folder": "pairs", "groups": ["wow"]}]
    settings = {"large_px": 90, "thin_share": 0.1}
    path = make_run(tmp_path, datasets=data, slices=["holes", "large"], slice_settings=settings)
    rows = run(path, tmp_path / "run").rows
    assert {row.picture for row in rows} == {"wow-a", "wow-b"}
    assert all(row.slices == ("holes", "large", "wow") for row in rows)
    assert set(read_run(tmp_path / "run")["slices"]) == {"holes", "large", "wow"}


def test_seams_are_measured_along_our_plan_and_nowhere_else(tmp_path, here):
    picture, alpha = disc(0, size=(700, 500))
    yy, xx = np.mgrid[:500, :700]
    alpha = np.clip((200 - np.hypot(xx - 350, yy - 250)) * 64, 0, 255).astype(np.uint8)
    picture = (235 - 150.0 * alpha / 255)[..., None].repeat(3, 2).round().astype(np.uint8)
    path = make_run(tmp_path, ("a",), metrics=["seam_grad", "seam_ramp", "iou"])
    cv2.imwrite(str(tmp_path / "data" / "a.png"), picture)
    cv2.imwrite(str(tmp_path / "data" / "a_alpha.png"), alpha)
    grid = {"kind": "uniform", "tile": 256, "halo": 32}
    recipe = {"coarse": {"name": "studio"}, "refine": {"name": "none"}, "grid": grid}
    ours = {"name": "ours", "kind": "segtile", "recipe": recipe}
    change(path, systems=[ours, command("mid", 160)], memory=False)
    rows = {row.system: row for row in run(path, tmp_path / "run").rows}
    assert abs(rows["ours"].metrics["seam_grad"]) < 0.5
    assert np.isfinite(rows["ours"].metrics["seam_ramp"])
    assert np.isnan(rows["mid"].metrics["seam_grad"])
    assert rows["ours"].peak_rss_mb is None  # one process for all pictures: the peak would not be this one's


SLOW = """
import runpy, sys, pathlib, time
photo = sys.argv[1]
here = pathlib.Path(__file__).parent
if pathlib.Path(photo).stem == "c" and not (here / "go").exists():
    (here / "reached").touch()
    time.sleep(120)
runpy.run_path(str(here / "threshold.py"))
"""


@pytest.mark.skipif(os.name != "posix", reason="kills with SIGKILL")
def test_a_killed_run_goes_on_where_it_was(tmp_path, here):
    names = ("a", "b", "c", "d")
    path, out = make_run(tmp_path, names, systems=[command("slow", 160, "slow.py")]), tmp_path / "run"
    (tmp_path / "slow.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "-m", "segtile", "eval", "run", str(path), "-o", str(out), "-q", "--no-report"]
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "reached").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (tmp_path / "reached").exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    rows, _ = read_results(out)
    assert [row.picture for row in rows] == ["a", "b"]
    with (out / RESULTS).open("a") as file:
        file.write('{"digest": "torn')  # as a kill within a write would leave it
    (tmp_path / "go").touch()
    before = len(calls(tmp_path))
    summary = run(path, out)
    assert summary.done == 2
    assert any("torn" in note for note in summary.notes)
    assert calls(tmp_path)[before:] == ["c", "d"]
    assert not list(out.glob(".work*"))
    run(path, tmp_path / "undisturbed")
    assert figures(out) == figures(tmp_path / "undisturbed")


@pytest.mark.skipif(os.name != "posix", reason="looks at processes by their number")
def test_a_killed_run_leaves_no_program_behind(tmp_path):
    path, out = make_run(tmp_path, ("a",), systems=[command("slow", 160, "slow.py")]), tmp_path / "run"
    (tmp_path / "slow.py").write_text(
        "import os, pathlib, time\n"
        "pathlib.Path(__file__).with_name('pid').write_text(str(os.getpid()))\n"
        "time.sleep(120)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "segtile", "eval", "run", str(path), "-o", str(out), "-q", "--no-report"]
    )
    deadline = time.monotonic() + 60
    pid = tmp_path / "pid"
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while time.monotonic() < deadline:
        try:
            os.kill(int(pid.read_text()), 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the program under test outlived its run")


@pytest.mark.skipif(os.name != "posix", reason="interrupts with SIGINT")
def test_an_interrupt_ends_a_run_of_several_threads_at_once(tmp_path):
    make_run(tmp_path, ("a", "b"), systems=[command("slow", 160, "slow.py")])
    (tmp_path / "slow.py").write_text(
        "import pathlib, sys, time\n"
        "pathlib.Path(__file__).with_name('at-' + pathlib.Path(sys.argv[1]).stem).touch()\n"
        "time.sleep(120)\n"
    )
    # folders relative to where the run was started: systems run elsewhere
    line = [sys.executable, "-m", "segtile", "eval", "run", "config.yaml", "-o", "run", "-q", "--jobs", "2"]
    process = subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("at-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.strip() == "segtile: error: interrupted"
    assert not (tmp_path / "run" / RESULTS).exists()
    assert not list((tmp_path / "run").glob(".work*"))


def test_a_run_folder_may_be_relative(tmp_path, monkeypatch):
    path = make_run(tmp_path, ("a",))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run(Path("..", path.name), Path("run")).failed == 0
