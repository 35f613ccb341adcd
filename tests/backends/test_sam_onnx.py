"""Every family's graphs by contract: what is fed to them, and how what comes out is read."""

import dataclasses

import numpy as np
import pytest
from prompt_graphs import CARDS, SCORES, make_pair

from segtile.backends.onnx import OnnxGraph
from segtile.backends.promptable import Prompt, Promptable
from segtile.backends.sam_onnx import OnnxPromptable, stability
from segtile.errors import BadInput, ModelError

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
FAMILIES = list(CARDS)
PADDED = [f for f in FAMILIES if f not in ("sam2", "efficient-sam")]
WITH_MASK = ["sam", "mobile-sam", "sam-hq", "sam2"]


@pytest.fixture(scope="module")
def onnx():
    return pytest.importorskip("onnx", reason="onnx is not installed (extra 'dev')")


@pytest.fixture(scope="module")
def networks(onnx, tmp_path_factory):
    """Each family's network at its real size, made once."""
    made = {}

    def get(family):
        if family not in made:
            card, paths = make_pair(onnx, tmp_path_factory.mktemp(family), family)
            made[family] = OnnxPromptable(card, paths[::-1], "cpu", 1)
        return made[family]

    return get


@pytest.fixture
def fed(monkeypatch):
    """What graphs were given, run by run; onnxruntime still checks all of it."""
    seen = []
    for name in ("run", "run_kept"):
        real = getattr(OnnxGraph, name)

        def record(self, feeds, outputs, real=real):
            seen.append(dict(feeds))
            return real(self, feeds, outputs)

        monkeypatch.setattr(OnnxGraph, name, record)
    return seen


def scene(h=300, w=400):
    """Green paper with a red square at its lower right, values of 8 bits."""
    rgb = np.empty((h, w, 3), np.float32)
    rgb[:] = np.float32([60, 200, 90]) / 255
    rgb[150:250, 240:360] = np.float32([230, 20, 40]) / 255
    return rgb


POINTS = np.array([[300, 200], [20, 30]], np.float32)
ASK = Prompt(POINTS, np.array([True, False]), (238.0, 148.0, 362.0, 252.0))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_object_is_found_where_it_is(networks, family):
    network = networks(family)
    assert isinstance(network, Promptable)
    assert network.side == 1024
    embedding = network.embed(scene())
    (answer,) = network.answer(embedding, [ASK])
    count = 1 if family == "sam-hq" else 3 if family in ("sam2", "efficient-sam") else 4
    low = 512 if family == "zim" else 256
    assert answer.logits.shape == (count, low, low)
    assert answer.scores.shape == (count,)
    if family == "edge-sam":
        assert answer.scores == pytest.approx(stability(answer.logits))
    else:
        np.testing.assert_allclose(answer.scores, SCORES[0, :count])
    mask = embedding.square.to_picture(answer.logits[0]) > 0
    assert mask.shape == (300, 400)
    true = np.zeros((300, 400), bool)
    true[150:250, 240:360] = True
    both, either = (mask & true).sum(), (mask | true).sum()
    assert both / either > 0.9
    moved = [np.roll(mask, s, (0, 1)) for s in ((4, 0), (-4, 0), (0, 4), (0, -4))]
    assert all((m & true).sum() < both for m in moved), "the mask lies where the object is, not beside it"


@pytest.mark.parametrize("family", FAMILIES)
def test_coordinates_are_those_of_the_familys_frame(networks, fed, family):
    network = networks(family)
    embedding = network.embed(scene())
    fed.clear()
    network.answer(embedding, [ASK])
    (feeds,) = fed
    sx, sy = {"sam2": (1024 / 400, 1024 / 300), "efficient-sam": (1.0, 1.0)}.get(family, (2.56, 2.56))
    coords = feeds["batched_point_coords" if family == "efficient-sam" else "point_coords"].reshape(-1, 2)
    labels = feeds["batched_point_labels" if family == "efficient-sam" else "point_labels"].ravel()
    points = [] if family == "zim" else [[300 * sx, 200 * sy], [20 * sx, 30 * sy]]
    box = [[238 * sx, 148 * sy], [362 * sx, 252 * sy]]
    told = [1, 0, 2, 3] if points else [2, 3]
    if family == "efficient-sam":
        box, told = [*box, [-1, -1], [-1, -1]], [*told, -1, -1]
    np.testing.assert_allclose(coords, [*points, *box], rtol=1e-6)
    assert labels.tolist() == told


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_box_a_padding_point_stands_in_where_the_family_has_one(networks, fed, family):
    network = networks(family)
    embedding = network.embed(scene())
    fed.clear()
    network.answer(embedding, [dataclasses.replace(ASK, box=None)])
    feeds = fed[0]
    labels = feeds["batched_point_labels" if family == "efficient-sam" else "point_labels"].ravel().tolist()
    assert labels == {"sam2": [1, 0], "efficient-sam": [1, 0, -1, -1, -1, -1]}.get(family, [1, 0, -1])
    if family == "zim":
        assert feeds["point_coords"][0, -1].tolist() == [-0.5, -0.5]


@pytest.mark.parametrize("family", WITH_MASK)
def test_a_mask_prompt_goes_in_as_it_is_and_is_announced(networks, fed, family):
    network = networks(family)
    assert network.mask_side == 256
    embedding = network.embed(scene())
    mask = np.random.default_rng(3).normal(0, 5, (256, 256)).astype(np.float32)
    for given in (None, mask):
        fed.clear()
        network.answer(embedding, [dataclasses.replace(ASK, mask=given)])
        assert fed[0]["has_mask_input"].tolist() == [float(given is not None)]
        assert fed[0]["mask_input"].shape == (1, 1, 256, 256)
        np.testing.assert_array_equal(fed[0]["mask_input"][0, 0], 0 if given is None else mask)
    with pytest.raises(BadInput, match="256"):
        network.answer(embedding, [dataclasses.replace(ASK, mask=mask[:128, :128])])


@pytest.mark.parametrize("family", ["efficient-sam", "edge-sam", "zim"])
def test_families_without_mask_prompts_say_so(networks, family):
    network = networks(family)
    assert network.mask_side == 0
    with pytest.raises(BadInput, match="no mask"):
        network.answer(network.embed(scene()), [dataclasses.replace(ASK, mask=np.zeros((256, 256), np.float32))])


@pytest.mark.parametrize("family", FAMILIES)
def test_several_prompts_are_answered_each_for_itself(networks, fed, family):
    network = networks(family)
    embedding = network.embed(scene())
    one_point = Prompt(POINTS[:1], np.array([True]))
    fed.clear()
    answers = network.answer(embedding, [ASK, one_point, ASK])
    batched = family in ("sam2", "efficient-sam", "zim")
    # those with as many points go at once where the graph has a batch axis
    assert len(fed) == (1 if family in ("efficient-sam", "zim") else 2 if batched else 3)
    alone = [network.answer(embedding, [p])[0] for p in (ASK, one_point, ASK)]
    for mine, other in zip(answers, alone, strict=True):
        np.testing.assert_array_equal(mine.logits, other.logits)
        np.testing.assert_array_equal(mine.scores, other.scores)


def test_the_picture_is_padded_with_zeros_after_it_was_normalised(networks, fed):
    networks("sam").embed(scene())
    ready = fed[0]["x"]
    assert ready.shape == (1, 3, 1024, 1024)
    assert (ready[:, :, 768:] == 0).all()
    expected = (np.float32([60, 200, 90]) - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    np.testing.assert_allclose(ready[0, :, 5, 5], expected, atol=1e-5)


def test_efficient_sam_gets_the_picture_as_it_is_with_its_size(networks, fed):
    network = networks("efficient-sam")
    embedding = network.embed(scene())
    np.testing.assert_array_equal(fed[0]["batched_images"][0].transpose(1, 2, 0), scene())
    network.answer(embedding, [ASK])
    assert fed[1]["orig_im_size"].tolist() == [300, 400]
    assert fed[1]["batched_point_coords"].shape == (1, 1, 6, 2)


def test_zim_attends_to_the_box_or_to_the_points(networks, fed):
    network = networks("zim")
    assert network.soft
    assert network.exclusive
    embedding = network.embed(scene())
    fed.clear()
    network.answer(embedding, [ASK, dataclasses.replace(ASK, box=None)])
    box = next(f["attn_mask"][0] for f in fed if f["point_labels"].ravel().tolist() == [2, 3])
    x0, y0, x1, y1 = (int(v * 2.56 / 16) for v in ASK.box)
    expected = np.zeros((64, 64))
    expected[y0 : y1 + 1, x0 : x1 + 1] = 1
    np.testing.assert_array_equal(box, expected)
    soft = next(f["attn_mask"][0] for f in fed if len(f["point_labels"].ravel()) == 3)
    assert soft[int(200 * 2.56 / 16), int(300 * 2.56 / 16)] == 1
    assert soft[int(30 * 2.56 / 16), int(20 * 2.56 / 16)] == 1, (
        "theirs does not tell points on and off the object apart"
    )


def test_osams_names_for_sam_2_are_matched_by_shape(onnx, tmp_path):
    changes = {"picture": "input", "embedding": "a", "fine": "b", "middle": "c", "shift": True}
    changes |= {"embedding_in": "image_embeddings", "fine_in": "high_res_features1", "middle_in": "high_res_features2"}
    card, paths = make_pair(onnx, tmp_path, "sam2", **changes)
    network = OnnxPromptable(card, paths, "cpu", 1)
    (answer,) = network.answer(network.embed(scene()), [ASK])
    assert answer.logits.shape == (3, 256, 256)


def test_a_graph_that_nothing_feeds_is_refused_with_its_inputs_named(onnx, tmp_path):
    card, paths = make_pair(onnx, tmp_path, "sam2", fine_in="other", fine="some", side=64)
    other_card, others = make_pair(onnx, tmp_path / "hq", "sam-hq", side=64)
    with pytest.raises(ModelError, match=r"takes interm_embeddings .*nothing feeds it"):
        OnnxPromptable(card, [paths[0], others[1]], "cpu")
    with pytest.raises(ModelError, match="take points"):
        OnnxPromptable(card, [paths[1], others[1]], "cpu")
    with pytest.raises(ModelError, match="take points"):
        OnnxPromptable(card, [paths[0]], "cpu")
    with pytest.raises(ModelError, match="its card says"):
        OnnxPromptable(dataclasses.replace(other_card, size=(128, 128)), others, "cpu")
    with pytest.raises(ModelError, match="attn_mask"):
        OnnxPromptable(dataclasses.replace(other_card, family="zim"), others, "cpu")
    with pytest.raises(ModelError, match="cannot be prompted"):
        OnnxPromptable(dataclasses.replace(other_card, family="salient"), others, "cpu")


def test_asked_for_nothing_and_for_too_much(networks):
    network = networks("efficient-sam")
    embedding = network.embed(scene())
    with pytest.raises(BadInput, match="there are none"):
        network.answer(embedding, [Prompt()])
    many = Prompt(np.zeros((5, 2), np.float32), np.ones(5, bool), ASK.box)
    with pytest.raises(BadInput, match="6 points"):
        network.answer(embedding, [many])


def test_answers_that_are_no_numbers_are_refused(networks):
    network = networks("sam")
    rgb = scene()
    rgb[0, 0] = np.nan
    with pytest.raises(ModelError, match="no numbers"):
        network.answer(network.embed(rgb), [ASK])
