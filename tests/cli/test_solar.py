import numpy as np
import pytest
from PIL import Image

from segtile.solar import decode_acv


@pytest.fixture
def photo(tmp_path, ring_scene):
    path = tmp_path / "Ring ü.png"
    Image.fromarray(ring_scene[0]).save(path)
    return path


def test_a_saved_curve_gives_the_same_picture_as_the_name(run, tmp_path, photo):
    code, out, err = run("solar", "--save", tmp_path / "x.acv", "--curve", "solar6")
    assert (code, out.strip()) == (0, str(tmp_path / "x.acv")), err
    assert len(decode_acv((tmp_path / "x.acv").read_bytes())) == 4
    assert run("solar", photo, "-o", tmp_path / "a.png", "--curve", tmp_path / "x.acv", "-q")[0] == 0
    assert run("solar", photo, "-o", tmp_path / "b.png", "--curve", "solar6", "--reading", "spline", "-q")[0] == 0
    a, b = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "ab")
    np.testing.assert_array_equal(a, b)
    assert a.shape == (700, 900, 3)


def test_adaptive_side_by_side_and_scaled(run, tmp_path, photo):
    target = tmp_path / "new folder" / "view.png"
    code, out, err = run("solar", photo, "-o", target, "--curve", "adaptive", "--side-by-side", "--long-side", "300")
    assert code == 0, err
    assert "gain" in out
    assert Image.open(target).size == (608, 233)
    code, _, err = run("solar", photo, "-o", target)
    assert code == 2
    assert "--overwrite" in err


def test_checking_what_cutout_wrote(run, tmp_path, photo):
    quick = ("--coarse", "studio", "--refine", "matting")
    assert run("cutout", photo, "-o", tmp_path / "out", "-q", *quick)[0] == 0
    cut = tmp_path / "out" / photo.name
    code, _, err = run("solar", photo, "--check", cut, "--curve", "adaptive", "-o", tmp_path / "check.png", "-q")
    assert code == 0, err
    view = np.asarray(Image.open(tmp_path / "check.png").convert("L")).astype(int)
    assert np.ptp(view[:60]) <= 1, "its own background, and nothing else"
    assert np.ptp(view[200:500]) > 60


def test_a_zigzag_by_its_folds(run, tmp_path, photo):
    base = ("solar", photo, "-q", "--overwrite", "-o")
    assert run(*base, tmp_path / "a.png", "--folds", "1")[0] == 0
    assert run(*base, tmp_path / "b.png", "--folds", "1", "--phase", "0.5")[0] == 0
    a, b = (np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in "ab")
    assert np.abs(a + b - 255).max() <= 1, "half a period turns the wave over"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["solar"], "nothing to do"),
        (["solar", "PHOTO"], "both"),
        (["solar", "-o", "DIR/x.png"], "both"),
        (["solar", "--save", "DIR/x.acv", "--curve", "adaptive"], "cannot be saved"),
        (["solar", "--save", "DIR/x.acv", "--curve", "solar7"], "solar7"),
        (["solar", "--save", "DIR/x.acv", "--folds", "30"], "fewer folds"),
        (["solar", "PHOTO", "-o", "DIR/x.png", "--curve", "DIR/none.acv"], "cannot be read"),
        (["solar", "PHOTO", "-o", "PHOTO", "--overwrite"], "to be read"),
        (["solar", "PHOTO", "-o", "DIR/x.png", "--check", "PHOTO"], "transparency"),
        (["solar", "PHOTO", "-o", "DIR/x.png", "--phase", "0.5"], "phase"),
        (["solar", "DIR/none.jpg", "-o", "DIR/x.png"], "none.jpg"),
    ],
)
def test_wrong_use_is_one_sentence(run, tmp_path, photo, arguments, text):
    before = sorted(tmp_path.iterdir())
    code, out, err = run(*[a.replace("PHOTO", str(photo)).replace("DIR", str(tmp_path)) for a in arguments])
    assert code in (1, 2)
    assert out == ""
    assert err.startswith("segtile: error: ")
    assert err.count("\n") == 1
    assert text in err
    assert sorted(tmp_path.iterdir()) == before
