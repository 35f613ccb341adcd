"""The main job from Python, and the laws that only the whole pipeline can break."""

from __future__ import annotations

import importlib

import cv2
import numpy as np
import pytest
from PIL import Image

import segtile
from segtile.backends.onnx import available_providers
from segtile.coarse import look
from segtile.errors import BadInput, NothingFound, OverLimit, ReadError
from segtile.recipe import build_recipe
from segtile.refine.base import context_trust, make_patch
from segtile.solar import SOLAR_CHANNELS


class LocalRefiner:
    """Alpha from a small neighbourhood: darker than its blurred surroundings means object; reach 12 px."""

    name = "local"
    tile = 256
    halo = 32
    context: int | None = None
    channels: tuple[str, ...] = ()
    bytes_per_px = 64
    coarsest = float("inf")
    notes: tuple[str, ...] = ()
    reach = 12

    def __init__(self):
        self.seen = []

    def refine(self, x):
        self.seen.append(x)
        luma = np.ascontiguousarray(x.rgb.mean(2))
        smooth = cv2.GaussianBlur(luma, (2 * self.reach + 1,) * 2, 3.0, borderType=cv2.BORDER_REFLECT_101)
        alpha = np.clip((0.93 - smooth) * 4, 0, 1).astype(np.float32)
        return make_patch(x, alpha, context_trust(x.tile, x.frame, self.reach))


@pytest.fixture
def local(monkeypatch):
    refiner = LocalRefiner()
    monkeypatch.setattr(importlib.import_module("segtile.cutout"), "get_refiner", lambda name, **_: refiner)
    return refiner


def alpha_of(picture, **sections):
    """Over the studio pass, which takes a tenth of the networks' time."""
    with segtile.cutout(picture, recipe=build_recipe(coarse={"name": "studio"}, **sections)) as cut:
        return cut.store.rows(0, picture.shape[0])


def test_result_holds_what_people_ask_for(ring_scene, tmp_path):
    picture, alpha = ring_scene
    with segtile.cutout(picture) as cut:
        assert cut.alpha.shape == alpha.shape
        assert cut.alpha.dtype == np.uint8
        assert np.abs(cut.alpha / 255 - alpha).mean() < 0.002
        assert cut.rgba.shape == (*alpha.shape, 4)
        np.testing.assert_array_equal(cut.rgba[..., :3], picture)
        cut.save(tmp_path / "ring.png")
        assert cut._repr_png_().startswith(b"\x89PNG")
        assert cut.result.coarse == ("net-coarse+studio" if available_providers() else "studio")
        assert cut.result.refine == ("net" if available_providers() else "matting")
        assert cut.result.tiles_refined == cut.result.tiles_planned <= cut.result.tiles_uniform
        assert "ring" not in cut.result.input
    saved = np.asarray(Image.open(tmp_path / "ring.png"))
    assert np.abs(saved[..., 3] / 255 - alpha).mean() < 0.002


@pytest.mark.parametrize(
    ("coarse", "refine", "asked"),
    [
        ("auto", "auto", "auto"),
        ("studio", "auto", "auto"),
        ("net-coarse", "auto", "auto"),
        ("own.onnx", "auto", "auto"),
        ("u2netp", "auto", "matting"),
        ("u2netp", "net", "net"),
    ],
)
def test_maps_of_other_networks_are_refined_by_matting_unless_told_otherwise(monkeypatch, coarse, refine, asked):
    module = importlib.import_module("segtile.cutout")
    names = []
    monkeypatch.setattr(module, "get_refiner", lambda name, **_: names.append(name) or LocalRefiner())
    monkeypatch.setattr(module, "look", lambda preview, frame, name, device: look(preview, frame, "studio"))
    picture = np.full((80, 90, 3), 240, np.uint8)
    picture[20:60, 20:60] = 90
    segtile.mask(picture, coarse=coarse, refine=refine)
    assert names == [asked]


def test_path_array_and_pil_image_agree(ring_scene, tmp_path):
    picture, _ = ring_scene
    path = tmp_path / "ring.png"
    Image.fromarray(picture).save(path)
    sources = (path, str(path), picture, Image.fromarray(picture))
    masks = [segtile.mask(source, coarse="studio", refine="none") for source in sources]
    for mask in masks[1:]:
        np.testing.assert_array_equal(mask, masks[0])


def test_sixteen_bits_stay_sixteen(ring_scene):
    picture = ring_scene[0].astype(np.uint16) * 257
    with segtile.cutout(picture, coarse="studio") as cut:
        assert cut.alpha.dtype == np.uint16
        assert cut.rgba.dtype == np.uint16


@pytest.mark.parametrize("kind", ["aligned", "uniform"])
def test_tiled_equals_whole_for_a_local_refiner(ring_scene, local, kind):
    picture = ring_scene[0]
    tiled = alpha_of(picture, grid={"tile": 200, "halo": 32, "kind": kind})
    assert len(local.seen) > 4
    whole = alpha_of(picture, grid={"tile": 2048, "halo": 0, "kind": kind})
    assert local.seen[-1].rgb.shape == picture.shape
    assert np.abs(tiled.astype(int) - whole).max() < 65535 / 255


def test_threads_change_nothing(ring_scene):
    picture = ring_scene[0][:400]
    grid = {"tile": 256, "halo": 48}
    one, five = (alpha_of(picture, grid=grid, refine={"threads": n}) for n in (1, 5))
    np.testing.assert_array_equal(one, five)


def test_a_tile_sees_only_whole_picture_values(ring_scene, local):
    """The same pixel has the same input in every tile that reads it."""
    local.channels = ("solar4", *SOLAR_CHANNELS)
    alpha_of(ring_scene[0], grid={"tile": 200, "halo": 40})
    compared = 0
    for i, a in enumerate(local.seen):
        for b in local.seen[:i]:
            both = a.tile.read & b.tile.read
            if both.empty:
                continue
            compared += 1
            mine, other = both.within(a.tile.read).slices, both.within(b.tile.read).slices
            for name in ("rgb", "prob", "band", "background", "channels"):
                np.testing.assert_array_equal(getattr(a, name)[mine], getattr(b, name)[other])
    assert compared > 3
    local.seen.clear()
    alpha_of(ring_scene[0], grid={"tile": 200, "halo": 40}, refine={"solar": False})
    assert local.seen[0].channels is None


def test_a_refiner_that_fails_frees_everything(ring_scene, local, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def broken(x):
        raise BadInput("no weights today")

    monkeypatch.setattr(local, "refine", broken)
    with pytest.raises(BadInput, match="today"):
        segtile.cutout(ring_scene[0], coarse="studio")
    assert list(tmp_path.iterdir()) == []


def test_refusals(tmp_path):
    with pytest.raises(NothingFound, match="nothing found"):
        segtile.cutout(np.full((80, 100, 3), 240, np.uint8))
    with pytest.raises(ReadError, match=r"none\.png"):
        segtile.cutout(tmp_path / "none.png")
    with pytest.raises(BadInput):
        segtile.cutout(np.zeros((10, 10, 3), np.float32))
    with pytest.raises(BadInput, match=r"grid\.tile"):
        segtile.cutout(np.zeros((10, 10, 3), np.uint8), tile=1)


def test_memory_limit_is_said_before_the_work(ring_scene, local):
    with pytest.raises(OverLimit, match=r"256 MB.*--tile"):
        segtile.cutout(ring_scene[0], recipe=build_recipe(coarse={"name": "studio"}, limits={"memory_mb": 256}))
    assert not local.seen


def test_the_module_and_the_function_can_both_be_called(ring_scene):
    from segtile.cutout import cutout as function

    module = importlib.import_module("segtile.cutout")
    for job in (function, module, segtile.cutout):
        with job(ring_scene[0][:300, :400], coarse="studio", refine="matting") as cut:
            assert isinstance(cut, segtile.Cutout)


def test_plan_grid(ring_scene):
    recipe = build_recipe(coarse={"name": "studio"}, grid={"tile": 256, "halo": 32})
    plan = segtile.plan_grid(ring_scene[0], recipe=recipe)
    assert plan.stats.tiles == len(plan.grid.tiles) <= plan.stats.tiles_uniform
    plan.raster.close()
