"""What runs a checkpoint of SAM, MobileSAM or SAM-HQ where torch or a package of theirs is not installed."""

import dataclasses
import hashlib
import importlib.machinery
import importlib.util

import numpy as np
import pytest
from prompt_graphs import make_pair

from segtile.backends import open_promptable as opening
from segtile.backends.open_promptable import export_folder, open_promptable
from segtile.backends.promptable import Prompt
from segtile.backends.sam_export import DECODER, ENCODER, FAMILY_KEY, SOURCE_KEY
from segtile.backends.sam_onnx import OnnxPromptable
from segtile.catalog import load_card, weights_folder
from segtile.errors import ModelError

#: Cards whose weights are checkpoints, and the packages that run them.
NEEDS = {
    "sam-vit-b": ("torch", "segment_anything"),
    "mobile-sam": ("torch", "segment_anything", "segment_anything_hq", "timm"),
    "sam-hq-tiny": ("torch", "segment_anything_hq", "timm"),
}
CHECKPOINT = b"what the graphs were made from"
SHA256 = hashlib.sha256(CHECKPOINT).hexdigest()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path / "home"))
    weights_folder().mkdir(parents=True)


@pytest.fixture
def lacking(monkeypatch):
    """Makes packages missing; the others that checkpoints need are there."""
    real = importlib.util.find_spec
    known = {package for needed in NEEDS.values() for package in needed}

    def hide(*packages):
        def find(name, *rest):
            if name not in known:
                return real(name, *rest)
            return None if name in packages else importlib.machinery.ModuleSpec(name, None)

        monkeypatch.setattr(opening.importlib.util, "find_spec", find)

    return hide


def small(name, sha256=""):
    """A card at a side that graphs of a test can have, of a file with that hash or none."""
    card = load_card(name)
    file = dataclasses.replace(card.files[0], sha256=sha256, git_blob="", bytes=None)
    return dataclasses.replace(card, files=(file,), size=(256, 256))


def export(card, folder, source=SHA256, family=None):
    """Graphs of the card's family where its export belongs, that say whose weights they hold."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra 'dev')")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    _, paths = make_pair(onnx, folder, card.family, 256)
    export_folder(card).mkdir(exist_ok=True)
    for path, name in zip(paths, (ENCODER, DECODER), strict=True):
        graph = onnx.load(str(path))
        for key, value in ((SOURCE_KEY, source), (FAMILY_KEY, family or card.family)):
            graph.metadata_props.add(key=key, value=value)
        onnx.save_model(graph, str(export_folder(card) / name))


@pytest.mark.parametrize("name", NEEDS)
def test_without_packages_and_graphs_the_way_out_is_said(lacking, name):
    lacking(*NEEDS[name])
    with pytest.raises(ModelError, match=f"'segtile models export {name}' makes them where") as caught:
        open_promptable(load_card(name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NEEDS)
def test_with_packages_and_nothing_else_the_checkpoint_is_asked_for(lacking, name):
    lacking()
    with pytest.raises(ModelError, match=f"models pull {name}"):
        open_promptable(load_card(name))


@pytest.mark.parametrize(("name", "package"), [(name, p) for name, needed in NEEDS.items() for p in needed])
def test_without_one_package_the_export_runs_and_says_which(lacking, tmp_path, name, package):
    card = small(name, SHA256)
    export(card, tmp_path / "made")
    (weights_folder() / card.files[0].name).write_bytes(CHECKPOINT)
    lacking(package)
    network, note = open_promptable(card, "cpu", 1)
    assert isinstance(network, OnnxPromptable)
    assert "ONNX export of its checkpoint" in note
    assert f": {package} not installed (pip install segtile[torch])" in note
    (answer,) = network.answer(network.embed(np.zeros((50, 60, 3), np.float32)), [Prompt(box=(5.0, 5.0, 30.0, 30.0))])
    assert answer.logits.shape == (1 if card.family == "sam-hq" else 4, 64, 64)


@pytest.mark.parametrize("name", NEEDS)
def test_an_export_alone_runs_with_its_checkpoint_nowhere(lacking, tmp_path, name):
    card = small(name)
    export(card, tmp_path / "made")
    lacking()
    assert "its checkpoint is not installed" in open_promptable(card, "cpu", 1)[1]


@pytest.mark.parametrize("name", NEEDS)
def test_graphs_of_other_weights_and_of_another_family_are_refused(lacking, tmp_path, name):
    lacking(*NEEDS[name])
    card = small(name, SHA256)
    export(card, tmp_path / "made", hashlib.sha256(b"other weights").hexdigest())
    with pytest.raises(ModelError, match="not made from the checkpoint"):
        open_promptable(card, "cpu", 1)
    export(card, tmp_path / "made", family="sam" if card.family != "sam" else "mobile-sam")
    with pytest.raises(ModelError, match="not made from the checkpoint"):
        open_promptable(card, "cpu", 1)
    export(card, tmp_path / "made")
    assert isinstance(open_promptable(card, "cpu", 1)[0], OnnxPromptable)


def test_licences_are_what_they_were(lacking, tmp_path, run):
    """SAM-HQ's weights are open, the terms of its data are not: that is said, and nothing has to be accepted."""
    assert [load_card(name).commercial for name in NEEDS] == ["yes", "yes", "unclear"]
    card = small("sam-hq-tiny")
    export(card, tmp_path / "made")
    lacking(*NEEDS["sam-hq-tiny"])
    assert isinstance(open_promptable(card, "cpu", 1)[0], OnnxPromptable)
    code, out, _ = run("models", "info", "sam-hq-tiny")
    assert code == 0
    assert "unclear" in out
    assert "HQSeg-44K" in out


@pytest.mark.parametrize("name", ["sam2.1-tiny", "sam-vit-b-int8", "u2netp"])
def test_what_is_no_checkpoint_of_theirs_is_not_exported(run, name):
    code, _, err = run("models", "export", name)
    assert code == 2
    assert f"{name} has no checkpoint of SAM, MobileSAM or SAM-HQ" in " ".join(err.split())
