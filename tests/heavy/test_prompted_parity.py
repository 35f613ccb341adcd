"""Our path over ONNX graphs against the families' own predictors, with seeded weights.

SAM is segment-anything's own code with a narrow, shallow encoder for 256 px, and once for the 1024 px of the published
models; ZIM is its authors' package over graphs with their exact names and shapes whose answers depend on every input.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the references need torch: pip install segtile[torch]")
pytest.importorskip("onnx", reason="the export needs onnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segtile[cpu]")

from segtile.backends.promptable import Prompt  # noqa: E402
from segtile.backends.sam_onnx import OnnxPromptable  # noqa: E402
from segtile.backends.squares import place, resize  # noqa: E402
from segtile.catalog import load_card  # noqa: E402

torch.set_num_threads(1)  # small networks; threads that wait for each other cost more on a busy machine

#: (height, width): a tile as planned, landscape, portrait, small, and larger than the network of 256 px.
SIZES = [(256, 256), (175, 256), (256, 160), (75, 105), (83, 54), (375, 275)]


def picture(size, seed=0):
    """A smooth scene with some texture, 8 bits."""
    import cv2

    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (12, 12, 3)).astype(np.uint8)
    smooth = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC).astype(np.float32)
    return np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)


def prompts(size, side):
    h, w = size
    points = np.array([[0.5 * w, 0.4 * h], [0.1 * w, 0.9 * h], [0.55 * w, 0.45 * h]], np.float32)
    inside = np.array([True, False, True])
    box = (0.2 * w, 0.15 * h, 0.8 * w, 0.7 * h)
    mask = np.random.default_rng(1).normal(0, 6, (side, side)).astype(np.float32)
    return {
        "point": Prompt(points[:1], inside[:1]),
        "points": Prompt(points, inside),
        "box": Prompt(box=box),
        "box, points": Prompt(points, inside, box),
        "box, mask": Prompt(box=box, mask=mask),
        "point, mask": Prompt(points[:1], inside[:1], None, mask),
        "all": Prompt(points, inside, box, mask),
    }


def arguments(prompt):
    """The same prompt as SAM's and ZIM's predictors take it."""
    return {
        "point_coords": prompt.points.astype(np.float64) if len(prompt.points) else None,
        "point_labels": prompt.inside.astype(np.int64) if len(prompt.points) else None,
        "box": None if prompt.box is None else np.array(prompt.box),
    }


@pytest.fixture(scope="module")
def sams(tmp_path_factory):
    """By the encoder's side: a predictor of segment-anything and our network over the export of its weights."""
    made = {}

    def get(side):
        if side not in made:
            made[side] = _sam(side, tmp_path_factory.mktemp("sam"))
        return made[side]

    return get


def _sam(side, folder):
    pytest.importorskip("segment_anything", reason="the reference needs segment_anything: pip install segtile[torch]")
    from segment_anything import SamPredictor

    from segtile.backends.sam_checkpoint import VIT_B, new_sam
    from segtile.backends.sam_export import export_sam
    from segtile.backends.sam_network import load_network

    torch.manual_seed(7)
    shape = dataclasses.replace(VIT_B, image_size=side, width=48, depth=2, heads=3, mlp_width=96, global_blocks=(1,))
    fresh = new_sam(shape)
    with torch.no_grad():
        # as drawn, the positions are zero and the masks all but constant: a picture would leave no trace in the answer
        fresh.image_encoder.pos_embed.normal_(0, 0.3)
        for mlp in fresh.mask_decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight.mul_(6)
    torch.save(fresh.state_dict(), folder / "sam.pth")
    export_sam(folder / "sam.pth", folder / "graphs")
    graphs = [folder / "graphs" / name for name in ("encoder.onnx", "decoder.onnx")]
    card = dataclasses.replace(load_card("sam-vit-b"), id="sam-narrow", size=(side, side))
    return SamPredictor(load_network(folder / "sam.pth").model), OnnxPromptable(card, graphs, "cpu", 2)


@pytest.mark.parametrize(("side", "size"), [*((256, size) for size in SIZES), (1024, (700, 1024))], ids=str)
def test_sam_answers_as_its_own_predictor(sams, side, size, record_property):
    predictor, network = sams(side)
    rgb = picture(size)
    predictor.set_image(rgb)
    embedding = network.embed(rgb.astype(np.float32) / 255)
    asked = prompts(size, side // 4)
    answers = network.answer(embedding, list(asked.values()))
    worst, least = 0.0, 1.0
    for (name, prompt), answer in zip(asked.items(), answers, strict=True):
        given = arguments(prompt) | {"mask_input": None if prompt.mask is None else prompt.mask[None]}
        for multimask, chosen in ((True, slice(1, 4)), (False, slice(0, 1))):
            masks, scores, low = predictor.predict(**given, multimask_output=multimask)
            mine = answer.logits[chosen]
            assert np.ptp(low) > 1, "these logits are flat and prove nothing"
            worst = max(worst, float(np.abs(mine - low).max()))
            np.testing.assert_allclose(mine, low, atol=1e-3, err_msg=name)
            np.testing.assert_allclose(answer.scores[chosen], scores, atol=1e-3, err_msg=name)
            for logits, true in zip(mine, masks, strict=True):
                mask = embedding.square.to_picture(logits) > 0
                union = (mask | true).sum()
                least = min(least, float((mask & true).sum() / union) if union else 1.0)
    record_property("logits", worst)
    record_property("IoU", least)
    assert least > 0.999


@pytest.mark.parametrize("size", [(700, 1024), (420, 300), (1500, 1100)], ids=str)
def test_pictures_are_prepared_as_segment_anything_does(size):
    transforms = pytest.importorskip("segment_anything.utils.transforms", reason="needs segment_anything")
    rgb = picture(size, 3)
    theirs = transforms.ResizeLongestSide(1024).apply_image(rgb)
    ours = resize(rgb.astype(np.float32) / 255, place(size[1], size[0], 1024, "longest").inner) * 255
    np.testing.assert_array_equal(np.rint(ours), theirs)
    # a picture of 16 bits is not rounded on the way
    fine = rgb.astype(np.float32) / 255 + np.float32(1 / 65535)
    ours = resize(fine, place(size[1], size[0], 1024, "longest").inner) * 255
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("size", [(300, 420), (1500, 1100)], ids=str)
def test_pictures_are_prepared_as_sam_2_does(size):
    """SAM2Transforms: a tensor in 0..1, resized to a square with antialiasing, then normalised."""
    transforms = pytest.importorskip("torchvision.transforms.v2.functional", reason="needs torchvision")
    rgb = picture(size, 4)
    tensor = torch.from_numpy(rgb).permute(2, 0, 1).float() / 255
    theirs = transforms.resize(tensor, [1024, 1024], antialias=True).permute(1, 2, 0).numpy() * 255
    ours = resize(rgb.astype(np.float32) / 255, (1024, 1024)) * 255
    assert np.abs(ours - theirs).max() <= 1


class ZimEncoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Conv2d(3, 256, 16, 16)
        self.details = torch.nn.ModuleList(torch.nn.Conv2d(3, 8, stride, stride) for stride in (8, 4, 2))

    def forward(self, image):
        return (self.embed(image), *(detail(image) for detail in self.details))


class ZimDecoder(torch.nn.Module):
    """Four masks at half the square's side, of which every input has a say."""

    def __init__(self):
        super().__init__()
        self.kinds = torch.nn.Embedding(5, 16)
        self.places = torch.nn.Linear(2, 16)
        self.told = torch.nn.Linear(16, 32)
        self.base = torch.nn.Conv2d(256, 4, 1)
        self.details = torch.nn.ModuleList(torch.nn.Conv2d(8, 4, 1) for _ in range(3))
        self.score = torch.nn.Linear(16, 4)

    def forward(self, feat_D0, feat_D1, feat_D2, image_embeddings, attn_mask, point_coords, point_labels):
        tokens = self.places((point_coords + 0.5) / 1024) + self.kinds((point_labels + 1).long())
        told = torch.tanh(tokens).sum(1)
        gains = self.told(told).reshape(-1, 8, 4)
        maps = self.base(image_embeddings) * attn_mask[:, None] * gains[:, 0, :, None, None]
        total = torch.nn.functional.interpolate(maps, (512, 512), mode="bilinear")
        for k, (conv, feat) in enumerate(zip(self.details, (feat_D0, feat_D1, feat_D2), strict=True)):
            part = conv(feat) * gains[:, k + 1, :, None, None]
            total = total + torch.nn.functional.interpolate(part, (512, 512), mode="bilinear")
        return 4 * total, torch.sigmoid(self.score(told))


@pytest.fixture(scope="module")
def zim(tmp_path_factory):
    """ZIM's own predictor and ours over the same graphs, by the names and axes of its published ones."""
    package = pytest.importorskip("zim_anything", reason="the reference needs zim_anything and easydict")
    folder = tmp_path_factory.mktemp("zim")
    torch.manual_seed(5)
    encoder, decoder = ZimEncoder().eval(), ZimDecoder().eval()
    feats = ["image_embeddings", "feat_D0", "feat_D1", "feat_D2"]
    image = torch.zeros(1, 3, 1024, 1024)
    with torch.no_grad():
        embedded, *details = encoder(image)
        torch.onnx.export(
            encoder, (image,), folder / "encoder.onnx", input_names=["image"], output_names=feats, dynamo=False
        )
        torch.onnx.export(
            decoder,
            (*details, embedded, torch.ones(1, 64, 64), torch.zeros(1, 2, 2), torch.ones(1, 2)),
            folder / "decoder.onnx",
            input_names=[*feats[1:], feats[0], "attn_mask", "point_coords", "point_labels"],
            output_names=["masks", "iou_predictions"],
            dynamic_axes={
                "attn_mask": {0: "batch"},
                "point_coords": {0: "batch", 1: "points"},
                "point_labels": {0: "batch", 1: "points"},
            },
            dynamo=False,
        )
    reference = package.ZimPredictor(package.zim_model_registry["vit_b"](checkpoint=str(folder)))
    card = load_card("zim-vit-b")
    return reference, OnnxPromptable(card, [folder / "decoder.onnx", folder / "encoder.onnx"], "cpu", 2)


@pytest.mark.parametrize("size", [(700, 1024), (420, 300)], ids=str)
def test_zim_answers_as_its_own_predictor(zim, size, record_property):
    predictor, network = zim
    rgb = picture(size, 9)
    predictor.set_image(rgb)
    embedding = network.embed(rgb.astype(np.float32) / 255)
    asked = {name: p for name, p in prompts(size, 256).items() if name in ("point", "points", "box")}
    answers = network.answer(embedding, list(asked.values()))
    worst = 0.0
    for (name, prompt), answer in zip(asked.items(), answers, strict=True):
        alphas, scores, _ = predictor.predict(**arguments(prompt))
        assert np.ptp(alphas) > 0.5, "these alphas are flat and prove nothing"
        mine = np.stack([1 / (1 + np.exp(-embedding.square.to_picture(m))) for m in answer.logits])
        np.testing.assert_allclose(mine, alphas, atol=1e-3, err_msg=name)
        np.testing.assert_allclose(answer.scores, scores, atol=1e-4, err_msg=name)
        worst = max(worst, float(np.abs(mine - alphas).max()))
    record_property("alpha", worst)
