import cv2
import numpy as np
import pytest

from segtile.edit.diff import diffmerge
from segtile.edit.membrane import harmonic
from segtile.errors import BadInput


def upsized(cells, picture):
    return np.repeat(np.repeat(cells, 4, 0), 4, 1)[: picture.shape[0], : picture.shape[1]]


def merged(original, edited, **options):
    found = diffmerge(original, edited, **options)
    out = found.array.reshape(original.shape)
    outside = ~upsized(found.change.reach, original)
    assert out.dtype == original.dtype
    assert (out[outside] == original[outside]).all()
    return found, out


@pytest.fixture(scope="module")
def calm(photo):
    """Away from both ends of the range, so that casts do not clip."""
    return (photo // 2 + 60).astype(np.uint8)


@pytest.fixture(scope="module")
def ell(calm):
    where = np.zeros(calm.shape[:2], bool)
    where[100:360, 200:270] = True
    where[300:360, 200:460] = True
    return where


def painted(picture, where, colour):
    out = picture.copy()
    out[where] = np.clip(out[where].astype(int) + colour, 0, 255)
    return out


@pytest.mark.parametrize("blend", ["poisson", "feather"])
@pytest.mark.parametrize("cast", [0, 12])
def test_an_l_shaped_edit_lands_where_it_belongs(calm, ell, blend, cast):
    edited = painted(calm, ell, [40, -30, 20])
    found, out = merged(calm, (edited + cast).astype(np.uint8), blend=blend)
    assert len(found.boxes) == 1
    assert np.abs(out.astype(int) - edited)[ell].mean() < 1
    away = ~(cv2.dilate(ell.astype(np.uint8), np.ones((41, 41))) > 0)
    assert (out[away] == calm[away]).all()
    assert np.abs(out.astype(int) - calm)[~ell].mean() < 0.1


def test_the_same_picture_and_a_cast_are_no_edit(photo):
    for edited in (photo, np.clip(photo.astype(int) + 12, 0, 255).astype(np.uint8)):
        found, out = merged(photo, edited)
        assert found.boxes == ()
        assert (out == photo).all()


def test_tiny_grey_and_cmyk_pictures(calm):
    tiny = np.full((5, 7, 3), 100, np.uint8)
    assert merged(tiny, tiny.copy())[0].boxes == ()
    grey = calm[..., 0].copy()
    edited = grey.copy()
    edited[100:200, 100:300] += 30
    found, out = merged(grey[..., None], edited + np.uint8(9))
    assert found.change.tone.name == "offset"
    assert np.abs(out[..., 0].astype(int) - edited).max() <= 1


def test_holes_stay_holes(calm):
    where = np.zeros(calm.shape[:2], bool)
    where[100:400, 100:400] = True
    where[220:280, 220:280] = False
    found, out = merged(calm, painted(calm, where, [30, -30, 0]))
    assert (out[240:260, 240:260] == calm[240:260, 240:260]).all()
    assert not found.change.core[58:67, 58:67].any()
    assert np.abs(out.astype(int) - calm)[110:210, 110:390].mean() > 15


def in_lab(picture, change):
    lab = cv2.cvtColor((picture / 65535).astype(np.float32), cv2.COLOR_RGB2LAB)
    change(lab)
    return np.rint(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1) * 65535).astype(np.uint16)


@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-0.6, 0.6, 0.5)])
def test_three_delta_e_in_a_place_are_found_and_two_everywhere_are_not(calm, direction):
    picture = calm.astype(np.uint16) * 257
    step = np.array(direction, np.float32) / np.linalg.norm(direction)

    def local(lab):
        lab[300:310, 401:421] += 3 * step  # 200 px

    def everywhere(lab):
        lab += 2 * step

    found, _ = merged(picture, in_lab(picture, local))
    assert len(found.boxes) == 1
    box = found.boxes[0]
    assert box.x0 >= 396
    assert box.y0 >= 296
    assert box.x1 <= 425
    assert box.y1 <= 314
    assert merged(picture, in_lab(picture, everywhere))[0].boxes == ()


def test_compression_is_no_edit_and_does_not_hide_one(photo, ell):
    edited = painted(photo, ell, [-40, 10, 30])
    for picture, count in ((photo, 0), (edited, 1)):
        coded = cv2.imdecode(cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1], 1)[..., ::-1]
        found, _ = merged(photo, coded.copy())
        assert len(found.boxes) == count


def test_detail_alone_is_a_change(calm):
    rng = np.random.default_rng(0)
    edited = calm.copy()
    grain = rng.choice([-12, 12], (120, 160, 1))
    edited[100:220, 100:260] = np.clip(edited[100:220, 100:260] + grain, 0, 255)
    found, _ = merged(calm, edited)
    assert found.boxes[0].area > 0.9 * 120 * 160


def test_a_shifted_edit_is_refused_or_moved_back(calm, ell):
    edited = painted(calm, ell, [40, -30, 20])
    moved = np.roll(edited, (3, -5), (0, 1))
    with pytest.raises(BadInput, match=r"by -5\.0 px to the right and 3\.0 px down"):
        diffmerge(calm, moved)
    found, out = merged(calm, moved, align=True)
    assert len(found.boxes) == 1
    assert np.abs(out.astype(int) - edited)[ell].mean() < 1


@pytest.mark.parametrize("size", [(500, 500), (375, 625), (501, 243)])
def test_a_picture_lies_on_itself_whatever_its_size(calm, size):
    """Sides at which OpenCV's transform is odd, and its phase correlation of equal pictures is not zero."""
    picture = np.ascontiguousarray(calm[: size[0], : size[1]])
    edited = picture.copy()
    edited[20:60, 30:80] += 30
    found, _ = merged(picture, edited)
    assert max(abs(found.registration.dx), abs(found.registration.dy)) < 0.1
    assert len(found.boxes) == 1
    with diffmerge(picture, np.roll(edited, (0, 3), (0, 1)), align=True) as moved:
        assert moved.registration.dx == pytest.approx(3, abs=0.1)


def test_a_scaled_edit_is_refused(photo):
    matrix = cv2.getRotationMatrix2D((400, 300), 0.0, 1.03)
    with pytest.raises(BadInput, match="does not lie on"):
        diffmerge(photo, cv2.warpAffine(photo, matrix, (800, 600)))


def test_depths_and_sizes(calm, ell):
    deep = calm.astype(np.uint16) * 257 + 11
    found, out = merged(deep, painted(calm, ell, [40, -30, 20]))
    assert any("8 bits" in w for w in found.warnings)
    assert np.abs(out[ell] / 257 - painted(calm, ell, [40, -30, 20])[ell]).mean() < 1
    with pytest.raises(BadInput, match="800x500"):
        diffmerge(calm, calm[:500])
    with pytest.raises(BadInput, match="grey"):
        diffmerge(calm, calm[..., 0].copy())
    with pytest.raises(BadInput, match="poisson or feather"):
        diffmerge(calm, calm, blend="seamless")


def test_the_membrane_meets_its_border():
    inside = np.zeros((60, 80), bool)
    inside[10:50, 0:60] = True
    y, x = np.mgrid[:60, :80].astype(np.float32)
    found = harmonic(inside, np.dstack([0.3 * y, np.full_like(x, 5)]))
    assert np.abs(found[..., 1] - 5).max() < 1e-3
    assert np.abs(found[..., 0] - 0.3 * y).max() < 1e-3
    assert (harmonic(np.ones((4, 4), bool), np.ones((4, 4, 1), np.float32)) == 0).all()
