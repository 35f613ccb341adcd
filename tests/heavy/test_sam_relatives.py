"""MobileSAM and SAM-HQ: our two ways, torch and exported graphs, against other people's code with the same weights.

SAM-HQ's reference is its package's own predictor. MobileSAM's, whose package is on no index, is the implementation of
ultralytics, which loads the same checkpoints.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="a checkpoint needs torch: pip install segtile[torch]")
pytest.importorskip("segment_anything", reason="a checkpoint needs segment_anything: pip install segtile[torch]")
pytest.importorskip("onnx", reason="the export needs onnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segtile[cpu]")

from small_sam import DEPTHS, HEADS, SMALL, WIDTHS, WINDOWS, mobile, need_hq, small_hq, stir, tiny_hq  # noqa: E402

need_hq()

from segtile.backends.promptable import Prompt, Promptable  # noqa: E402
from segtile.backends.sam_checkpoint import VIT_B, shape_of  # noqa: E402
from segtile.backends.sam_export import export_sam  # noqa: E402
from segtile.backends.sam_network import load_network  # noqa: E402
from segtile.backends.sam_onnx import OnnxPromptable  # noqa: E402
from segtile.backends.sam_torch import TorchSam  # noqa: E402
from segtile.backends.tiny_vit import tiny_shape_of  # noqa: E402
from segtile.catalog import load_card  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

#: (height, width), in shares of the network's side: landscape, portrait, and far smaller than it.
SIZES = [(0.7, 1.0), (1.0, 0.55), (0.13, 0.2)]
KINDS = ["hq-vit", "hq-tiny", "mobile"]
#: TinyViT takes 1024 px whatever it is shown, which costs; a picture of its own size adds nothing to these two.
CASES = [(kind, share) for kind in KINDS for share in SIZES[0 if kind == "hq-vit" else 1 :]]


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """By kind: (reference, through torch, through graphs)."""
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = _make(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return get


def _make(kind, folder):
    torch.manual_seed(5)
    reference = stir({"hq-vit": small_hq, "hq-tiny": tiny_hq, "mobile": mobile}[kind](), 6)
    torch.save(reference.state_dict(), folder / "weights.pt")
    made = export_sam(folder / "weights.pt", folder / "graphs")
    family = "mobile-sam" if kind == "mobile" else "sam-hq"
    assert made.family == family
    card = load_card("mobile-sam" if kind == "mobile" else "sam-hq-tiny")
    card = dataclasses.replace(card, size=(made.image_size, made.image_size))
    return (
        reference,
        TorchSam(card, folder / "weights.pt", "cpu"),
        OnnxPromptable(card, [made.encoder, made.decoder], "cpu", 1),
    )


def picture(size, seed=0):
    """A smooth scene with some texture, 8 bits."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)


def prompts(size, mask_side):
    h, w = size
    points = np.array([[0.5 * w, 0.4 * h], [0.1 * w, 0.9 * h]], np.float32)
    inside = np.array([True, False])
    box = (0.2 * w, 0.15 * h, 0.8 * w, 0.7 * h)
    mask = np.random.default_rng(1).normal(0, 6, (mask_side, mask_side)).astype(np.float32)
    return {
        "point": Prompt(points[:1], inside[:1]),
        "box": Prompt(box=box),
        "points, mask": Prompt(points, inside, None, mask),
        "all": Prompt(points, inside, box, mask),
    }


@pytest.mark.parametrize(("kind", "share"), CASES, ids=str)
def test_both_ways_answer_as_the_reference(networks, kind, share, record_property):
    reference, *ours = networks(kind)
    side = ours[0].side
    size = tuple(round(side * s) for s in share)
    rgb = picture(size, side + size[0])
    asked = prompts(size, side // 4)
    expected = (_mobile if kind == "mobile" else _high)(reference, rgb, asked)
    worst, least = 0.0, 1.0
    for network in ours:
        assert isinstance(network, Promptable)
        embedding = network.embed(rgb.astype(np.float32) / 255)
        answers = network.answer(embedding, list(asked.values()))
        for (name, (logits, scores, masks)), answer in zip(expected.items(), answers, strict=True):
            assert answer.logits.shape == logits.shape == (4 if kind == "mobile" else 1, side // 4, side // 4)
            assert np.ptp(logits) > 1, "these logits are flat and prove nothing"
            np.testing.assert_allclose(answer.logits, logits, atol=1e-3, err_msg=name)
            np.testing.assert_allclose(answer.scores, scores, atol=1e-3, err_msg=name)
            worst = max(worst, float(np.abs(answer.logits - logits).max()))
            for values, true in zip(answer.logits, masks, strict=True):
                mine = embedding.square.to_picture(values) > 0
                union = (mine | true).sum()
                least = min(least, float((mine & true).sum() / union) if union else 1.0)
    record_property("logits", worst)
    record_property("IoU", least)
    assert least > 0.999


def _high(reference, rgb, asked):
    """What the predictor of segment_anything_hq says: logits, scores and masks in the picture's px for each prompt."""
    from segment_anything_hq import SamPredictor

    predictor = SamPredictor(reference)
    predictor.set_image(rgb)
    found = {}
    for name, prompt in asked.items():
        masks, scores, logits = predictor.predict(
            point_coords=prompt.points if len(prompt.points) else None,
            point_labels=prompt.inside.astype(int) if len(prompt.points) else None,
            box=None if prompt.box is None else np.array(prompt.box),
            mask_input=None if prompt.mask is None else prompt.mask[None],
            multimask_output=False,
        )
        found[name] = logits, scores, masks
    return found


@torch.no_grad()
def _mobile(reference, rgb, asked):
    """What ultralytics' network says, prepared and enlarged as SAM's own code has it: all four of its masks."""
    from segment_anything.utils.transforms import ResizeLongestSide

    transform = ResizeLongestSide(1024)
    ready = torch.from_numpy(transform.apply_image(rgb)).permute(2, 0, 1).float()
    ready = (ready - reference.pixel_mean) / reference.pixel_std
    ready = torch.nn.functional.pad(ready, (0, 1024 - ready.shape[2], 0, 1024 - ready.shape[1]))
    embedding = reference.image_encoder(ready[None])
    size, inner, found = rgb.shape[:2], transform.get_preprocess_shape(*rgb.shape[:2], 1024), {}
    for name, prompt in asked.items():
        points = boxes = masks = None
        if len(prompt.points):
            at = torch.from_numpy(transform.apply_coords(prompt.points, size)).float()
            points = at[None], torch.from_numpy(prompt.inside.astype(np.int32))[None]
        if prompt.box is not None:
            boxes = torch.from_numpy(transform.apply_boxes(np.array([prompt.box]), size)).float()
        if prompt.mask is not None:
            masks = torch.from_numpy(prompt.mask)[None, None]
        sparse, dense = reference.prompt_encoder(points=points, boxes=boxes, masks=masks)
        logits, scores = reference.mask_decoder.predict_masks(
            embedding, reference.prompt_encoder.get_dense_pe(), sparse, dense
        )
        large = torch.nn.functional.interpolate(logits, (1024, 1024), mode="bilinear")[..., : inner[0], : inner[1]]
        large = torch.nn.functional.interpolate(large, size, mode="bilinear")
        found[name] = logits[0].numpy(), scores[0].numpy(), large[0].numpy() > 0
    return found


@pytest.mark.parametrize("kind", ["hq-vit", "hq-tiny"])
def test_early_features_have_a_say(networks, kind):
    """The second of two features travels with an embedding, through torch and through graphs."""
    for network in networks(kind)[1:]:
        embedding = network.embed(picture((64, 80)).astype(np.float32) / 255)
        assert list(embedding.features) == ["image_embeddings", "interm_embeddings"]
        asked = [Prompt(box=(10.0, 10.0, 60.0, 50.0))]
        (before,) = network.answer(embedding, asked)
        other = network.embed(picture((64, 80), 1).astype(np.float32) / 255)
        mixed = {**embedding.features, "interm_embeddings": other.features["interm_embeddings"]}
        (after,) = network.answer(dataclasses.replace(embedding, features=mixed), asked)
        assert np.abs(before.logits - after.logits).max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_and_the_picture_change_the_answer(networks, kind):
    network = networks(kind)[1]
    one, two = (network.embed(picture((64, 80), seed).astype(np.float32) / 255) for seed in (0, 1))
    boxes = [Prompt(box=(10.0, 10.0, 60.0, 50.0)), Prompt(box=(2.0, 3.0, 20.0, 15.0))]
    (first, second), (third,) = network.answer(one, boxes), network.answer(two, boxes[:1])
    assert np.abs(first.logits - second.logits).max() > 0.05
    assert np.abs(first.logits - third.logits).max() > 0.05


def test_dimensions_are_read_off_the_weights():
    from segment_anything_hq import sam_model_registry
    from segment_anything_hq.build_sam_baseline import sam_model_registry_baseline

    high = shape_of(small_hq().state_dict())
    assert high == SMALL
    narrow = tiny_shape_of(tiny_hq().state_dict())
    assert (narrow.widths, narrow.depths, narrow.heads, narrow.windows) == (WIDTHS, DEPTHS, HEADS, WINDOWS)
    for registry in (sam_model_registry, sam_model_registry_baseline):
        published = tiny_shape_of(registry["vit_tiny"]().state_dict())
        assert (published.widths, published.depths) == ((64, 128, 160, 320), (2, 2, 6, 2))
        assert (published.heads[1:], published.windows) == ((4, 5, 10), (7, 7, 14, 7))
        assert (published.mlp_ratio, published.expansion, published.mask_side) == (4.0, 4.0, 256)
    with torch.device("meta"):
        weights = sam_model_registry["vit_b"]().state_dict()
    assert shape_of(weights) == VIT_B


def test_checkpoints_of_the_published_dimensions_load(tmp_path):
    """As their own packages write them; MobileSAM's has the classifier of its pretraining, which nothing needs."""
    from segment_anything_hq import sam_model_registry
    from ultralytics.models.sam.build import build_mobile_sam

    before = torch.random.get_rng_state()
    for model, family in ((sam_model_registry["vit_tiny"](), "sam-hq"), (build_mobile_sam(), "mobile-sam")):
        weights = model.state_dict()
        assert "image_encoder.head.weight" in weights
        torch.save(weights, tmp_path / "whole.pt")
        torch.save({k: v for k, v in weights.items() if "head." not in k or "iou" in k}, tmp_path / "less.pt")
        for name in ("whole.pt", "less.pt"):
            torch.random.set_rng_state(before)
            network = load_network(tmp_path / name, family)
            assert network.side == 1024
            assert not network.model.training
            kept = network.model.state_dict()
            assert all(torch.equal(kept[k], weights[k]) for k in kept)
            assert torch.equal(torch.random.get_rng_state(), before), "loading draws from the user's generator"
