"""Downloads from a server that truncates, stalls, redirects, lies and changes its mind."""

import dataclasses
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import CONTENT, cut, cut_rest, drip, endless, good, leads_to, says, serving, stall, tag_of

from segtile.catalog import weights_folder
from segtile.catalog.download import Patience
from segtile.catalog.pull import pull
from segtile.errors import ModelError, SegtileError, WriteError

HASTY = Patience(connect=2, read=0.3, tries=3, pause=0.01, window=0.3, slowest=500)
OTHER = bytes(reversed(CONTENT))


def fetched(card, **options):
    (one,) = pull(card, patience=HASTY, **options)
    return one.path.read_bytes()


def part(name="tiny.onnx"):
    return weights_folder() / ".partial" / name


@pytest.fixture
def old_file(home):
    """A file that is there already, and is not what the card says."""
    path = weights_folder() / "tiny.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x08 an older version")
    yield path
    assert path.read_bytes() == b"\x08 an older version"


def test_a_file_is_fetched_checked_and_named(card_at, lying_there):
    seen = []
    with serving(good(CONTENT)) as server:
        card = card_at(server.url("tiny.onnx"))
        assert fetched(card, on_progress=lambda *step: seen.append(step)) == CONTENT
        assert [one.how for one in pull(card)] == ["kept"]
        assert len(server.requests) == 1
        assert server.requests[0][1]["User-Agent"].startswith("segtile/")
    assert lying_there() == ["tiny.onnx"]
    assert seen[-1] == (len(CONTENT), len(CONTENT), "tiny.onnx")
    assert [path.name for path in part().parent.iterdir()] == ["tiny.onnx.lock"]


def test_a_truncated_download_goes_on_where_it_stopped(card_at, home):
    with serving(cut(CONTENT, 20_000), cut_rest(CONTENT, 1_000), good(CONTENT)) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT
        assert server.ranges() == [None, "bytes=20000-", "bytes=21000-"]
        assert server.requests[1][1]["If-Range"] == tag_of(CONTENT)


def test_what_is_truncated_every_time_keeps_the_old_file(card_at, old_file, lying_there):
    with serving(cut(CONTENT, 20_000), cut_rest(CONTENT, 0)) as server:
        card = card_at(server.url("tiny.onnx"))
        with pytest.raises(ModelError, match=r"ended after 20000 of 51202 bytes \(3 tries\)"):
            fetched(card)
        assert lying_there() == ["tiny.onnx"]
        assert part().stat().st_size == 20_000
        assert part().read_bytes() == CONTENT[:20_000]


def test_an_interrupted_pull_goes_on_later(card_at, lying_there):
    def stop(done, total, stage):
        if done > 10_000:
            raise KeyboardInterrupt

    with serving(stall(CONTENT, 20_000), good(CONTENT)) as server:
        card = card_at(server.url("tiny.onnx"))
        with pytest.raises(KeyboardInterrupt):
            fetched(card, on_progress=stop)
        assert lying_there() == []
        assert fetched(card) == CONTENT
        first = int(server.ranges()[1].removeprefix("bytes=").rstrip("-"))
        assert 10_000 < first <= 20_000


def test_a_server_that_stalls_is_left_and_asked_again(card_at, home):
    with serving(stall(CONTENT, 20_000), good(CONTENT)) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT
        assert server.ranges() == [None, "bytes=20000-"]


def test_a_server_that_always_stalls_is_given_up(card_at, old_file):
    with serving(stall(CONTENT, 100)) as server, pytest.raises(ModelError, match=r"stopped answering \(3 tries\)"):
        fetched(card_at(server.url("tiny.onnx")))


def test_a_server_that_drips_counts_as_stalled(card_at, old_file):
    with serving(drip(CONTENT, 0.05)) as server, pytest.raises(ModelError, match="less than 500 bytes a second"):
        fetched(card_at(server.url("tiny.onnx")))


def test_a_redirect_within_this_machine_is_followed(card_at, home):
    with serving(good(CONTENT)) as target, serving(leads_to(target.url("there.onnx"))) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT
        assert [path for path, _ in target.requests] == ["/there.onnx"]


@pytest.mark.parametrize(
    ("place", "says_what"),
    [
        ("ftp://example.org/x.onnx", "https alone"),
        ("file:///etc/passwd", "https alone"),
        ("http://example.org/x.onnx", "plain http is for this machine"),
        ("https://user:word@example.org/x.onnx", "password"),
        ("http://[::bad/x.onnx", "no address"),
        ("https:///x.onnx", "https alone"),
    ],
)
def test_a_redirect_to_a_forbidden_address_is_refused(card_at, old_file, place, says_what):
    with serving(leads_to(place)) as server, pytest.raises(ModelError, match=says_what):
        fetched(card_at(server.url("tiny.onnx")))
    assert len(server.requests) == 1


def test_a_redirect_in_a_circle_ends(card_at, old_file):
    with serving(leads_to("/tiny.onnx")) as server, pytest.raises(ModelError, match="redirects more than 10 times"):
        fetched(card_at(server.url("tiny.onnx")))


def test_a_length_that_is_too_long_is_a_truncation(card_at, old_file):
    lie = cut(CONTENT, len(CONTENT), length=len(CONTENT) + 500)
    with serving(lie) as server, pytest.raises(ModelError, match=r"has 51702 bytes, it should have 51202"):
        fetched(card_at(server.url("tiny.onnx")))
    with serving(lie) as server, pytest.raises(ModelError, match="3 tries"):
        fetched(card_at(server.url("other.onnx"), bytes=None))


def test_a_length_that_is_too_short_leaves_a_file_that_is_refused(card_at, old_file):
    lie = cut(CONTENT, len(CONTENT), length=len(CONTENT) - 500)
    with serving(lie) as server, pytest.raises(ModelError, match=r"has 50702 bytes, it should have 51202"):
        fetched(card_at(server.url("tiny.onnx")))
    with serving(lie) as server, pytest.raises(ModelError, match="not the file that the card of tiny names"):
        fetched(card_at(server.url("tiny.onnx"), bytes=None))
    assert not part().exists()


def test_a_length_beyond_all_measure_is_refused_at_once(card_at, old_file):
    with serving(says(200, CONTENT[:100], Content_Length=10**12)) as server, pytest.raises(ModelError, match="at most"):
        fetched(card_at(server.url("tiny.onnx"), bytes=None))


@pytest.mark.parametrize("length", ["9" * 5000, "many", "-5", "1, 2"])
def test_a_length_that_is_no_number_ends_in_a_sentence(card_at, old_file, length):
    with serving(says(200, CONTENT[:100], Content_Length=length)) as server, pytest.raises(ModelError) as error:
        fetched(card_at(server.url("tiny.onnx")))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_an_endless_body_is_stopped(card_at, old_file):
    with serving(endless) as server, pytest.raises(ModelError, match="more than 51202 bytes"):
        fetched(card_at(server.url("tiny.onnx")))
    assert not part().exists()


def test_a_redirect_with_an_endless_body_is_not_read(card_at, home):
    def answer(request):
        request.start(302, Location="/elsewhere")
        while not request.server.stopped.is_set():
            request.wfile.write(bytes(65536))

    with serving(answer, good(CONTENT)) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT


def test_a_body_without_a_length_needs_a_hash_that_shows_whether_it_is_whole(card_at, home):
    def chunked(request):
        request.start(200, Transfer_Encoding="chunked")
        request.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT), CONTENT))

    with serving(chunked) as server:
        with pytest.raises(ModelError, match="does not say how long the file is"):
            fetched(card_at(server.url("tiny.onnx"), sha256="", bytes=None))
        assert fetched(card_at(server.url("other.onnx"), name="other.onnx", bytes=None)) == CONTENT


def test_wrong_bytes_of_the_right_length_are_refused(card_at, old_file):
    with serving(good(OTHER)) as server, pytest.raises(ModelError, match=r"what came is not the file.*sha256"):
        fetched(card_at(server.url("tiny.onnx")))
    assert not part().exists()


def test_a_packed_body_is_refused(card_at, old_file):
    with serving(says(200, CONTENT, Content_Encoding="gzip")) as server, pytest.raises(ModelError, match="packed"):
        fetched(card_at(server.url("tiny.onnx")))


def test_a_server_without_ranges_is_fetched_from_the_beginning(card_at, home):
    with serving(cut(CONTENT, 20_000), good(CONTENT, ranges=False)) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT
        assert server.ranges() == [None, "bytes=20000-"]


def test_without_a_validator_nothing_is_gone_on_with(card_at, home):
    with serving(cut(CONTENT, 20_000, tag=""), good(CONTENT)) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT
        assert server.ranges() == [None, None]


def test_a_weak_validator_does_not_count(card_at, home):
    with serving(cut(CONTENT, 20_000, tag='W/"1"'), good(CONTENT)) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT
        assert server.ranges() == [None, None]


def test_a_file_that_changed_before_the_rest_was_asked_for_starts_over(card_at, home):
    with serving(cut(OTHER, 20_000), good(CONTENT)) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT
        assert server.requests[1][1]["If-Range"] == tag_of(OTHER)


def test_the_rest_of_another_file_is_not_put_behind_the_beginning_of_this_one(card_at, home):
    with serving(cut(OTHER, 20_000), cut_rest(CONTENT, len(CONTENT)), good(CONTENT)) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT
        assert server.ranges() == [None, "bytes=20000-", None]


def test_a_mix_that_no_validator_shows_is_refused_and_not_gone_on_with(card_at, old_file):
    rest = says(206, CONTENT[20_000:], Content_Range=f"bytes 20000-{len(CONTENT) - 1}/{len(CONTENT)}")
    with serving(cut(OTHER, 20_000), rest, good(CONTENT)) as server:
        with pytest.raises(ModelError, match="what came is not the file"):
            fetched(card_at(server.url("tiny.onnx")))
        assert not part().exists()


@pytest.mark.parametrize(
    "span", ["bytes 0-9/51202", "bytes 20000-51201/99999", "lines 1-2", "bytes 20000-*/51202", None]
)
def test_a_rest_from_elsewhere_starts_over(card_at, home, span):
    rest = says(206, CONTENT[20_000:], **({"Content_Range": span} if span else {}))
    with serving(cut(CONTENT, 20_000), rest, good(CONTENT)) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT
        assert server.ranges() == [None, "bytes=20000-", None]


def test_a_range_that_cannot_be_satisfied_starts_over(card_at, home):
    with serving(cut(CONTENT, 20_000), says(416), good(CONTENT)) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT


def test_a_busy_server_is_asked_again(card_at, home):
    with serving(says(503, Retry_After=0), says(429, Retry_After="soon"), good(CONTENT)) as server:
        assert fetched(card_at(server.url("tiny.onnx"))) == CONTENT


def test_the_next_address_is_tried_and_all_are_named(card_at, old_file):
    with serving(says(404)) as gone, serving(good(OTHER)) as wrong, serving(good(CONTENT)) as right:
        card = card_at(gone.url("a.onnx"), wrong.url("b.onnx"))
        with pytest.raises(ModelError, match=r"a\.onnx: the server answers 404.*b\.onnx: what came is not") as error:
            fetched(card)
        assert "\n" not in str(error.value)
        elsewhere = dataclasses.replace(card.files[0], urls=(*card.files[0].urls, right.url("c")), name="second.onnx")
        assert fetched(dataclasses.replace(card, files=(elsewhere,))) == CONTENT


def test_a_server_that_is_not_there_is_said_so(card_at, old_file):
    with serving(good(CONTENT)) as server:
        url = server.url("tiny.onnx")
    with pytest.raises(ModelError, match=r"the connection failed: .*refused.* \(3 tries\)"):
        fetched(card_at(url))


@pytest.mark.parametrize(
    ("content", "name", "what"),
    [
        (b"\x80\x04\x95" + bytes(99), "tiny.onnx", "a pickle, which could run code"),
        (b"cposix\nsystem\n(S'true'\ntR.", "tiny.onnx", "a pickle, which could run code"),
        (b"PK\x03\x04" + bytes(99), "tiny.onnx", "a zip archive"),
        (b"<!DOCTYPE html><title>Sign in</title>", "tiny.onnx", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "tiny.pth", "a Git LFS pointer"),
        (b"\x1f\x8b\x08" + bytes(99), "tiny.pth", "a packed file"),
        (b"", "tiny.onnx", "empty"),
    ],
)
def test_what_is_no_graph_is_refused_by_name_even_without_a_hash(card_at, home, lying_there, content, name, what):
    with serving(good(content)) as server, pytest.raises(ModelError, match=rf"{name} is {what}"):
        fetched(card_at(server.url(name), name=name, sha256="", bytes=None))
    assert lying_there() == []
    assert not part(name).exists()


def test_a_checkpoint_may_be_an_archive(card_at, home):
    content = b"PK\x03\x04" + bytes(99)
    with serving(good(content)) as server:
        assert fetched(card_at(server.url("tiny.pth"), name="tiny.pth", sha256="", bytes=None)) == content


@pytest.mark.parametrize(
    ("kind", "right"),
    [
        # of the same bytes, by md5sum and git hash-object
        ("md5", "bd4d2f3199b637b429ce1d868508e49c"),
        ("git_blob", "65facea0b19d9affe1ca0cc725b4009456250c96"),
    ],
)
def test_other_published_digests_are_checked_too(card_at, home, kind, right):
    with serving(good(CONTENT)) as server:
        with pytest.raises(ModelError, match=f"its {kind} is {right}"):
            fetched(card_at(server.url("tiny.onnx"), sha256="", **{kind: right[::-1]}))
        assert fetched(card_at(server.url("tiny.onnx"), sha256="", **{kind: right})) == CONTENT


def test_two_pulls_of_one_file_fetch_it_once(card_at, home):
    told, results = threading.Event(), []

    def slow(request):
        told.wait(10)
        good(CONTENT)(request)

    with serving(slow) as server:
        card = card_at(server.url("tiny.onnx"))

        def waits(done, total, stage):
            if "waiting" in stage:
                told.set()

        threads = [threading.Thread(target=lambda: results.extend(pull(card, on_progress=waits))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(server.requests) == 1
    assert sorted(one.how for one in results) == ["fetched", "kept"]


def test_a_full_disk_and_a_folder_that_is_none_are_said_so(card_at, home, monkeypatch):
    with serving(good(CONTENT)) as server:
        card = card_at(server.url("tiny.onnx"))
        with monkeypatch.context() as patch:
            patch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
            with pytest.raises(WriteError, match="0 MB free"):
                fetched(card)
        home.mkdir(exist_ok=True)
        (home / "weights").rename(home / "elsewhere")
        (home / "weights").write_text("a file")
        with pytest.raises(WriteError, match="cannot be written"):
            fetched(card)
        assert not server.requests


TRICKS = {
    "cut": lambda at: cut(CONTENT, at),
    "cut of another": lambda at: cut(OTHER, at),
    "rest": lambda at: says(
        206,
        CONTENT[at:],
        Content_Range=f"bytes {at}-{len(CONTENT) - 1}/{len(CONTENT)}",
        ETag=tag_of(CONTENT),
    ),
    "rest of another, unnamed": lambda at: says(
        206, OTHER[at:], Content_Range=f"bytes {at}-{len(CONTENT) - 1}/{len(CONTENT)}"
    ),
    "whole of another": lambda _: good(OTHER, ranges=False),
    "no ranges": lambda at: cut(CONTENT, at),
    "busy": lambda _: says(503),
    "gone": lambda _: says(404),
    "unsatisfied": lambda _: says(416),
}


@given(tricks=st.lists(st.tuples(st.sampled_from(sorted(TRICKS)), st.sampled_from([0, 1, 20_000, 51_201])), max_size=6))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_server_does_a_name_is_given_to_the_right_content_alone(card_at, monkeypatch, tricks):
    monkeypatch.setenv("NO_PROXY", "*")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(*(TRICKS[n](at) for n, at in tricks), good(CONTENT)) as server,
    ):
        monkeypatch.setenv("SEGTILE_HOME", folder)
        card, target = card_at(server.url("tiny.onnx"), bytes=None), Path(folder, "weights", "tiny.onnx")
        for _ in range(len(tricks) + 1):
            try:
                fetched(card)
                break
            except SegtileError:
                assert not target.exists()
        assert target.read_bytes() == CONTENT
