from __future__ import annotations

import dataclasses
import hashlib

import pytest
from loopback import CONTENT

from segtile.catalog import ModelCard, ModelFile, load_card, weights_folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home for weights and for what is remembered, and no proxy on the way to this machine."""
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path / "über home"))
    monkeypatch.delenv("SEGTILE_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    return tmp_path / "über home"


@pytest.fixture
def card_at():
    """A card of one file, by default with the sha256 and size of CONTENT, that lies at these addresses."""

    def make(*urls: str, content: bytes = CONTENT, name: str = "tiny.onnx", **changes: object) -> ModelCard:
        digests = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        file = ModelFile(name=name, urls=urls, **{**digests, **changes})
        return dataclasses.replace(load_card("u2netp"), id="tiny", files=(file,), megabytes=None)

    return make


@pytest.fixture
def lying_there(home):
    """Names in the weights folder, those of finished files alone."""
    return lambda: sorted(path.name for path in weights_folder().iterdir() if path.name != ".partial")
