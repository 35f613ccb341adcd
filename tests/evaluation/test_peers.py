"""The peers that can run without a registry, the scenes they are compared on, and the configurations that name them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from segtile.errors import ModelError
from segtile.evaluation.config import PeerSystem, load_config
from segtile.evaluation.workers import Worker, WorkerReply
from segtile.metrics.coco import evaluate

REPO = Path(__file__).resolve().parents[2]
PEERS = REPO / "eval" / "peers"
CONFIGS = sorted((REPO / "eval" / "configs").glob("*.yaml"))
FOLDERS = sorted(path.parent for path in PEERS.glob("*/peer.py"))


def run(
    name: str, photo: Path, output: Path, *arguments: str, environ: dict[str, str] | None = None, **fields: object
) -> WorkerReply:
    """One job for a peer in the running Python."""
    with Worker(PEERS / name, Path(sys.executable), arguments, environ=environ, timeout=60) as worker:
        return worker.run(photo, output, **fields)


# --- what the folders and the configurations promise -------------------------------------------------------------


def test_the_issues_peers_are_there() -> None:
    matting, detection = {"grabcut", "pymatting", "rembg"}, {"detector", "sahi", "segtile", "supervision"}
    assert {folder.name for folder in FOLDERS} == {*matting, *detection, "stitching"}


def test_our_own_rows_run_in_the_runs_environment() -> None:
    assert not (PEERS / "segtile" / "requirements.txt").exists()
    for config in CONFIGS:
        text = config.read_text()
        assert text.count("../peers/segtile") == text.count("ours: true")


@pytest.mark.parametrize("folder", [f for f in FOLDERS if f.name != "segtile"], ids=lambda folder: folder.name)
def test_requirements_are_pinned_to_the_last_package(folder: Path) -> None:
    lines = [line.split("#")[0].strip() for line in (folder / "requirements.txt").read_text().splitlines()]
    lines = [line for line in lines if line]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*", line)] == []


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_a_configuration_names_peers_and_arguments_that_they_take(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGTILE_SHARED", str(tmp_path))
    systems = [system for system in load_config(config).systems if isinstance(system, PeerSystem)]
    assert len({(system.folder, system.arguments) for system in systems}) == len(systems)
    for system in systems:
        # without a job a peer reads its arguments and ends; nothing heavy is imported by then
        command = [sys.executable, "-I", system.folder / "peer.py", *system.arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""


def test_both_peers_tables_hold_the_same_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGTILE_SHARED", str(tmp_path))
    cutout, real = (load_config(REPO / "eval" / "configs" / f"{name}.yaml") for name in ("cutout", "real"))
    assert cutout.systems == real.systems
    assert cutout.metrics == real.metrics
    assert cutout.systems[0].name == "segtile"
    assert [system.name for system in cutout.systems if "oracle" in system.name] == ["pymatting-oracle-trimap"]


# --- peers for alphas --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ring(ring_scene: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A gold ring as a photo and its exact alpha beside it, 450 x 350 px."""
    picture, alpha = ring_scene
    folder = tmp_path_factory.mktemp("ring")
    small = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    truth = cv2.resize(np.rint(alpha * 65535), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / "ring.png"), small[..., ::-1])
    cv2.imwrite(str(folder / "ring_alpha.png"), np.rint(truth).astype(np.uint16))
    return folder / "ring.png", folder / "ring_alpha.png"


def read_alpha(path: Path) -> np.ndarray:
    levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return levels / (65535 if levels.dtype == np.uint16 else 255)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return ((a >= 0.5) & (b >= 0.5)).sum() / ((a >= 0.5) | (b >= 0.5)).sum()


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A dark blue disc on a light sweep with noise, 240 x 200 px, as a photo, and where the disc is."""
    yy, xx = np.mgrid[:200, :240]
    inside = np.hypot(xx - 120, yy - 100) < 60
    picture = np.where(inside[..., None], (30, 60, 150), (225, 220, 214)) * (1 - 0.08 * yy[..., None] / 200)
    picture = picture + np.random.default_rng(5).normal(0, 3, picture.shape)
    path = tmp_path_factory.mktemp("disc") / "disc.png"
    cv2.imwrite(str(path), np.clip(np.rint(picture), 0, 255).astype(np.uint8)[..., ::-1])
    return path, inside


def test_grabcut_cuts_a_disc_twice_the_same(disc: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    outputs = [tmp_path / "a.png", tmp_path / "b.png"]
    for output in outputs:
        assert run("grabcut", disc[0], output).error is None
    alpha = read_alpha(outputs[0])
    assert set(np.unique(alpha)) == {0.0, 1.0}
    assert iou(alpha, disc[1]) > 0.98
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_grabcut_makes_a_large_picture_smaller_and_its_mask_larger(
    disc: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    assert run("grabcut", disc[0], tmp_path / "a.png", "--long-side", "80").error is None
    alpha = read_alpha(tmp_path / "a.png")
    assert alpha.shape == disc[1].shape
    assert ((alpha > 0) & (alpha < 1)).any()
    assert iou(alpha, disc[1]) > 0.9


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """For small pictures: compiling all of pymatting takes a minute in a new environment."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")


@pytest.mark.usefixtures("uncompiled")
def test_pymatting_is_given_a_band_of_the_answer_and_no_more(ring: tuple[Path, Path], tmp_path: Path) -> None:
    photo, answer = tmp_path / "ring.png", tmp_path / "ring_alpha.png"
    for file, small in zip(ring, (photo, answer), strict=True):
        picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(small), cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
    truth = read_alpha(answer)
    elsewhere = Path(shutil.copy(answer, tmp_path / "answer.png"))
    with Worker(PEERS / "pymatting", Path(sys.executable), ["--radius", "4"], timeout=60) as worker:
        assert worker.run(photo, tmp_path / "a.png", truth=elsewhere).error is None
        assert worker.run(photo, tmp_path / "b.png").error is None, "the answer beside the photo is not found"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    alpha = read_alpha(tmp_path / "a.png")
    assert np.abs(alpha - truth).mean() < 0.01
    sure_object = cv2.distanceTransform((truth >= 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > 4
    sure_background = cv2.distanceTransform((truth <= 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > 4
    assert (alpha[sure_object] > 0.995).all()
    assert (alpha[sure_background] < 0.005).all()
    # the answer itself is not what comes out of the band
    assert np.abs(alpha - truth).max() > 1 / 255


@pytest.mark.usefixtures("uncompiled")
def test_pymatting_refuses_what_it_has_no_trimap_or_no_memory_for(ring: tuple[Path, Path], tmp_path: Path) -> None:
    lonely = tmp_path / "lonely.png"
    lonely.write_bytes(ring[0].read_bytes())
    assert "no lonely_alpha.png beside" in (run("pymatting", lonely, tmp_path / "b.png").error or "")
    large = run("pymatting", ring[0], tmp_path / "b.png", "--megapixels", "0.1")
    assert large.error == "0.2 MP is over the 0.1 MP that closed-form matting is given here"
    wide = run("pymatting", ring[0], tmp_path / "b.png", "--radius", "400")
    assert "leaves no sure object" in (wide.error or "")
    assert not (tmp_path / "b.png").exists()


def test_rembg_says_which_weights_it_misses(tmp_path: Path) -> None:
    arguments = ["--model", "u2netp", "--weights", str(tmp_path)]
    with (
        pytest.raises(ModelError, match=r"u2netp\.onnx is not in .* \(set SEGTILE_SHARED\)"),
        Worker(PEERS / "rembg", Path(sys.executable), arguments),
    ):
        pass


def test_a_16_bit_tiff_is_read_as_8_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.syspath_prepend(str(PEERS))
    import pictures

    deep = np.random.default_rng(3).integers(0, 65536, (5, 7, 3), np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb")
    assert np.array_equal(pictures.read_rgb(tmp_path / "deep.tif"), (deep >> 8).astype(np.uint8))


# --- scenes and detection peers ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes of 1200 px."""
    from eval.scenes import write_scenes

    return write_scenes(tmp_path_factory.mktemp("scenes"), seed=3, pictures=2, side=1200).parent


def detect(peer: str, scenes: Path, folder: Path, *arguments: str) -> list[dict[str, object]]:
    truth = json.loads((scenes / "annotations.json").read_text())
    found: list[dict[str, object]] = []
    with Worker(PEERS / peer, Path(sys.executable), arguments, timeout=60) as worker:
        for image in truth["images"]:
            output = folder / f"{peer}-{image['id']}.json"
            reply = worker.run(scenes / image["file_name"], output, image_id=image["id"])
            assert reply.error is None
            found += json.loads(output.read_text())
    return found


def test_scenes_are_the_same_for_a_seed_and_others_for_another(scenes: Path, tmp_path: Path) -> None:
    from eval.scenes import make_scene, write_scenes

    again = write_scenes(tmp_path, seed=3, pictures=1, side=1200)
    assert (tmp_path / "scene_000.jpg").read_bytes() == (scenes / "scene_000.jpg").read_bytes()
    first = [a for a in json.loads((scenes / "annotations.json").read_text())["annotations"] if a["image_id"] == 1]
    assert json.loads(again.read_text())["annotations"] == first
    assert not np.array_equal(make_scene(3000, 400).labels, make_scene(3001, 400).labels)


def test_scenes_hold_what_slicing_finds_hard(scenes: Path) -> None:
    from pycocotools import mask as coco_mask

    content = json.loads((scenes / "annotations.json").read_text())
    first = [a for a in content["annotations"] if a["image_id"] == 1]
    masks = [coco_mask.decode(a["segmentation"]).astype(bool) for a in first]
    total = np.sum(masks, axis=0)
    assert total.max() == 1, "two objects cover one pixel"
    for one, mask in zip(first, masks, strict=True):
        ys, xs = np.nonzero(mask)
        assert one["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        assert one["area"] == mask.sum()
        assert cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0] == 2, "an object in pieces"
    every = content["annotations"]
    assert {a["category_id"] for a in every} == {1, 2, 3, 4}
    assert min(max(a["bbox"][2:]) for a in every) < 32
    assert max(max(a["bbox"][2:]) for a in every) > 400, "none is larger than a slice of these tests"
    near = [cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) for mask in masks]
    same = [
        (i, j)
        for i in range(len(first))
        for j in range(i)
        if first[i]["category_id"] == first[j]["category_id"] and (near[i] & masks[j]).any()
    ]
    assert same, "no two of a kind touch"
    holes = [a for a, m in zip(first, masks, strict=True) if cv2.connectedComponents(1 - m.astype(np.uint8))[0] > 2]
    assert len(holes) >= 3, "rings and plates have no holes"
    assert all(sum(a["image_id"] == image["id"] for a in every) <= 130 for image in content["images"])


def test_the_detector_misses_nothing_that_it_is_shown_whole(scenes: Path, tmp_path: Path) -> None:
    found = detect("detector", scenes, tmp_path, "--side", "0")
    truth = json.loads((scenes / "annotations.json").read_text())
    for kind in ("bbox", "segm"):
        stats = evaluate(truth, found, iou_type=kind).stats
        assert stats["AP"] > 0.99, f"what is lost by {kind} is not lost by slicing alone"


def test_the_detector_loses_small_parts_at_its_input_size(scenes: Path, tmp_path: Path) -> None:
    found = detect("detector", scenes, tmp_path, "--side", "300")
    truth = json.loads((scenes / "annotations.json").read_text())
    stats = evaluate(truth, found, iou_type="bbox").stats
    assert stats["APs"] < 0.3
    assert stats["APl"] > stats["APs"] + 0.3
    masks_fit = [one["bbox"][0] + one["bbox"][2] <= 1200 and one["bbox"][1] + one["bbox"][3] <= 1200 for one in found]  # type: ignore[index]
    assert all(masks_fit)


@pytest.mark.parametrize(("peer", "module"), [("sahi", "sahi"), ("supervision", "supervision")])
def test_slicing_finds_what_the_whole_picture_hides(peer: str, module: str, scenes: Path, tmp_path: Path) -> None:
    pytest.importorskip(
        module, reason=f"{module} runs in an environment of its own, made by eval/configs/detection.yaml"
    )
    truth = json.loads((scenes / "annotations.json").read_text())
    sliced = evaluate(truth, detect(peer, scenes, tmp_path, "--side", "400"), iou_type="bbox").stats
    whole = evaluate(truth, detect("detector", scenes, tmp_path, "--side", "300"), iou_type="bbox").stats
    assert sliced["APs"] > whole["APs"] + 0.2
