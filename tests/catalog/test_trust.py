"""Files without a published hash, licences that are to be accepted, no network, and folders to copy from."""

import dataclasses
import json

import pytest
from loopback import CONTENT, good, serving

from segtile.catalog import accept, accepted, data_folder, find_weights, load_card, weights_folder
from segtile.catalog.pull import offline, pull
from segtile.errors import LicenceError, ModelError, ReadError

OTHER = b"\x08\x08 another file of the same name"


@pytest.fixture
def unpinned(card_at):
    return lambda *urls: card_at(*urls, sha256="", bytes=None)


@pytest.fixture
def closed(card_at):
    def make(*urls, **changes):
        licence = {"commercial": "no", "weights_licence": "CC BY-NC 4.0", "auto": 0}
        return dataclasses.replace(card_at(*urls, **changes), **licence)

    return make


def test_a_file_without_a_published_hash_is_trusted_once(home, unpinned):
    with serving(good(CONTENT), good(OTHER)) as server:
        card = unpinned(server.url("tiny.onnx"))
        (one,) = pull(card)
        assert one.trusted_first
        row = json.loads((data_folder() / "weights.lock.json").read_text())["tiny.onnx"]
        assert row["model"] == "tiny"
        assert row["bytes"] == len(CONTENT)
        assert row["from"] == server.url("tiny.onnx")
        assert [again.trusted_first for again in pull(card)] == [False]
        assert find_weights(card) == [one.path]
        one.path.unlink()
        with pytest.raises(ModelError, match=r"not the file that was trusted as tiny\.onnx.*weights\.lock\.json"):
            pull(card)
        assert not one.path.exists()


def test_a_file_that_was_put_there_is_trusted_when_it_is_first_used(home, unpinned):
    path = weights_folder() / "tiny.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    card = unpinned("https://example.org/tiny.onnx")
    assert find_weights(card) == [path]
    path.write_bytes(OTHER)
    with pytest.raises(ModelError, match="segtile models pull tiny"):
        find_weights(card)


@pytest.mark.parametrize("damage", ["{", "[]", '{"tiny.onnx": 3}', "[" * 100_000, "\0"])
def test_a_damaged_lock_file_is_said_so_and_nothing_is_trusted(home, unpinned, damage):
    with serving(good(CONTENT)) as server:
        card = unpinned(server.url("tiny.onnx"))
        pull(card)
        (data_folder() / "weights.lock.json").write_text(damage)
        with pytest.raises(ReadError, match=r"weights\.lock\.json.*mend or remove"):
            find_weights(card)


def test_a_licence_without_business_use_is_refused_until_it_is_accepted(home, closed):
    with serving(good(CONTENT)) as server:
        card = closed(server.url("tiny.onnx"))
        with pytest.raises(LicenceError, match=r"CC BY-NC 4\.0.*no commercial use.*pull tiny --accept-licence"):
            pull(card)
        assert not server.requests
        (one,) = pull(card, accept_licence=True)
        assert find_weights(card) == [one.path]
        other = dataclasses.replace(card, weights_licence="another, CC BY-NC-ND 4.0")
        with pytest.raises(LicenceError, match="BY-NC-ND"):
            find_weights(other)


def test_weights_that_lie_there_do_not_run_without_the_licence(home, closed):
    card = closed("https://example.org/tiny.onnx")
    with pytest.raises(ModelError, match=r"not installed.*--accept-licence' brings them.*CC BY-NC"):
        find_weights(card)
    weights_folder().mkdir(parents=True)
    (weights_folder() / "tiny.onnx").write_bytes(CONTENT)
    with pytest.raises(PermissionError, match="--accept-licence"):
        find_weights(card)
    accept(card)
    assert accepted(card)
    assert find_weights(card)


def test_what_is_free_needs_no_acceptance(home):
    assert accepted(load_card("u2netp"))
    assert not accepted(load_card("zim-vit-b"))


def test_a_pickle_under_a_graphs_name_does_not_run(home, unpinned):
    weights_folder().mkdir(parents=True)
    (weights_folder() / "tiny.onnx").write_bytes(b"\x80\x04\x8c\x05posix\x8c\x06system\x93.")
    with pytest.raises(ModelError, match=r"tiny\.onnx is a pickle, which could run code.*not opened"):
        find_weights(unpinned("https://example.org/tiny.onnx"))


@pytest.mark.parametrize(
    ("value", "is_offline"), [("1", True), ("yes", True), ("0", False), ("", False), ("no", False)]
)
def test_offline_means_that_nothing_is_asked_for(home, card_at, monkeypatch, value, is_offline):
    monkeypatch.setenv("SEGTILE_OFFLINE", value)
    assert offline() == is_offline
    with serving(good(CONTENT)) as server:
        card = card_at(server.url("tiny.onnx"))
        if is_offline:
            with pytest.raises(ModelError, match=r"SEGTILE_OFFLINE.*segtile models pull tiny --from FOLDER"):
                pull(card)
        else:
            pull(card)
        assert bool(server.requests) != is_offline


@pytest.mark.parametrize("place", ["tiny.onnx", "tiny/tiny.onnx", "published name.onnx", "tiny/published name.onnx"])
def test_a_folder_gives_what_the_network_does_not(home, card_at, tmp_path, monkeypatch, place):
    monkeypatch.setenv("SEGTILE_OFFLINE", "1")
    source = tmp_path / "usb"
    (source / place).parent.mkdir(parents=True)
    (source / place).write_bytes(CONTENT)
    card = card_at("https://example.org/a/published%20name.onnx?download=true")
    (one,) = pull(card, source=source)
    assert one.how == "copied"
    assert one.path.read_bytes() == CONTENT


def test_a_folder_with_a_wrong_file_changes_nothing(home, card_at, tmp_path):
    source, target = tmp_path / "usb", weights_folder() / "tiny.onnx"
    source.mkdir()
    target.parent.mkdir(parents=True)
    target.write_bytes(b"\x08 old")
    card = card_at("https://example.org/tiny.onnx")
    with pytest.raises(ReadError, match=r"usb has no tiny\.onnx"):
        pull(card, source=source)
    with pytest.raises(ReadError, match="no folder"):
        pull(card, source=source / "nosuch")
    for content, what in ((OTHER, "has 32 bytes"), (CONTENT[::-1], "sha256"), (CONTENT + b"x", "at most")):
        (source / "tiny.onnx").write_bytes(content)
        with pytest.raises(ModelError, match=rf"usb/tiny\.onnx.*{what}"):
            pull(card, source=source)
    assert target.read_bytes() == b"\x08 old"
    assert sorted(path.name for path in (target.parent / ".partial").iterdir()) == ["tiny.onnx.lock"]
