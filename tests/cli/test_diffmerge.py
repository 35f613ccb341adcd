import json

import numpy as np
import pytest
from PIL import Image, ImageCms

from segtile.raster import open_raster


@pytest.fixture
def pair(tmp_path, ring_scene):
    """An original with a profile, resolution and transparency, and an edit of it."""
    picture, _ = ring_scene
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[:50] = 128
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    original, edited = tmp_path / "ring.png", tmp_path / "edit.png"
    Image.fromarray(np.dstack([picture, alpha])).save(original, icc_profile=profile, dpi=(300, 300))
    changed = picture.copy()
    changed[500:600, 100:250] -= 60
    Image.fromarray(np.dstack([changed, alpha])).save(edited, icc_profile=profile)
    return original, edited


def test_merges_what_changed_and_keeps_the_rest(run, pair, tmp_path):
    out = tmp_path / "made" / "merged.png"
    code, text, _ = run("diffmerge", *pair, "-o", out, "--json", "-q")
    assert code == 0
    row = json.loads(text)
    assert len(row["changes"]) == 1
    assert row["tone"] == "none"
    assert row["input"] == str(pair[0])
    assert set(row["seconds"]) == {"compare", "write", "total"}
    assert row["peak_rss_mb"] is None or row["peak_rss_mb"] > 0
    with open_raster(out) as merged, open_raster(pair[0]) as original:
        a, b = (r.strip(0, 700) for r in (merged, original))
        assert merged.info.icc == original.info.icc
        assert merged.info.dpi == pytest.approx((300, 300), abs=0.5)
        assert (merged.alpha_strip(0, 700) == original.alpha_strip(0, 700)).all()
    assert (a[:450] == b[:450]).all()
    assert np.abs(a.astype(int) - b)[520:580, 120:230].mean() == pytest.approx(60, abs=2)


def test_says_what_is_wrong(run, pair, tmp_path):
    assert run("diffmerge", *pair, "-o", pair[0])[0] == 2
    code, _, error = run("diffmerge", *pair, "-o", tmp_path / "merged.bmp")
    assert code == 2
    assert ".png, .tif or .webp" in error
    (tmp_path / "there.png").write_bytes(b"x")
    assert run("diffmerge", *pair, "-o", tmp_path / "there.png")[0] == 2
    small = tmp_path / "small.png"
    Image.open(pair[1]).resize((300, 200)).save(small)
    code, _, error = run("diffmerge", pair[0], small, "-o", tmp_path / "m.png")
    assert code == 2
    assert "300x200" in error


def test_formats_depths_and_targets_that_exist(run, pair, tmp_path):
    out = tmp_path / "merged.out"
    code, _, err = run("diffmerge", *pair, "-o", out, "--format", "tiff", "--bits", 16, "-q")
    assert code == 0, err
    with open_raster(out) as merged, open_raster(pair[0]) as original:
        assert merged.info.bits == 16
        np.testing.assert_array_equal(merged.strip(0, 400), original.strip(0, 400).astype(np.uint16) * 257)
    before = out.read_bytes()
    assert run("diffmerge", *pair, "-o", out, "--format", "tiff", "--skip-existing") == (0, "", "")
    code, _, err = run("diffmerge", *pair, "-o", out, "--format", "tiff")
    assert code == 2
    assert "--overwrite" in err
    assert out.read_bytes() == before
    assert run("diffmerge", *pair, "-o", out, "--format", "tiff", "--overwrite", "-q")[0] == 0
    assert out.read_bytes() != before


def test_cmyk_stays_cmyk_in_tiff_and_is_refused_elsewhere(run, tmp_path, ring_scene):
    picture = np.asarray(Image.fromarray(ring_scene[0][300:500, 100:350]).convert("CMYK")).copy()
    Image.fromarray(picture, "CMYK").save(tmp_path / "a.tif")
    changed = picture.copy()
    changed[100:160, 100:200, 1] += 60
    Image.fromarray(changed, "CMYK").save(tmp_path / "b.tif")
    code, _, err = run("diffmerge", tmp_path / "a.tif", tmp_path / "b.tif", "-o", tmp_path / "o.tif", "-q")
    assert code == 0, err
    with open_raster(tmp_path / "o.tif") as merged:
        assert merged.info.space == "cmyk"
        np.testing.assert_array_equal(merged.strip(0, 60), picture[:60])
    code, _, err = run("diffmerge", tmp_path / "a.tif", tmp_path / "b.tif", "-o", tmp_path / "o.png", "-q")
    assert code == 2
    assert "CMYK" in err


def test_a_picture_that_fails_has_its_row(run, pair, tmp_path):
    pair[1].write_bytes(pair[1].read_bytes()[:5000])
    code, out, err = run("diffmerge", *pair, "-o", tmp_path / "m.png", "--json", "-q")
    assert code == 1
    assert json.loads(out)["error"] in " ".join(err.split())
    assert not (tmp_path / "m.png").exists()
