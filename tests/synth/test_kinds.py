"""The kinds that networks are trained and judged on: sound as arrays, apart by splits, framed as drawn. No Blender."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_checks import open_edges

from eval.synth import objects, splits, variants
from eval.synth.corpus import schedule
from eval.synth.kinds import NAMES, NEW, arrange
from eval.synth.materials import MATERIALS, Material
from eval.synth.passes import digest, reach
from eval.synth.published import published
from eval.synth.spec import Arrangement, Quality, SceneSpec, Variant


def name(scene: Arrangement, **changes: object) -> str:
    return digest(dataclasses.replace(SceneSpec("a", "any", 0, 80, 60), **changes), scene)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", NEW)
def test_a_kind_is_closed_stands_on_the_table_and_lies_in_the_frame(kind: str) -> None:
    scene = arrange(kind, 1)
    for m in {id(p.mesh): p.mesh for p in scene.parts}.values():
        assert open_edges(m) == 0
    assert all(isinstance(p.material, Material) or p.material in MATERIALS for p in scene.parts)
    points = np.concatenate([p.points() for p in scene.parts])
    assert np.isfinite(points).all()
    assert abs(points[:, 2].min()) < 1e-6, "its lowest point touches the table"
    seen = variants.Framing("whole", 240, 180, 1.0).camera(scene, 3)
    inside = seen.project(points) - [(seen.width - 240) / 2, (seen.height - 180) / 2]
    assert inside.min() > -3
    assert (inside.max(axis=0) < [243, 183]).all()
    assert name(scene) == name(arrange(kind, 1)), "the same seed makes the same scene"


@pytest.mark.parametrize("kind", ["signet", "bottle", "blob", "locket", "jug"])
def test_other_seeds_make_other_scenes(kind: str) -> None:
    assert len({name(arrange(kind, seed)) for seed in range(4)}) == 4


def test_renders_are_known_by_the_stage_too() -> None:
    scene = arrange("signet", 1)
    assert name(scene) == name(scene, stage=Variant())
    assert name(scene) != name(scene, stage=Variant(blur=0.01))


def test_every_kind_belongs_to_one_split_and_the_published_ones_to_the_test() -> None:
    every = [k for split in splits.SPLITS for k in splits.kinds_of(split)]
    assert sorted(every) == sorted(NAMES)
    assert set(objects.KINDS) <= set(splits.kinds_of("test"))
    assert set(splits.VALIDATION) | set(splits.TEST) <= set(NEW)
    assert splits.split_of("ring") == "test"
    with pytest.raises(ValueError, match="no split"):
        splits.kinds_of("all")
    with pytest.raises(ValueError, match="no scene kind"):
        splits.split_of("teacup")


def test_kinds_take_turns_and_a_longer_run_begins_like_a_shorter_one() -> None:
    kinds = splits.kinds_of("train")
    first = list(schedule(kinds, len(kinds) + 3))
    assert [k for k, _ in first[: len(kinds)]] == list(kinds)
    assert {seed for _, seed in first[: len(kinds)]} == {0}
    assert list(schedule(kinds, 3 * len(kinds)))[: len(first)] == first


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(60, 900), st.sampled_from([1, 2, 3]))
def test_a_picture_lies_inside_its_frame_on_whole_steps(seed: int, side: int, step: int) -> None:
    rng = np.random.default_rng(seed)
    scene = SIGNET
    shot = variants.framing(rng, side, step)
    camera = shot.camera(scene, step)
    points = np.concatenate([p.points() for p in scene.parts])
    x0, y0, x1, y1 = shot.window(rng, camera, points, step)
    assert (x1 - x0, y1 - y0) == shot.size
    assert all(v % step == 0 for v in (x0, y0, x1, y1))
    assert min(x0, y0) >= -step
    assert x1 <= camera.width + step
    assert y1 <= camera.height + step
    if shot.name == "whole":
        seen = camera.project(points) - [x0, y0]
        assert seen.min() > -2 * step
        assert (seen.max(axis=0) < np.array(shot.size) + 2 * step).all()


SIGNET = arrange("signet", 2)


def test_a_stage_is_drawn_by_seed_and_keeps_its_blur_in_the_picture() -> None:
    shot = variants.Framing("close", 600, 400, 2.5)
    for seed in range(30):
        one = variants.stage(np.random.default_rng(seed), shot)
        assert one == variants.stage(np.random.default_rng(seed), shot)
        assert one.boxes
        assert all(b.power > 0 and b.width > 0 and b.elevation > 0 for b in one.boxes)
        assert one.blur * shot.zoom * shot.wider <= 0.009
        assert 0.005 < variants.lightness(one.paper) <= 1.2


def test_reach_grows_with_the_blur() -> None:
    camera = variants.Framing("whole", 120, 90, 1.0).camera(SIGNET, 3)
    sharp, soft = reach(SIGNET, camera), reach(SIGNET, camera, 9)
    assert (soft | ~sharp).all()
    assert soft.sum() > sharp.sum()


@pytest.mark.parametrize("contrast", [None, 0.03])
def test_published_pictures_are_drawn_by_kind_and_seed(contrast: float | None) -> None:
    papers = set()
    for seed in range(12):
        spec = published("jug", seed, 300, Quality(), 0.94, contrast)
        assert spec == published("jug", seed, 300, Quality(), 0.94, contrast)
        assert max(spec.width, spec.height) == 300
        assert spec.look.contrast == contrast
        light = variants.lightness(spec.stage.paper)
        assert spec.look.background <= 0.9401
        assert (light > 0.9) == (spec.look.background > 0.9), "dark paper comes out dark"
        papers.add(spec.stage.paper)
    assert len(papers) >= (2 if contrast else 5)
    assert contrast is None or all(variants.lightness(p) > 0.9 for p in papers)
