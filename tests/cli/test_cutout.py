"""The main job from the command line: what comes out, what is said, and that nothing half-written stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

#: Where files and words are what is tested, not edges: the passes that take a tenth of the networks' time.
QUICK = ("--coarse", "studio", "--refine", "matting")


@pytest.fixture
def photo(tmp_path, ring_scene):
    path = tmp_path / "in" / "ring.png"
    path.parent.mkdir()
    Image.fromarray(ring_scene[0]).save(path, dpi=(300, 300))
    return path


def left_behind(folder):
    """Everything in a folder but whole results and the manifest."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name != "manifest.jsonl")


def one_sentence(err, *says):
    lines = [line for line in err.splitlines() if line.startswith("segtile: error: ")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    for word in says:
        assert word in lines[0]
    return lines[0]


def test_a_ring_is_cut_out_and_its_hole_stays_open(run, photo, tmp_path, ring_scene):
    code, out, err = run("cutout", photo, "-o", tmp_path / "out")
    assert code == 0, err
    assert "ring.png" in out
    for stage in ("coarse", "plan", "refine", "write", "peak"):
        assert stage in out
    image = Image.open(tmp_path / "out" / "ring.png")
    assert image.mode == "RGBA"
    assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    rgba = np.asarray(image)
    picture, alpha = ring_scene
    assert np.abs(rgba[..., 3] / 255 - alpha).mean() < 0.002
    assert rgba[350, 450, 3] == 0, "the hole"
    solid = rgba[..., 3] == 255
    assert solid.sum() > 0.9 * alpha.sum()
    np.testing.assert_array_equal(rgba[..., :3][solid], picture[solid])


def test_json_is_one_line_a_picture_and_nothing_else(run, photo, tmp_path):
    code, out, _ = run("cutout", photo, "-o", tmp_path / "out", "--json", "-q", *QUICK)
    assert code == 0
    (row,) = [json.loads(line) for line in out.splitlines()]
    assert row["input"] == str(photo)
    assert row["output"] == str(tmp_path / "out" / "ring.png")
    assert row["size"] == [900, 700]
    assert set(row["tiles"]) == {"planned", "refined", "uniform"}
    assert {"coarse", "plan", "refine", "write", "total"} <= set(row["seconds"])
    assert row["error"] is None
    manifest = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert manifest == [row]


def test_mask_alone(run, photo, tmp_path, ring_scene):
    code, _, err = run("mask", photo, "-o", tmp_path / "out", "--bits", "16", *QUICK)
    assert code == 0, err
    mask = np.asarray(Image.open(tmp_path / "out" / "ring.png"))
    assert mask.ndim == 2
    assert np.abs(mask.astype(float) / 65535 - ring_scene[1]).mean() < 0.002


def test_crop_and_background(run, photo, tmp_path):
    code, _, err = run("cutout", photo, "-o", tmp_path / "out", "--crop", "10", "--background", "#102030", *QUICK)
    assert code == 0, err
    image = Image.open(tmp_path / "out" / "ring.png")
    assert image.mode == "RGB"
    assert abs(image.width - (460 + 20)) <= 4
    assert abs(image.height - (460 + 20)) <= 4
    assert image.getpixel((0, 0)) == (0x10, 0x20, 0x30)


def test_names_with_spaces_and_other_letters(run, photo, tmp_path):
    odd = photo.with_name("Ohrring Größe 7 - 戒指.png")
    photo.rename(odd)
    code, _, err = run("cutout", odd, "-o", tmp_path / "aus gabe é", *QUICK)
    assert code == 0, err
    assert (tmp_path / "aus gabe é" / odd.name).stat().st_size > 1000


def test_a_folder_keeps_its_tree(run, photo, tmp_path):
    deeper = photo.parent / "a" / "b"
    deeper.mkdir(parents=True)
    (deeper / "ring.png").write_bytes(photo.read_bytes())
    (photo.parent / "notes.txt").write_text("not a picture")
    code, out, err = run("cutout", photo.parent, "-o", tmp_path / "out", "-q", *QUICK)
    assert code == 0, err
    assert left_behind(tmp_path / "out") == ["ring.png", "ring.png"]
    assert (tmp_path / "out" / "a" / "b" / "ring.png").exists()
    assert len(out.splitlines()) == 2


def test_an_existing_target_is_refused_before_any_work(run, photo, tmp_path):
    target = tmp_path / "out" / "ring.png"
    target.parent.mkdir()
    target.write_bytes(b"precious")
    code, _, err = run("cutout", photo, "-o", tmp_path / "out")
    assert code == 2
    one_sentence(err, "ring.png", "--overwrite")
    assert target.read_bytes() == b"precious"
    assert left_behind(tmp_path / "out") == ["ring.png"]

    code, out, _ = run("cutout", photo, "-o", tmp_path / "out", "--skip-existing")
    assert (code, out) == (0, "")
    assert target.read_bytes() == b"precious"

    code, _, err = run("cutout", photo, "-o", tmp_path / "out", "--overwrite", *QUICK)
    assert code == 0, err
    assert Image.open(target).mode == "RGBA"


def test_two_pictures_that_would_be_one_file(run, photo, tmp_path):
    twin = photo.with_suffix(".jpg")
    Image.open(photo).save(twin)
    code, _, err = run("cutout", photo, twin, "-o", tmp_path / "out")
    assert code == 2
    one_sentence(err, "ring.jpg", "ring.png")
    assert not (tmp_path / "out").exists()


def test_output_over_the_input_is_refused(run, photo):
    before = photo.read_bytes()
    code, _, err = run("cutout", photo, "-o", photo.parent, "--overwrite")
    assert code == 2
    one_sentence(err, "ring.png")
    assert photo.read_bytes() == before


def broken_jpeg(path):
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (600, 800, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BROKEN = {
    "truncated.jpg": broken_jpeg,
    "empty.png": lambda path: path.write_bytes(b""),
    "text.png": lambda path: path.write_text("this is no picture\n" * 50),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_fail_alone(run, photo, tmp_path, name):
    bad = photo.with_name(name)
    BROKEN[name](bad)
    code, out, err = run("cutout", bad, photo, "-o", tmp_path / "out", "-q", "--json", *QUICK)
    assert code == 1
    one_sentence(err, name)
    rows = [json.loads(line) for line in out.splitlines()]
    assert [bool(row["error"]) for row in rows] == [True, False]
    assert left_behind(tmp_path / "out") == ["ring.png"]


@pytest.mark.parametrize(
    ("name", "pixels"),
    [("one.png", np.full((1, 1, 3), 200, np.uint8)), ("nothing.png", np.full((300, 400, 3), 240, np.uint8))],
)
def test_pictures_with_nothing_in_them(run, tmp_path, name, pixels):
    path = tmp_path / name
    Image.fromarray(pixels).save(path)
    code, _, err = run("cutout", path, "-o", tmp_path / "out", "-q")
    assert code == 1
    one_sentence(err, name, "nothing found")
    assert left_behind(tmp_path / "out") == []


def test_a_picture_that_is_all_object(run, tmp_path):
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)
    path = tmp_path / "texture.png"
    Image.fromarray(np.kron(coarse, np.ones((10, 10, 1), np.uint8))).save(path)
    code, _, err = run("cutout", path, "-o", tmp_path / "out", "--coarse", "studio", "-q")
    assert code == 0, err
    assert "warning" in err
    assert "background" in err
    alpha = np.asarray(Image.open(tmp_path / "out" / "texture.png"))[..., 3]
    assert (alpha == 255).mean() > 0.95


def test_missing_inputs(run, tmp_path):
    code, _, err = run("cutout", tmp_path / "none.jpg", "-o", tmp_path / "out")
    assert code == 1
    one_sentence(err, "none.jpg")
    (tmp_path / "bare").mkdir()
    code, _, err = run("cutout", tmp_path / "bare", "-o", tmp_path / "out")
    assert code == 1
    one_sentence(err, "bare", "no picture")


def test_a_folder_that_cannot_be_made(run, photo, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, _, err = run("cutout", photo, "-o", tmp_path / "file" / "out")
    assert code == 1
    one_sentence(err, "output folder")


def test_a_read_only_output_folder(run, photo, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o555)
    try:
        if os.access(out, os.W_OK) and os.geteuid() == 0:
            pytest.skip("root may write everywhere; test_a_folder_that_cannot_be_made covers the message")
        code, _, err = run("cutout", photo, "-o", out)
        assert code == 1
        one_sentence(err, str(out))
    finally:
        out.chmod(0o755)
    assert left_behind(out) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cutout", "x.png"], "--output"),
        (["cutout", "-o", "out"], "PHOTO"),
        (["cutout", "x.png", "-o", "out", "--tile", "3"], "tile"),
        (["cutout", "x.png", "-o", "out", "--background", "mauve"], "mauve"),
        (["cutout", "x.png", "-o", "out", "--bits", "12"], "12"),
        (["cutout", "x.png", "-o", "out", "--overwrite", "--skip-existing"], "--skip-existing"),
        (["cutt"], "cutt"),
    ],
)
def test_wrong_use(run, arguments, says):
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    one_sentence(err, says)


def test_unknown_passes_are_named(run, photo, tmp_path):
    for option, value in (("--coarse", "no-such-model"), ("--refine", "no-such-refiner")):
        code, _, err = run("cutout", photo, "-o", tmp_path / "out", option, value)
        assert code == 1
        one_sentence(err, value)
        assert left_behind(tmp_path / "out") == []


def test_help_of_every_verb_fits_a_screen_and_ends_with_examples(run):
    for verb in ("cutout", "mask", "grid", "info"):
        code, out, _ = run(verb, "--help")
        assert code == 0
        assert len(out.splitlines()) <= 45
        assert out.rstrip().splitlines()[-1].strip().startswith(f"segtile {verb}")


def test_interrupting_leaves_nothing_half_written(photo, tmp_path):
    big = photo.with_name("big.png")
    Image.open(photo).resize((4500, 3500), Image.Resampling.BICUBIC).save(big, compress_level=1)
    process = subprocess.Popen(
        [sys.executable, "-m", "segtile", "cutout", str(big), "-o", str(tmp_path / "out")],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()  # the first stage is over: the work has begun
    assert "read" in line
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    one_sentence(err, "interrupted")
    assert left_behind(tmp_path / "out") == []
