"""What a system's digest depends on, and how peers are asked."""

from __future__ import annotations

import json
import sys

import pytest
from eval_scenes import command, make_run

from segtile.evaluation import digests, workers
from segtile.evaluation.config import parse_config
from segtile.evaluation.runner import run
from segtile.evaluation.systems import system_digest

PEER = """
import json, shutil, sys
from pathlib import Path
sys.path.append(str(Path(__file__).resolve().parents[1]))
NEEDS = "model"
for line in sys.stdin:
    job = json.loads(line)
    if "output" in job:
        shutil.copy(job["truth"], job["output"])
    print(json.dumps({"seconds": 0.5, "peak_rss_mb": 10.0, "error": None}), flush=True)
"""


@pytest.fixture
def peer(tmp_path):
    folder = tmp_path / "peers" / "copycat"
    folder.mkdir(parents=True)
    (folder / "peer.py").write_text(PEER)
    (folder / "requirements.txt").write_text("numpy\n")
    (folder.parent / "protocol.py").write_text("x = 1\n")
    for name in ("model", "unrelated"):
        (folder.parent / name).mkdir()
        (folder.parent / name / "code.py").write_text("y = 1\n")
    return folder


def system_of(tmp_path, **values):
    data = [{"name": "d", "kind": "samples", "table": "t.json"}]
    return parse_config({"datasets": data, "systems": [{"name": "s", **values}]}, tmp_path / "c.yaml").systems[0]


def test_a_peers_digest_follows_its_code_and_what_it_shares(peer, tmp_path):
    seen = [digests.peer_digest(peer)]
    for changed in (peer / "requirements.txt", peer.parent / "protocol.py", peer.parent / "model" / "code.py"):
        changed.write_text(changed.read_text() + "# more\n")
        seen.append(digests.peer_digest(peer))
    assert len(set(seen)) == 4
    (peer.parent / "unrelated" / "code.py").write_text("z = 2\n")
    (peer / "__pycache__").mkdir()
    (peer / "__pycache__" / "peer.pyc").write_bytes(b"x")
    (peer / ".cache").write_text("x")
    assert digests.peer_digest(peer) == seen[-1]


def test_a_peers_digest_follows_its_arguments_and_the_weights_they_name(peer, tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "a.onnx").write_bytes(b"12")

    def digest(*arguments):
        return system_digest(system_of(tmp_path, kind="peer", folder="peers/copycat", arguments=arguments), tmp_path)

    seen = [digest("--weights", str(weights)), digest("--weights", str(weights), "--fast")]
    (weights / "a.onnx").write_bytes(b"123")
    seen.append(digest("--weights", str(weights)))
    assert len(set(seen)) == 3


def test_our_digest_follows_the_recipe_and_not_the_name(tmp_path):
    def digest(**values):
        return system_digest(system_of(tmp_path, kind="segtile", **values), tmp_path)

    assert digest() == digest(name="other")
    assert digest() != digest(recipe={"refine": {"name": "none"}})


def test_code_counts_without_comments_docstrings_and_layout(tmp_path):
    texts = [
        '"""Doc."""\nx = 1  # why\n\n\ndef f():\n    """F."""\n    return x\n',
        "x=1\ndef f(): return x\n",
        "x=2\n",
    ]
    found = []
    for text in texts:
        (tmp_path / "m.py").write_text(text)
        found.append(digests.code_digest([tmp_path / "m.py"]))
    assert found[0] == found[1] != found[2]


def test_a_peer_is_told_the_truth_and_is_measured(peer, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "ensure_environment", lambda folder, on_line=None: sys.executable)
    systems = [{"name": "copycat", "kind": "peer", "folder": "peers/copycat"}, command("mid", 160)]
    path = make_run(tmp_path, ("a", "b"), systems=systems, metrics=["mae", "iou"])
    summary = run(path, tmp_path / "run", jobs=2, report=False)
    rows = [row for row in summary.rows if row.system == "copycat"]
    assert [(row.metrics["mae"], row.seconds, row.peak_rss_mb) for row in rows] == [(0, 0.5, 10)] * 2
    assert json.loads((tmp_path / "run" / "run.json").read_text())["jobs"] == 2
    assert run(path, tmp_path / "run", report=False).done == 0


def test_a_worker_of_ours_runs_where_we_run_and_follows_our_code(peer, tmp_path, monkeypatch):
    (peer / "requirements.txt").unlink()
    (peer / "peer.py").write_text("import segtile.detected\n" + PEER)
    ours = {"name": "copycat", "kind": "peer", "folder": "peers/copycat", "ours": True}
    summary = run(make_run(tmp_path, ("a",), systems=[ours], metrics=["mae"]), tmp_path / "run", report=False)
    assert [(row.error, row.metrics["mae"]) for row in summary.rows] == [(None, 0)]
    seen = [system_digest(system_of(tmp_path, **ours), tmp_path)]
    seen.append(system_digest(system_of(tmp_path, **{**ours, "ours": False}), tmp_path))
    monkeypatch.setattr(digests, "own_code", lambda: "another version")
    seen.append(system_digest(system_of(tmp_path, **ours), tmp_path))
    seen.append(system_digest(system_of(tmp_path, **{**ours, "ours": False}), tmp_path))
    assert seen[1] == seen[3]
    assert len(set(seen)) == 3


def test_our_digest_follows_the_networks_that_a_recipe_names(tmp_path):
    """Their paths are relative to the configuration, as all paths in it are."""
    (tmp_path / "weights").mkdir()
    weights = tmp_path / "weights" / "edge.onnx"
    weights.write_bytes(b"one")
    recipe = {"coarse": {"name": "studio"}, "refine": {"name": "weights/../weights/edge.onnx"}}
    system = system_of(tmp_path, kind="segtile", recipe=recipe)
    assert system.recipe.refine.name == str(weights)
    assert system.weights == (weights,)
    before = system_digest(system, tmp_path)
    weights.write_bytes(b"two")
    assert system_digest(system, tmp_path) != before
