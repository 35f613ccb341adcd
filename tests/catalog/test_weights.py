import dataclasses
import hashlib

import pytest

from segtile.catalog import find_weights, installed, load_card, weights_folder
from segtile.errors import ModelError


def card_for(content: bytes):
    card = load_card("u2netp")
    file = dataclasses.replace(card.files[0], sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    return dataclasses.replace(card, files=(file,))


def test_weights_are_found_and_checked(home):
    card = card_for(b"weights")
    assert not installed(card)
    weights_folder().mkdir(parents=True)
    (weights_folder() / "u2netp.onnx").write_bytes(b"weights")
    assert installed(card)
    assert find_weights(card) == [weights_folder() / "u2netp.onnx"]


def test_missing_weights_say_what_belongs_where(home):
    card = load_card("u2netp")
    with pytest.raises(ModelError) as error:
        find_weights(card)
    for part in ("segtile models pull u2netp", "u2netp.onnx", "5 MB"):
        assert part in str(error.value)


def test_wrong_weights_are_refused_even_after_right_ones(home):
    card = card_for(b"weights")
    path = weights_folder() / "u2netp.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    find_weights(card)
    path.write_bytes(b"wrights")
    with pytest.raises(ModelError, match="sha256"):
        find_weights(card)


def test_without_a_home_the_platforms_cache_folder_is_used(monkeypatch):
    monkeypatch.delenv("SEGTILE_HOME", raising=False)
    assert weights_folder().name == "weights"
    assert "segtile" in str(weights_folder())
