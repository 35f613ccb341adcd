import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.coarse.band import drop_dust, label_objects, make_band


def test_the_band_lies_along_the_outline_and_has_its_width():
    prob = np.zeros((60, 80), np.float32)
    prob[20:40, 20:60] = 1
    band = make_band(prob, np.zeros(prob.shape, bool), 4.0)
    assert band[16:24, 40].all()
    assert not band[15, 40]
    assert not band[24:36, 30:50].any()


def test_thin_parts_are_wholly_in_the_band():
    prob = np.zeros((60, 80), np.float32)
    prob[30:37, 5:75] = 1
    assert make_band(prob, np.zeros(prob.shape, bool), 4.0)[prob > 0].all()


def test_no_outline_no_band():
    doubt = np.zeros((9, 9), bool)
    for value in (0.0, 1.0):
        assert not make_band(np.full((9, 9), value, np.float32), doubt, 3.0).any()


def test_dust_goes_and_a_broken_chain_stays():
    inside = np.zeros((500, 1000), bool)
    inside[100:102, 100:102] = True
    inside[300:305, 200:260] = True
    inside[301:304, 264:268] = True
    kept = drop_dust(inside)
    assert not kept[100:102].any()
    assert kept[301:304, 264:268].all()
    assert np.array_equal(kept[300:305, 200:260], inside[300:305, 200:260])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_labels_number_8_connected_pieces_from_the_largest(seed):
    rng = np.random.default_rng(seed)
    prob = (rng.random((24, 31)) < 0.3).astype(np.float32)
    band = rng.random((24, 31)) < 0.05
    labels = label_objects(prob, band)
    assert np.array_equal(labels > 0, (prob >= 0.5) | band)
    sizes = np.bincount(labels.ravel())[1:]
    assert (np.diff(sizes) <= 0).all()
    for dy, dx in ((0, 1), (1, 0), (1, 1)):
        a, b = labels[: 24 - dy, : 31 - dx], labels[dy:, dx:]
        assert (a == b)[(a > 0) & (b > 0)].all()
