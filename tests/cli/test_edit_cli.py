"""`segtile edit`: what is written, what is kept, what is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtile.raster import open_raster

sys.path.insert(0, str(Path(__file__).parents[1] / "edit" / "tiled"))

from edit_graphs import save_graph

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def photo(tmp_path, ring_scene):
    path = tmp_path / "ring.png"
    Image.fromarray(ring_scene[0][100:450, 200:700]).save(path, dpi=(300, 300))
    return path


@pytest.fixture
def identity(tmp_path):
    return save_graph(tmp_path / "identity.onnx")


def pixels(path):
    with open_raster(path) as raster:
        return raster.strip(0, raster.info.height)


@pytest.mark.parametrize("blend", ["linear", "cosine", "pyramid", "cut", "poisson", "poisson-exact"])
def test_an_identity_writes_the_picture_back(run, photo, identity, tmp_path, blend):
    target = tmp_path / "made" / "out.png"
    code, out, err = run(
        "edit", photo, "-o", target, "--model", identity, "--tile", 224, "--halo", 16, "--blend", blend
    )
    assert code == 0, err
    np.testing.assert_array_equal(pixels(target), pixels(photo))
    assert "out.png" in out
    assert "warning" not in err
    assert Image.open(target).info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_json_is_one_line_and_nothing_else(run, photo, identity, tmp_path):
    code, out, err = run(
        "edit",
        photo,
        "-o",
        tmp_path / "o.tif",
        "--model",
        identity,
        "--tile",
        224,
        "--json",
        "-q",
        "--context",
        "sequential",
    )
    assert code == 0
    assert err == ""
    (row,) = [json.loads(line) for line in out.splitlines()]
    assert row["size"] == [500, 350]
    assert row["tiles"]["planned"] == row["tiles"]["run"] == row["tiles"]["uniform"] > 1
    assert {"model", "edit", "write", "seams", "total"} == set(row["seconds"])
    assert row["peak_rss_mb"] is None or row["peak_rss_mb"] > 0
    assert row["error"] is None
    assert row["seam_warning"] is None
    assert {"grad", "ramp", "grad_undisturbed", "overlap_mean", "overlap_p99", "drift"} <= set(row["seams"])


def test_an_upscaler_writes_the_larger_picture(run, photo, tmp_path):
    model = save_graph(tmp_path / "up.onnx", scale=2)
    code, _, err = run("edit", photo, "-o", tmp_path / "o.png", "--model", model, "--tile", 320, "-q")
    assert code == 0, err
    np.testing.assert_array_equal(pixels(tmp_path / "o.png"), pixels(photo).repeat(2, 0).repeat(2, 1))


def test_16_bits_profile_and_exif_are_kept(run, identity, tmp_path, data_samples):
    source = data_samples / "pearls_white.tif"
    code, _, err = run("edit", source, "-o", tmp_path / "o.tif", "--model", identity, "--tile", 512, "-q")
    assert code == 0, err
    with open_raster(source) as before, open_raster(tmp_path / "o.tif") as after:
        assert after.info.bits == 16
        assert after.info.icc == before.info.icc
        assert after.info.dpi == before.info.dpi
        assert (after.info.exif is None) == (before.info.exif is None)
        np.testing.assert_array_equal(after.strip(0, 1200), before.strip(0, 1200))


def test_transparency_is_kept_and_bits_can_be_chosen(run, photo, identity, tmp_path):
    rgba = np.dstack([np.asarray(Image.open(photo)), np.tile(np.arange(500) % 256, (350, 1)).astype(np.uint8)])
    Image.fromarray(rgba).save(photo)
    code, _, err = run(
        "edit", photo, "-o", tmp_path / "o.out", "--format", "tiff", "--bits", 16, "--model", identity, "-q"
    )
    assert code == 0, err
    with open_raster(tmp_path / "o.out") as after:
        assert after.info.bits == 16
        np.testing.assert_array_equal(after.alpha_strip(0, 350), rgba[..., 3].astype(np.uint16) * 257)
        np.testing.assert_array_equal(after.strip(0, 350), rgba[..., :3].astype(np.uint16) * 257)


def test_a_target_that_exists_is_not_touched(run, photo, identity, tmp_path):
    target = tmp_path / "o.png"
    target.write_bytes(b"precious")
    code, _, err = run("edit", photo, "-o", target, "--model", identity)
    assert code == 2
    assert "--overwrite" in err
    assert target.read_bytes() == b"precious"
    code, _, err = run("edit", photo, "-o", target, "--model", identity, "--overwrite", "-q")
    assert code == 0, err
    np.testing.assert_array_equal(pixels(target), pixels(photo))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["-o", "o.jpg"], 2, ".jpg"),
        (["-o", "o.png", "--model", "absent.onnx"], 1, "absent.onnx: no such file"),
        (["-o", "o.png", "--tile", "100"], 2, "tile of 100 px"),
        (["-o", "o.png", "--blend", "magic"], 2, "magic"),
        (["-o", "ring.png"], 2, "to be read"),
    ],
)
def test_wrong_use_is_one_sentence(run, photo, identity, tmp_path, monkeypatch, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    given = arguments if "--model" in arguments else [*arguments, "--model", identity]
    found, _, err = run("edit", photo, *given, "-q")
    assert found == code
    assert says in err
    assert "Traceback" not in err
    assert sorted(p.name for p in tmp_path.iterdir()) == before, "nothing was written"


def test_tiles_that_show_are_said_on_stderr(run, photo, tmp_path):
    """A tone that depends on the tile's mean, cut hard and left as it is: the seams are there, and the sentence too."""
    model = save_graph(tmp_path / "drifting.onnx", bias=-0.3, drift=0.3)
    arguments = ["edit", photo, "-o", tmp_path / "o.png", "--model", model, "--tile", 160, "--halo", 8, "--feather", 12]
    code, _, err = run(*arguments, "--blend", "cut", "--drift", "none", "-q")
    assert code == 0, err
    assert "segtile: warning: ring.png: " in err
    assert "across tile borders" in err


def test_only_changes_leaves_the_rest_to_the_bit(run, photo, tmp_path):
    """A model that brightens the whole picture changes nothing in it."""
    model = save_graph(tmp_path / "brighter.onnx", bias=0.02)
    target = tmp_path / "o.png"
    code, _, err = run("edit", photo, "-o", target, "--model", model, "--tile", 320, "--only-changes", "-q")
    assert code == 0, err
    np.testing.assert_array_equal(pixels(target), pixels(photo))


def test_batches_linear_light_and_the_3x3_give_the_picture_back_too(run, photo, identity, tmp_path):
    target = tmp_path / "o.png"
    choices = ["--batch", 3, "--linear-light", "--drift", "mix", "--grid", "aligned"]
    code, out, err = run("edit", photo, "-o", target, "--model", identity, "--tile", 320, *choices, "--json")
    assert code == 0, err
    assert json.loads(out)["coarse"]
    np.testing.assert_array_equal(pixels(target), pixels(photo))


def test_the_heat_map_is_written_beside_it(run, photo, identity, tmp_path):
    drawn = tmp_path / "maps" / "heat.png"
    arguments = ["edit", photo, "-o", tmp_path / "o.png", "--model", identity, "--tile", 320, "--heat-map", drawn, "-q"]
    code, _, err = run(*arguments)
    assert code == 0, err
    assert pixels(drawn).shape == (350, 500, 3)
    code, _, err = run(*arguments, "--overwrite", "--heat-map", photo)
    assert code == 2
    assert "to be read" in err


def test_a_target_that_exists_can_be_skipped(run, photo, tmp_path):
    target = tmp_path / "o.png"
    target.write_bytes(b"precious")
    code, out, err = run("edit", photo, "-o", target, "--model", "absent.onnx", "--skip-existing")
    assert (code, out, err) == (0, "", "")
    assert target.read_bytes() == b"precious"
    code, _, err = run("edit", photo, "-o", target, "--model", "absent.onnx", "--skip-existing", "--overwrite")
    assert code == 2
    assert "exclude each other" in err


@pytest.mark.parametrize("what", ["truncated", "absent"])
def test_a_picture_that_fails_has_its_row_and_leaves_nothing(run, photo, identity, tmp_path, what):
    if what == "truncated":
        photo.write_bytes(photo.read_bytes()[:20_000])
    else:
        photo.unlink()
    code, out, err = run("edit", photo, "-o", tmp_path / "o.png", "--model", identity, "--json", "-q")
    assert code == 1
    row = json.loads(out)
    assert row["input"] == str(photo)
    assert row["output"] is None
    assert row["error"] in " ".join(err.split())
    assert "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(("o.", ".o"))] == []


@pytest.mark.parametrize("verb", ["edit", "diffmerge"])
def test_help_fits_a_screen_and_ends_with_examples(run, verb):
    code, out, _ = run(verb, "--help")
    assert code == 0
    assert len(out.splitlines()) <= 45
    assert out.rstrip().splitlines()[-1].strip().startswith(f"segtile {verb}")
