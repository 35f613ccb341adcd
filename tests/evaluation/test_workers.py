"""Workers: jobs and replies by lines; whatever a peer does wrong costs one picture and is told in one sentence."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path

import pytest

from segtile.errors import ModelError, ReadError
from segtile.evaluation.workers import Worker

PROTOCOL = Path(__file__).resolve().parents[2] / "eval" / "peers" / "protocol.py"

GOOD = f"""
import os, subprocess, sys, time
sys.path.append({str(PROTOCOL.parent)!r})
from pathlib import Path
from protocol import Refused, serve

def load():
    print("from python"); os.write(1, b"from below python\\n"); subprocess.run(["echo", "from a child"])
    time.sleep(0.3)

def work(job):
    print("working")
    photo = Path(job["photo"])
    what = photo.stem
    if what == "refused": raise Refused("it is too large for me")
    if what == "broken": raise ValueError("bad\\nvery bad")
    if what == "memory": raise MemoryError
    if what == "silent": return None
    if what == "dead": print("about to fall", file=sys.stderr); sys.stderr.flush(); os._exit(3)
    if what == "killed": os.kill(os.getpid(), 9)
    if what == "slow": Path(job["output"]).write_text("half"); time.sleep(60)
    if what == "fat": block = bytearray(200_000_000); block[::4096] = b"x" * len(block[::4096])
    time.sleep(0.05)
    text = f"{{os.getpid()}} {{photo.read_text()}} {{job.get('truth')}} {{job.get('image_id')}} {{sys.argv[1:]}}"
    def finish():
        time.sleep(0.3)
        Path(job["output"]).write_text(text)
    return finish

serve(load, work)
"""


def make_peer(folder: Path, code: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "peer.py").write_text(code)
    return folder


def photo(folder: Path, stem: str) -> Path:
    path = folder / f"{stem}.jpg"
    path.write_text(stem)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return make_peer(tmp_path / "good", GOOD)


def worker(folder: Path, *arguments: str, timeout: float = 20.0, load_timeout: float = 20.0) -> Worker:
    return Worker(folder, Path(sys.executable), arguments, timeout=timeout, load_timeout=load_timeout)


def test_jobs_go_through_one_process_and_seconds_are_the_pictures_own(good: Path, tmp_path: Path) -> None:
    with worker(good, "--model", "x y") as peer:
        assert peer.load_seconds > 0.3
        replies = [
            peer.run(photo(tmp_path, stem), tmp_path / f"{stem}.out", truth=Path("/t.png"), image_id=i)
            for i, stem in enumerate("ab")
        ]
    texts = [(tmp_path / f"{stem}.out").read_text() for stem in "ab"]
    assert [text.split()[1:4] for text in texts] == [["a", "/t.png", "0"], ["b", "/t.png", "1"]]
    assert texts[0].split()[0] == texts[1].split()[0], "a process each"
    assert "['--model', 'x y']" in texts[0]
    for reply in replies:
        assert reply.error is None
        assert 0.05 <= reply.seconds < 0.3, "neither loading nor what comes after the clock"
        assert 1 < reply.peak_rss_mb < 200


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can start the peak anew")
def test_the_peak_is_the_pictures_own(good: Path, tmp_path: Path) -> None:
    with worker(good) as peer:
        peaks = [peer.run(photo(tmp_path, stem), tmp_path / "out").peak_rss_mb for stem in ("a", "fat", "b")]
    assert peaks[1] > peaks[0] + 150
    assert peaks[2] < peaks[1] - 150


@pytest.mark.parametrize(
    ("stem", "sentence"),
    [
        ("refused", "it is too large for me"),
        ("broken", "ValueError: bad"),
        ("memory", "it ran out of memory"),
        ("silent", "good said that it was done but wrote nothing"),
        ("dead", "good died (exit code 3): "),
        ("killed", "good died (killed by SIGKILL): "),
        ("slow", "good took longer than 1 s and was stopped"),
    ],
)
def test_a_failure_costs_one_picture(good: Path, tmp_path: Path, stem: str, sentence: str) -> None:
    output = tmp_path / "out"
    output.write_text("of an earlier run")
    before = {path.name for path in tmp_path.iterdir()}
    with worker(good, timeout=1) as peer:
        began = time.monotonic()
        reply = peer.run(photo(tmp_path, stem), output)
        assert time.monotonic() - began < 10
        assert reply.error is not None
        assert reply.error.startswith(sentence)
        assert "\n" not in reply.error
        assert output.read_text() == "of an earlier run"
        assert {path.name for path in tmp_path.iterdir()} - before == {f"{stem}.jpg"}, "a half-written file is left"
        assert math.isnan(reply.seconds) == (stem in ("dead", "killed", "slow"))
        assert peer.run(photo(tmp_path, "next"), output).error is None, "the next picture gets no worker"
    assert output.read_text().split()[1] == "next"


def test_last_words_are_told(good: Path, tmp_path: Path) -> None:
    with worker(good) as peer:
        assert "about to fall" in (peer.run(photo(tmp_path, "dead"), tmp_path / "out").error or "")


LOAD = "import sys, json, time\nsay = lambda t: (sys.stdout.write(t), sys.stdout.flush())\nsys.stdin.readline()\n"
SOUND = '{"seconds": 1, "peak_rss_mb": 2, "error": null}\\n'


@pytest.mark.parametrize(
    "answer",
    [
        "nonsense\\n",
        "[]\\n",
        "{}\\n",
        '{"seconds": "x", "peak_rss_mb": 2, "error": null}\\n',
        '{"seconds": -1, "peak_rss_mb": 2, "error": null}\\n',
        '{"seconds": NaN, "peak_rss_mb": 2, "error": null}\\n',
        '{"seconds": 1, "peak_rss_mb": Infinity, "error": null}\\n',
        '{"seconds": 1, "peak_rss_mb": 2, "error": 5}\\n',
        "[" * 100_000 + "\\n",
        "x" * 3_000_000 + "\\n",
        "\\xff\\n",
    ],
    ids=range(11),
)
def test_garbage_is_no_reply(tmp_path: Path, answer: str) -> None:
    folder = make_peer(
        tmp_path / "odd", f"{LOAD}say('{SOUND}')\nsys.stdin.readline()\nsay('{answer}')\ntime.sleep(60)\n"
    )
    with worker(folder) as peer:
        error = peer.run(photo(tmp_path, "a"), tmp_path / "out").error
    assert error is not None
    assert error.startswith("odd answered with something that is no reply: '")
    assert len(error) < 500
    assert not (tmp_path / "out").exists()


def test_an_answer_before_the_question_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    folder = make_peer(tmp_path / "odd", f"{LOAD}say('{SOUND}{SOUND}')\ntime.sleep(60)\n")
    with worker(folder) as peer:
        time.sleep(0.3)
        assert "before it was asked" in (peer.run(photo(tmp_path, "a"), tmp_path / "out").error or "")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import nothing_of_this_name\n", "odd died .exit code 1.: .*No module named 'nothing_of_this_name'"),
        (f"{LOAD}time.sleep(60)", "odd took longer than 1 s and was stopped"),
        (f"{LOAD}import os; os.close(1)\ntime.sleep(60)", "odd closed its output and was stopped"),
        (
            f"{LOAD}say('{SOUND.replace('null', json_text)}')" if (json_text := '"no weights"') else "",
            "odd cannot load its model: no weights",
        ),
    ],
    ids=["import", "hangs", "closes", "refuses"],
)
def test_a_peer_that_does_not_load(tmp_path: Path, code: str, sentence: str) -> None:
    folder = make_peer(tmp_path / "odd", code)
    with pytest.raises(ModelError, match=sentence), worker(folder, load_timeout=1):
        pass


def test_a_folder_or_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"holds no peer\.py"), worker(tmp_path):
        pass
    folder = make_peer(tmp_path / "odd", "")
    with pytest.raises(ModelError, match="does not start"), Worker(folder, tmp_path / "no-python"):
        pass


@pytest.mark.skipif(os.name != "posix", reason="looks for processes by id")
def test_no_process_outlives_its_worker(tmp_path: Path) -> None:
    code = f"""{LOAD}
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
say('{SOUND}')
time.sleep(60)
"""
    with pytest.raises(KeyboardInterrupt), worker(make_peer(tmp_path / "odd", code)):
        raise KeyboardInterrupt
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while _alive(pid):
        assert time.monotonic() < deadline, "a child of the peer runs on"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")
