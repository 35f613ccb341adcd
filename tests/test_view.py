import numpy as np
import pytest
from PIL import Image

import segtile
from segtile.errors import BadInput, ReadError, WouldOverwrite
from segtile.raster import open_raster
from segtile.solar import CURVES, Curve, encode_acv, evaluate, zigzag
from segtile.view import make_view, save_curve, solar


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(2).integers(0, 256, (90, 130, 3), np.uint8)


@pytest.mark.parametrize("reading", ["linear", "spline"])
def test_each_channel_goes_through_the_curve(picture, reading):
    view = solar(picture, curve="solar6", reading=reading)
    exact = np.rint(255 * evaluate(CURVES["solar6"], picture / 255, reading).astype(np.float64))
    np.testing.assert_array_equal(view, exact)


def test_luma_and_single_channels_are_grey(picture):
    luma = np.rint(picture.astype(np.float32) @ np.float32([0.2126, 0.7152, 0.0722]))
    for channel, values in (("luma", luma), ("g", picture[..., 1])):
        view = solar(picture, curve="solar1", channel=channel)
        assert (view[..., 0] == view[..., 1]).all()
        assert (view[..., 0] == view[..., 2]).all()
        np.testing.assert_allclose(view[..., 0], 255 * evaluate(CURVES["solar1"], values / 255), atol=0.51)


def test_16_bit_differences_show_that_8_bit_cannot_hold():
    flat = np.full((40, 60, 3), 60000, np.uint16)
    flat[:, 30:] += 60  # a quarter of an 8-bit level
    view = solar(flat, curve=zigzag(30)).astype(int)
    assert abs(view[:, :30].mean() - view[:, 30:].mean()) >= 5


def test_the_original_stands_to_the_left(picture):
    view = solar(picture, curve="solar4", side_by_side=True)
    assert view.shape == (90, 2 * 130 + 8, 3)
    np.testing.assert_array_equal(view[:, :130], picture)
    np.testing.assert_array_equal(view[:, -130:], solar(picture, curve="solar4"))


@pytest.mark.parametrize("curve", ["solar4", "adaptive"])
def test_strips_do_not_show(curve, ring_scene, monkeypatch):
    whole = solar(ring_scene[0], curve=curve)
    monkeypatch.setattr("segtile.view._ROWS", 37)
    np.testing.assert_array_equal(solar(ring_scene[0], curve=curve), whole)


def test_scaling_comes_before_folding(picture):
    small = solar(picture, curve="solar6", long_side=65)
    with open_raster(picture) as raster:
        preview = raster.preview(65)
    assert small.shape == preview.shape
    np.testing.assert_allclose(small, 255 * evaluate(CURVES["solar6"], preview), atol=0.6)


def test_the_adaptive_view_is_grey_on_the_background(ring_scene):
    photo, alpha = ring_scene
    view = solar(photo, curve="adaptive", channel="luma").astype(float)
    away = np.zeros(alpha.shape, bool)
    away[:80], away[-80:] = True, True
    assert np.abs(view[away].mean() - 127.5) < 3
    assert np.abs(view[alpha == 1].mean() - 127.5) > 20
    moved = solar(photo, curve="adaptive", channel="luma", phase=0.5).astype(float)
    assert np.abs(moved - view)[away].max() <= 1, "folds lie beyond the background"
    assert np.abs(moved - view)[alpha == 1].mean() > 1


@pytest.fixture(scope="module")
def cut_files(ring_scene, tmp_path_factory):
    """The ring, an exact cut-out of it, and one with a halo of background around it."""
    folder = tmp_path_factory.mktemp("cuts")
    photo, alpha = ring_scene
    Image.fromarray(photo).save(folder / "photo.png")
    import cv2

    halo = cv2.dilate((alpha > 0).astype(np.uint8), np.ones((15, 15)))
    for name, a in (("exact", alpha), ("halo", halo)):
        Image.fromarray(np.dstack([photo, np.rint(255 * a).astype(np.uint8)])).save(folder / f"{name}.png")
    return folder


def test_a_check_lays_the_cutout_on_its_own_background(cut_files, ring_scene):
    inside = ring_scene[1] > 0
    with open_raster(cut_files / "photo.png") as photo, open_raster(cut_files / "exact.png") as cut:
        view = np.concatenate(list(make_view(photo, curve="adaptive", channel="luma", cutout=cut).strips()))
    assert np.ptp(view[~inside]) <= 1, "nothing but background where alpha is zero"
    assert np.abs(view[ring_scene[1] == 1].astype(float) - 127.5).mean() > 20


def test_a_check_shows_a_halo(cut_files, ring_scene):
    around = ring_scene[1] == 0
    spread = {}
    for name in ("exact", "halo"):
        with open_raster(cut_files / "photo.png") as photo, open_raster(cut_files / f"{name}.png") as cut:
            view = np.concatenate(list(make_view(photo, curve="adaptive", channel="luma", cutout=cut).strips()))
        spread[name] = np.count_nonzero(np.abs(view[around].astype(int) - 128) > 2)
    assert spread["exact"] == 0
    assert spread["halo"] > 1000


def test_a_scaled_check_is_the_check_scaled(cut_files):
    with open_raster(cut_files / "photo.png") as photo, open_raster(cut_files / "exact.png") as cut:
        view = make_view(photo, curve="solar4", cutout=cut, long_side=300, side_by_side=True)
        rows = np.concatenate(list(view.strips()))
    assert rows.shape == (view.height, view.width, 3) == (233, 608, 3)


def test_curve_files_are_read_as_splines(picture, tmp_path):
    save_curve("solar6", tmp_path / "six.acv")
    named = solar(picture, curve="solar6", reading="spline")
    np.testing.assert_array_equal(solar(picture, curve=str(tmp_path / "six.acv")), named)
    np.testing.assert_array_equal(solar(picture, curve=tmp_path / "six.acv", channel="rgb"), named)
    linear = solar(picture, curve=tmp_path / "six.acv", reading="linear")
    np.testing.assert_array_equal(linear, solar(picture, curve="solar6"))


def test_channel_curves_come_before_the_composite(picture, tmp_path):
    straight = Curve("i", ((0, 0), (255, 255)))
    invert, half = Curve("invert", ((0, 255), (255, 0))), Curve("half", ((0, 0), (255, 128)))
    path = tmp_path / "rgb.acv"
    path.write_bytes(encode_acv((half, invert, straight, straight)))
    view = solar(picture, curve=path).astype(int)
    np.testing.assert_allclose(view[..., 0], (255 - picture[..., 0].astype(int)) * 128 / 255, atol=1)
    np.testing.assert_allclose(view[..., 1], picture[..., 1].astype(int) * 128 / 255, atol=1)
    with pytest.raises(BadInput, match="choose rgb"):
        solar(picture, curve=path, channel="luma")


def test_it_is_called_by_its_name(picture):
    np.testing.assert_array_equal(segtile.solar(picture, curve="solar1"), solar(picture, curve="solar1"))


def test_refusals(picture, tmp_path, cut_files):
    with pytest.raises(BadInput, match="solar9"):
        solar(picture, curve="solar9")
    with pytest.raises(BadInput, match="channel"):
        solar(picture, channel="alpha")
    with pytest.raises(BadInput, match="phase"):
        solar(picture, curve="solar4", phase=0.5)
    with pytest.raises(ReadError):
        solar(picture, curve=tmp_path / "none.acv")
    with pytest.raises(BadInput, match="background"):
        save_curve("adaptive", tmp_path / "a.acv")
    save_curve("solar1", tmp_path / "one.acv")
    with pytest.raises(WouldOverwrite):
        save_curve("solar4", tmp_path / "one.acv")
    with open_raster(cut_files / "photo.png") as photo, open_raster(picture) as other:
        with pytest.raises(BadInput, match="130 x 90"):
            make_view(photo, cutout=other)
        with pytest.raises(BadInput, match="transparency"):
            make_view(photo, cutout=photo)
