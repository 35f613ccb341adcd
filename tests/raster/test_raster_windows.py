"""Windows, strips and threads: every way to read gives the same pixels, and memory stays flat."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.errors import BadInput
from segtile.raster import open_raster, pixels, vips
from segtile.types import Box

H, W = 150, 190


@pytest.fixture(scope="module")
def scratch_picture(tmp_path_factory):
    """An RGBA picture of 16 bits in a scratch file that is read in pieces of a few rows, and its pixels."""
    import pyvips

    array = np.random.default_rng(5).integers(0, 65536, (H, W, 4)).astype(np.uint16)
    path = tmp_path_factory.mktemp("windows") / "picture.png"
    pyvips.Image.new_from_array(array, interpretation="rgb16").write_to_file(str(path))
    with pytest.MonkeyPatch.context() as patch, open_raster(path) as raster:
        patch.setattr(vips, "IN_MEMORY", 0)
        patch.setattr(pixels, "_MAPPED", 10_000)
        yield raster, array


@settings(max_examples=80, deadline=None)
@given(
    x=st.tuples(st.integers(0, W), st.integers(0, W)),
    y=st.tuples(st.integers(0, H), st.integers(0, H)),
)
def test_any_box_is_a_slice_of_the_whole(scratch_picture, x, y):
    raster, array = scratch_picture
    box = Box(min(x), min(y), max(x), max(y))
    assert np.array_equal(raster.native(box), array[..., :3][box.slices])
    assert np.array_equal(raster.strip(box.y0, box.y1), array[box.y0 : box.y1, :, :3])
    assert np.array_equal(raster.alpha_strip(box.y0, box.y1), array[box.y0 : box.y1, :, 3])
    window = raster.window(box)
    assert window.shape == (box.height, box.width, 3)
    assert np.array_equal(window, raster.window(raster.info.frame)[box.slices])


def test_what_is_handed_out_may_be_written_to(scratch_picture, make_pixels):
    ours = make_pixels(20, 20, 3)
    before = ours.copy()
    for raster in (scratch_picture[0], open_raster(ours)):
        box = Box(2, 2, 9, 9)
        first = raster.window(box)
        for handed in (raster.window(box), raster.native(box), raster.strip(0, 5), raster.preview(40)):
            handed[:] = 0
        assert np.array_equal(raster.window(box), first)
    assert np.array_equal(ours, before)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_threads_in_random_order_see_the_same(suffix, kept_in, tmp_path, make_pixels, save_vips, p3_profile):
    path = tmp_path / f"picture{suffix}"
    save_vips(path, make_pixels(300, 400, 3), icc=p3_profile)
    rng = np.random.default_rng(1)
    boxes = [Box(x, y, x + 90, y + 70) for x, y in zip(rng.integers(0, 310, 60), rng.integers(0, 230, 60), strict=True)]
    with open_raster(path) as raster:
        alone = [raster.window(box) for box in boxes]
    order = rng.permutation(len(boxes))
    with open_raster(path) as raster, ThreadPoolExecutor(4) as pool:
        together = dict(zip(order, pool.map(lambda i: raster.window(boxes[i]), order), strict=True))
    assert all(np.array_equal(together[i], alone[i]) for i in range(len(boxes)))


def test_a_picture_is_decoded_once(tmp_path, monkeypatch, make_pixels, save_vips):
    path = tmp_path / "picture.png"
    save_vips(path, make_pixels(300, 400, 3))
    with open_raster(path) as raster:
        first = raster.window(Box(0, 0, 100, 100))
        path.unlink()  # whatever is read from here on does not come from the file
        assert np.array_equal(raster.window(Box(0, 0, 100, 100)), first)
        assert raster.preview(100).shape == (75, 100, 3)
        assert raster.strip(200, 300).shape == (100, 400, 3)


@pytest.mark.parametrize(
    "box", [Box(-1, 0, 5, 5), Box(0, 0, W + 1, 5), Box(0, H, 5, H + 3), Box(5, 5, 4, 9), Box(-9, 2, -3, 4)]
)
def test_boxes_outside_are_refused(scratch_picture, box):
    raster = scratch_picture[0]
    for read in (raster.window, raster.native):
        with pytest.raises(BadInput, match="outside the picture"):
            read(box)


def test_a_closed_picture_is_not_read(tmp_path, make_pixels, save_vips, kept_in):
    save_vips(tmp_path / "picture.png", make_pixels(20, 20, 3))
    raster = open_raster(tmp_path / "picture.png")
    raster.window(Box(0, 0, 5, 5))
    raster.close()
    raster.close()
    with pytest.raises(BadInput, match="closed"):
        raster.window(Box(0, 0, 5, 5))


MEMORY = """
import re, sys
from pathlib import Path
from segtile.raster import open_raster
from segtile.types import Box
def peak():  # of this process alone; getrusage remembers the parent's too
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
raster = open_raster(sys.argv[1])
side = raster.info.width
before = peak()
small = raster.preview(1024)
for k in range(12):
    x, y = (k * 1237) % (side - 1024), (k * 2411) % (side - 1024)
    raster.window(Box(x, y, x + 1024, y + 1024))
rows = sum(int(raster.strip(y, min(y + 256, side))[:, ::999].sum()) for y in range(0, side, 256))
print(peak() - before, rows > 0)
"""


@pytest.mark.parametrize("orientation", [1, 6])
def test_memory_stays_flat(orientation, tmp_path):
    """5000 x 5000 pixels of 3 x 16 bits are 143 MiB decoded; preview, windows and strips add less than 120 MiB."""
    import pyvips

    if sys.platform != "linux":
        pytest.skip("peak memory is read from /proc")
    path = tmp_path / "large.tif"
    ramp = pyvips.Image.xyz(5000, 5000).extract_band(0) * 10
    image = ramp.bandjoin([ramp + 300, ramp + 900]).cast("ushort").copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    image.tiffsave(str(path))
    done = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
    added, read = done.stdout.split()
    assert read == "True"
    assert int(added) < 120 * 1024
