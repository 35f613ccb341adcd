"""The shipped network that cleans pictures: better where there is something to clean, gentle elsewhere, no seams."""

import cv2
import numpy as np
import pytest

from models.training.enhance.degrade import Damage, degrade
from models.training.enhance.evaluate import runner
from models.training.enhance.pictures import halved
from segtile.catalog import find_weights, load_card

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segtile[cpu]")

REACH = 11
GOLDEN = 42.93
NOISE = Damage(shot=1e-3, read=4e-3)
JPEG = Damage(jpeg=90)
BLUR = Damage(blur=1.0)
ALL = Damage(0.6, 0.0, 3e-4, 2e-3, True, 85, True)


@pytest.fixture(scope="module")
def weights():
    (file,) = find_weights(load_card("enhance"))
    return file


@pytest.fixture(scope="module")
def enhance(weights):
    return runner(weights)


@pytest.fixture(scope="module")
def native(data_samples):
    """A crop (400, 600, 3) of a sample that has neither noise nor JPEG; the network never saw it."""
    pixels = cv2.imread(str(data_samples / "earrings.png"))[500:900, 150:750, ::-1]
    return pixels.astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def clean(native):
    return np.round(halved(native) * 255).astype(np.float32) / np.float32(255)


def psnr(wanted, found):
    return float(-10 * np.log10(np.mean((wanted - np.clip(found, 0, 1)) ** 2)))


def test_the_graph_says_what_its_card_says(weights):
    session = ort.InferenceSession(weights, providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    assert (said["task"], said["scale"], said["multiple_of"]) == ("edit", "1", "1")
    assert int(said["receptive_px"]) == REACH
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, given.name, taken.type) == ("image", "image_out", "tensor(float)")
    assert taken.shape[:2] == given.shape[:2] == [1, 3]
    assert load_card("enhance").role == "edit"
    assert load_card("enhance").output == given.name


@pytest.mark.parametrize(
    ("damage", "least"),
    [(NOISE, 5.0), (JPEG, 0.5), (BLUR, 0.7), (ALL, 0.4)],
    ids=["noise", "jpeg", "blur", "all"],
)
def test_a_degraded_picture_comes_closer_to_the_clean_one(enhance, clean, damage, least):
    worse = degrade(clean, damage, np.random.default_rng(3))
    assert psnr(clean, enhance(worse)) > psnr(clean, worse) + least


def test_how_much_better_has_not_changed(enhance, clean):
    worse = degrade(clean, NOISE, np.random.default_rng(3))
    assert psnr(clean, enhance(worse)) == pytest.approx(GOLDEN, abs=0.1)


def test_a_clean_picture_is_nearly_left_alone(enhance, clean, native):
    assert psnr(native, enhance(native)) > 51
    assert psnr(clean, enhance(clean)) > 51


@pytest.mark.parametrize("sigma", [0.5, 0.8])
def test_an_edge_is_sharpened_without_a_halo(enhance, sigma):
    edge = np.full((64, 64, 3), 0.5, np.float32)
    edge[:, 32:] = 0.93
    blurred = degrade(edge, Damage(blur=sigma), np.random.default_rng(0))
    found = enhance(blurred)
    assert psnr(edge, found) > psnr(edge, blurred)
    assert found.min() > 0.5 - 2 / 255
    assert found.max() < 0.93 + 2 / 255


def test_an_even_area_comes_out_as_it_went_in(enhance):
    for value in (0.0, 0.07, 0.93, 1.0):
        flat = np.full((40, 50, 3), value, np.float32)
        assert np.abs(enhance(flat) - flat).max() < 1e-5


@pytest.mark.parametrize("halo", [REACH, REACH - 3])
def test_tiles_with_a_halo_of_its_reach_give_what_the_whole_gives(enhance, clean, halo):
    worse = degrade(clean, ALL, np.random.default_rng(5))
    whole, tiled = enhance(worse), np.zeros_like(worse)
    height, width = worse.shape[:2]
    for y in range(0, height, 61):  # odd on purpose: no grid of the network's own may show
        for x in range(0, width, 83):
            top, left = max(0, y - halo), max(0, x - halo)
            answer = enhance(worse[top : y + 61 + halo, left : x + 83 + halo])
            tiled[y : y + 61, x : x + 83] = answer[y - top :, x - left :][:61, :83]
    off = float(np.abs(tiled - whole).max())
    # The smaller halo shows that the test can tell.
    assert off < 1e-5 if halo == REACH else off > 1e-4


def test_nothing_beyond_its_reach_is_seen(enhance, clean):
    picture = clean[:101, :101].copy()
    before = enhance(picture)
    picture[50, 50] = 1 - picture[50, 50]
    rows, columns = np.nonzero(np.abs(enhance(picture) - before).max(axis=2) > 0)
    far = max(np.abs(rows - 50).max(), np.abs(columns - 50).max())
    assert REACH - 2 <= far <= REACH


def test_extreme_pictures_stay_finite_and_in_range(enhance):
    rng = np.random.default_rng(1)
    for picture in (np.zeros((9, 7, 3)), np.ones((1, 1, 3)), rng.integers(0, 2, (33, 40, 3))):
        found = enhance(picture.astype(np.float32))
        assert found.shape == picture.shape
        assert np.isfinite(found).all()
        assert found.min() >= 0
        assert found.max() <= 1
