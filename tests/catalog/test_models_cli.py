"""`segtile models` as people call it: sentences, exit codes, JSON."""

import hashlib
import json

import pytest
from loopback import CONTENT, good, leads_to, says, serving

from segtile.catalog import weights_folder

CARD = """
id = "{name}"
role = "coarse"
family = "salient"
title = "A tiny model"
source = "https://example.org"
code_licence = "MIT"
weights_licence = "{licence}"
commercial = "{commercial}"
data = "Nothing."

[[files]]
name = "{name}.onnx"
{digest}urls = ["{url}"]

[input]
size = [8, 8]
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]

[output]
activation = "none"
"""


@pytest.fixture
def add(tmp_path, monkeypatch, home):
    """Puts a card into a catalogue of the test's own."""
    (tmp_path / "models" / "cards").mkdir(parents=True)
    monkeypatch.setattr("segtile.catalog.cards._models_folder", lambda: tmp_path / "models")

    def make(name, url, *, commercial="yes", licence="MIT", hashed=True):
        digest = f'sha256 = "{hashlib.sha256(CONTENT).hexdigest()}"\nbytes = {len(CONTENT)}\n' if hashed else ""
        text = CARD.format(name=name, url=url, commercial=commercial, licence=licence, digest=digest)
        (tmp_path / "models" / "cards" / f"{name}.toml").write_text(text)

    return make


def one_sentence(err):
    lines = [line for line in err.splitlines() if line.startswith("segtile: error: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    return lines[0]


def test_from_nothing_to_a_model_that_runs(run, add):
    with serving(good(CONTENT)) as server:
        add("tiny", server.url("tiny.onnx"))
        assert "no model" in run("models", "list", "--installed")[1]
        code, out, err = run("models", "path", "tiny")
        assert code == 1
        assert "'segtile models pull tiny' brings" in one_sentence(err)
        code, out, _ = run("models", "pull", "tiny", "--json")
        assert code == 0
        assert json.loads(out)["how"] == "fetched"
    assert "already here" in run("models", "pull", "tiny", "-q")[1]
    assert run("models", "path", "tiny")[1].strip() == str(weights_folder() / "tiny.onnx")
    code, out, _ = run("models", "verify")
    assert (code, out) == (0, "tiny: tiny.onnx is right (published sha256)\n")
    (weights_folder() / "tiny.onnx").write_bytes(CONTENT[:-1] + b"x")
    code, out, err = run("models", "verify", "tiny", "--json")
    assert code == 1
    assert "sha256" in json.loads(out)["error"]
    assert "not the file that the card of tiny names" in one_sentence(err)


def test_the_list_says_what_is_here_what_it_costs_and_what_is_allowed(run, add):
    add("free", "https://example.org/free.onnx")
    add("closed", "https://example.org/closed.onnx", commercial="no", licence="CC BY-NC 4.0")
    lines = run("models", "list")[1].splitlines()
    assert [line.split() for line in lines if " closed " in line] == [
        ["closed", "no", "0.1", "MB", "CC", "BY-NC", "4.0", "NO", "(to", "be", "accepted", "once)"]
    ]
    assert [line.split() for line in lines if " free " in line] == [["free", "no", "0.1", "MB", "MIT", "yes"]]
    rows = [json.loads(line) for line in run("models", "list", "--json")[1].splitlines()]
    assert [(row["id"], row["installed"], row["commercial"], row["licence_accepted"]) for row in rows] == [
        ("closed", "no", "no", False),
        ("free", "no", "yes", None),
    ]
    out = run("models", "info", "closed")[1]
    assert "CC BY-NC 4.0" in out
    assert "NO (to be accepted once)" in out
    assert json.loads(run("models", "info", "free", "--json")[1])["files"][0]["path"] is None


def test_a_closed_licence_is_accepted_once_by_flag(run, add):
    with serving(good(CONTENT)) as server:
        add("closed", server.url("closed.onnx"), commercial="no", licence="CC BY-NC 4.0")
        code, _, err = run("models", "pull", "closed")
        assert code == 1
        assert "'segtile models pull closed --accept-licence' accepts that once" in one_sentence(err)
        code, _, err = run("models", "pull", "closed", "--accept-licence")
        assert code == 0
        assert "business use is not allowed by its licence" in err
    assert "NO (accepted)" in run("models", "list")[1]


def test_of_several_models_those_that_can_be_had_are_brought(run, add):
    with serving(leads_to("http://example.org/x.onnx")) as bad, serving(good(CONTENT)) as server:
        add("wrong", bad.url("wrong.onnx"))
        add("right", server.url("right.onnx"))
        code, out, err = run("models", "pull", "wrong", "right")
    assert code == 1
    assert "right: fetched" in out
    assert "plain http is for this machine itself" in one_sentence(err)


def test_a_file_without_a_hash_comes_with_a_warning(run, add):
    with serving(good(CONTENT)) as server:
        add("tiny", server.url("tiny.onnx"), hashed=False)
        code, _, err = run("models", "pull", "tiny")
    assert code == 0
    assert "nobody published a hash of tiny.onnx" in err
    assert "sha256 as first seen" in run("models", "verify")[1]


@pytest.mark.parametrize("answer", [says(404), good(b"<html>sign in</html>"), good(b"PK\x03\x04" + bytes(40))])
def test_what_cannot_be_had_ends_in_one_sentence_and_no_file(run, add, answer):
    with serving(answer) as server:
        add("tiny", server.url("tiny.onnx"), hashed=False)
        code, _, err = run("models", "pull", "tiny", "--json")
    assert code == 1
    assert server.url("tiny.onnx") in one_sentence(err)
    assert [path.name for path in weights_folder().iterdir()] == [".partial"]


def test_unknown_models_and_no_verb_are_wrong_use(run, add):
    add("tiny", "https://example.org/tiny.onnx")
    for verb in ("pull", "info", "path", "verify"):
        code, _, err = run("models", verb, "nosuch")
        assert code == 1
        assert "no model named 'nosuch'; it has tiny" in one_sentence(err)
    code, _, err = run("models")
    assert code == 2
    assert "verify" in err


def test_what_comes_with_segtile_needs_no_network(run, home, monkeypatch):
    monkeypatch.setenv("SEGTILE_OFFLINE", "1")
    code, out, _ = run("models", "pull", "jewels")
    assert code == 0
    assert "comes with segtile" in out


def test_a_run_with_a_model_that_is_not_there_says_what_brings_it(run, home, data_samples, tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    code, _, err = run("cutout", data_samples / "ring.jpg", "-o", tmp_path / "out", "--coarse", "u2netp", "-q")
    assert code == 1
    assert "'segtile models pull u2netp' brings them (5 MB)" in one_sentence(err)
