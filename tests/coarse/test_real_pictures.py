"""The studio pass on rendered samples and on real cut-outs, against their exact alpha."""

import cv2
import numpy as np
import pytest

from segtile.coarse import look
from segtile.types import Box


def preview_of(path, side=2048):
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    top = np.iinfo(picture.dtype).max
    full = cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2RGB).astype(np.float32) / top
    h, w = full.shape[:2]
    factor = min(1.0, side / max(h, w))
    size = (max(1, round(w * factor)), max(1, round(h * factor)))
    return cv2.resize(full, size, interpolation=cv2.INTER_AREA), Box.frame(w, h)


def alpha_of(path):
    alpha = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    alpha = alpha if alpha.ndim == 2 else alpha[..., 0]
    return alpha.astype(np.float32) / np.iinfo(alpha.dtype).max


def in_frame(found, values):
    rows, cols = found.cells(found.frame)
    return values[rows][:, cols]


def figures(found, alpha):
    band, inside = in_frame(found, found.unsure), in_frame(found, found.prob >= 0.5)
    soft = (alpha > 0) & (alpha < 1)
    return {
        "missed": int(np.count_nonzero(soft & ~band)),
        "coverage": float(band[soft].mean()),
        "band": float(band.mean()),
        "wrong": float((~band & (inside != (alpha > 0.5))).mean()),
    }


def sample(data_samples, name):
    found = [p for p in data_samples.glob(f"{name}.*") if p.suffix in (".png", ".jpg", ".tif")]
    if not found:
        pytest.skip(f"no sample {name} in data_samples")
    return found[0], data_samples / f"{name}_alpha.png"


@pytest.mark.parametrize("name", ["ring", "filigree", "flatlay", "earrings", "pearls_white"])
def test_every_soft_pixel_of_a_sample_is_in_the_band(data_samples, name):
    picture, alpha = sample(data_samples, name)
    found = look(*preview_of(picture), "studio")
    measured = figures(found, alpha_of(alpha))
    assert measured["missed"] == 0
    assert measured["wrong"] == 0
    assert measured["band"] < 0.4


def test_white_porcelain_on_white(data_samples):
    picture, alpha = sample(data_samples, "cup_white")
    found = look(*preview_of(picture), "studio")
    measured = figures(found, alpha_of(alpha))
    assert measured["coverage"] > 0.99
    assert measured["wrong"] < 0.002


def test_a_picture_three_times_the_map(data_samples):
    picture, alpha = sample(data_samples, "necklace_6000")
    found = look(*preview_of(picture), "studio")
    assert found.scale == pytest.approx(6000 / 2048, rel=1e-3)
    measured = figures(found, alpha_of(alpha))
    assert measured["missed"] == 0
    assert measured["wrong"] == 0
    assert measured["band"] < 0.12


PAIRS = ["necklace_gold_bar_thinchain", "rings_wedding_bands", "ring_gold_bypass"]


@pytest.mark.parametrize("kind", ["white", "offwhite"])
@pytest.mark.parametrize("name", PAIRS)
def test_real_cutouts_on_plain_backgrounds(shared, kind, name):
    folder = shared / "samples" / "pairs"
    found = look(*preview_of(folder / kind / f"{name}.png"), "studio")
    measured = figures(found, alpha_of(folder / kind / f"{name}_alpha.png"))
    # Their alpha was cut by hand: some is soft deep inside the object, where no picture shows an edge.
    assert measured["coverage"] > 0.95
    assert measured["wrong"] < 0.002


@pytest.mark.parametrize("name", ["terrain/terrain2.png", "deepforest/trees_osbs.png"])
def test_views_from_the_air_have_no_plain_background(shared, name):
    path = shared / "samples" / "detection" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    assert "background" in " ".join(look(*preview_of(path, 1024), "studio").notes)
