"""Scenes as arrays: closed meshes, everything on the table and in the frame, deterministic by seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from mesh_checks import open_edges

from eval.synth import mesh
from eval.synth.camera import frame
from eval.synth.kinds import arrange
from eval.synth.materials import MATERIALS
from eval.synth.objects import KINDS
from eval.synth.passes import digest, reach, windows
from eval.synth.spec import Quality, SceneSpec


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_mesh_is_closed_and_every_material_known(kind: str) -> None:
    scene = arrange(kind, 3)
    for m in {id(p.mesh): p.mesh for p in scene.parts}.values():
        assert open_edges(m) == 0
        assert np.isfinite(m.vertices).all()
    assert {p.material for p in scene.parts} <= set(MATERIALS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_objects_lie_on_the_table_and_fill_the_frame(kind: str) -> None:
    scene = arrange(kind, 5)
    points = np.concatenate([p.points() for p in scene.parts])
    assert points[:, 2].min() > -1e-6
    camera = frame(scene, 800, 600)
    seen = camera.project(points)
    assert seen.min() > 0
    assert (seen.max(axis=0) < [800, 600]).all()
    span = np.ptp(seen, axis=0) / [800, 600]
    assert span.max() == pytest.approx(scene.view.fill, abs=0.01)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_equal_seeds_make_equal_scenes_and_others_differ(kind: str) -> None:
    def name(seed: int) -> str:
        return digest(SceneSpec("a", kind, 0, 80, 60), arrange(kind, seed))

    assert name(4) == name(4)
    assert name(4) != name(9)


def test_digest_follows_the_render_settings_but_not_the_look() -> None:
    scene = arrange("ring", 1)
    one = digest(SceneSpec("a", "ring", 1, 80, 60), scene)
    assert one == digest(SceneSpec("b", "ring", 1, 80, 60), scene)
    assert one != digest(SceneSpec("a", "ring", 1, 80, 60, Quality(beauty=5)), scene)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no scene kind"):
        arrange("unicorn", 1)


def test_links_of_the_chain_are_open_and_hold_each_other() -> None:
    scene = arrange("necklace", 2)
    shared = Counter(id(p.mesh) for p in scene.parts)
    links = [p for p in scene.parts if id(p.mesh) == shared.most_common(1)[0][0]]
    assert len(links) > 100
    centres = np.array([p.matrix[:3, 3] for p in links])
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    length = float(np.ptp(links[0].mesh.vertices[:, 0]))
    held = steps < length
    assert held.mean() > 0.85  # neighbours overlap by their wires, except across a station
    assert not (np.linalg.norm(links[0].mesh.vertices, axis=1) < 0.02).any()


def test_windows_cover_the_mask_without_overlap() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((100, 130), bool)
    mask[rng.integers(0, 100, 20), rng.integers(0, 130, 20)] = True
    seen = np.zeros(mask.shape, int)
    for x0, y0, x1, y1 in windows(mask, 32):
        seen[y0:y1, x0:x1] += 1
    assert seen.max() == 1
    assert (seen[mask] == 1).all()


def test_reach_holds_every_vertex_seen() -> None:
    scene = arrange("earrings", 1)
    camera = frame(scene, 400, 300)
    where = reach(scene, camera)
    p = np.floor(camera.project(np.concatenate([q.points() for q in scene.parts]))).astype(int)
    assert where[p[:, 1], p[:, 0]].all()
    assert not where.all()


@pytest.mark.parametrize("closed", [True, False])
def test_tube_keeps_its_radius(closed: bool) -> None:
    path = mesh.circle(2.0, 200) if closed else np.column_stack([np.linspace(0, 3, 50), np.zeros(50), np.zeros(50)])
    t = mesh.tube(path, 0.1, closed=closed, sides=24)
    far = np.linalg.norm(t.vertices.reshape(len(path), 24, 3) - path[:, None], axis=2)
    assert np.allclose(far, 0.1, atol=1e-9)
    assert open_edges(t) == 0
