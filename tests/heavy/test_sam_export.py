"""segment-anything's checkpoints as ONNX graphs: the same answers, and no code out of a pickle."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the export needs torch: pip install segtile[torch]")
pytest.importorskip("segment_anything", reason="the export needs segment_anything: pip install segtile[torch]")
onnx = pytest.importorskip("onnx", reason="the export needs onnx")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segtile[cpu]")

from small_sam import SMALL, Payload  # noqa: E402

from segtile.backends.sam_checkpoint import VIT_B, new_sam, shape_of  # noqa: E402
from segtile.backends.sam_export import DECODER, ENCODER, SOURCE_KEY, WEIGHTS, export_sam  # noqa: E402
from segtile.backends.sam_network import load_network  # noqa: E402
from segtile.backends.torch_weights import read_tensors  # noqa: E402
from segtile.catalog.content import digest  # noqa: E402
from segtile.errors import ModelError, ReadError, WouldOverwrite  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("sam") / "small.pth"
    torch.save(new_sam(SMALL).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def exported(checkpoint):
    return export_sam(checkpoint, checkpoint.parent / "graphs")


def session(path):
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_dimensions_are_read_off_the_weights():
    for shape in (SMALL, dataclasses.replace(SMALL, masks=3, decoder_depth=1, window=0, global_blocks=(0, 1, 2))):
        assert shape_of(new_sam(shape).state_dict()) == shape


def test_vit_b_is_what_segment_anything_builds():
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        reference = sam_model_registry["vit_b"]()
    assert shape_of(reference.state_dict()) == VIT_B


@pytest.mark.parametrize("size", [(90, 70), (64, 128), (41, 20)])
@pytest.mark.parametrize("prompt", ["point", "box", "box, points and mask"])
def test_the_graphs_answer_as_the_predictor_does(checkpoint, exported, size, prompt):
    from segment_anything import SamPredictor

    height, width = size
    rng = np.random.default_rng(height)
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    sam = load_network(checkpoint).model
    predictor = SamPredictor(sam)
    predictor.set_image(picture)
    box = np.array([0.1 * width, 0.2 * height, 0.8 * width, 0.9 * height])
    points, labels = np.array([[0.5 * width, 0.4 * height], [3.0, 5.0]]), np.array([1, 0])
    previous = (6 * rng.standard_normal((1, 32, 32))).astype(np.float32)
    with_points, with_box = prompt != "box", prompt != "point"
    _, scores, logits = predictor.predict(
        point_coords=points if with_points else None,
        point_labels=labels if with_points else None,
        box=box if with_box else None,
        mask_input=previous if "mask" in prompt else None,
    )

    ready = predictor.transform.apply_image(picture)
    image = sam.preprocess(torch.from_numpy(ready).permute(2, 0, 1)[None].float()).numpy()
    coords = [predictor.transform.apply_coords(points, size)] if with_points else []
    kinds = [labels] if with_points else []
    # a box is two points of kinds 2 and 3; without one there is a point that is none
    coords.append(predictor.transform.apply_coords(box.reshape(2, 2), size) if with_box else np.zeros((1, 2)))
    kinds.append(np.array([2, 3] if with_box else [-1]))
    (embedding,) = session(exported.encoder).run(["image_embeddings"], {"image": image})
    feeds = {
        "image_embeddings": embedding,
        "point_coords": np.concatenate(coords)[None].astype(np.float32),
        "point_labels": np.concatenate(kinds)[None].astype(np.float32),
        "mask_input": previous[None] if "mask" in prompt else np.zeros((1, 1, 32, 32), np.float32),
        "has_mask_input": np.array([float("mask" in prompt)], np.float32),
        "orig_im_size": np.array(size, np.float32),
    }
    found, sure = session(exported.decoder).run(["low_res_masks", "iou_predictions"], feeds)
    # the predictor leaves out the first mask, the one for several points
    np.testing.assert_allclose(found[0, 1:], logits, atol=1e-3)
    np.testing.assert_allclose(sure[0, 1:], scores, atol=1e-3)


def test_graphs_say_whose_weights_they_hold(checkpoint, exported):
    assert exported.image_size == 128
    assert exported.logits_error < 1e-3
    for path in (exported.encoder, exported.decoder):
        entries = session(path).get_modelmeta().custom_metadata_map
        assert entries[SOURCE_KEY] == digest(checkpoint, "sha256") == exported.checkpoint_sha256
        onnx.checker.check_model(str(path), full_check=True)


def test_weights_too_large_for_a_graph_lie_beside_it_in_one_file(checkpoint, exported, tmp_path):
    made = export_sam(checkpoint, tmp_path / "large", largest=1000)
    assert sorted(p.name for p in made.encoder.parent.iterdir()) == [DECODER, ENCODER, WEIGHTS]
    image = np.random.default_rng(0).standard_normal((1, 3, 128, 128)).astype(np.float32)
    one, two = (session(e.encoder).run(None, {"image": image})[0] for e in (made, exported))
    np.testing.assert_array_equal(one, two)


def test_safetensors_give_the_same_weights(checkpoint, tmp_path):
    save_file = pytest.importorskip("safetensors.torch", reason="safetensors is not installed").save_file
    weights = read_tensors(checkpoint)
    save_file({k: v.half() for k, v in weights.items()}, tmp_path / "small.safetensors")
    read = read_tensors(tmp_path / "small.safetensors")
    assert read.keys() == weights.keys()
    assert all(torch.equal(read[k], weights[k].half().float()) for k in weights)
    (tmp_path / "bad.safetensors").write_bytes((tmp_path / "small.safetensors").read_bytes()[:1000])
    with pytest.raises(ModelError, match="damaged"):
        read_tensors(tmp_path / "bad.safetensors")


def test_a_pickle_that_wants_more_than_tensors_is_refused_and_not_run(checkpoint, tmp_path):
    weights = torch.load(checkpoint, weights_only=True)
    torch.save({**weights, "note": Payload(tmp_path / "ran")}, tmp_path / "zip.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Payload(tmp_path / "ran"), protocol=2))
    for name in ("zip.pth", "bare.pth"):
        with pytest.raises(ModelError, match="wants more than tensors") as caught:
            export_sam(tmp_path / name, tmp_path / "out")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda w: {"a": torch.zeros(3)}, "lacks image_encoder"),
        (lambda w: {}, "no weights"),
        (lambda w: [1, 2], "no weights"),
        (lambda w: {**w, "epoch": 3}, "'epoch'"),
        (lambda w: {k: v for k, v in w.items() if "iou_token" not in k}, "iou_token"),
        (lambda w: {**w, "mask_decoder.hf_token.weight": torch.zeros(1, 32)}, "SAM-HQ: it lacks mask_decoder.hf_mlp"),
        (lambda w: {**w, "image_encoder.pos_embed": torch.zeros(1, 6, 6, 48)}, "windows of 2 sizes"),
        (lambda w: {**w, "image_encoder.blocks.0.attn.rel_pos_h": torch.zeros(9, 0)}, "checkpoint"),
        (lambda w: {**w, "image_encoder.neck.0.weight": torch.zeros(1).expand(10**6, 48, 1, 1)}, "not sound"),
    ],
)
def test_what_is_no_sam_is_said_in_one_sentence(checkpoint, tmp_path, change, word):
    torch.save(change(torch.load(checkpoint, weights_only=True)), tmp_path / "odd.pth")
    with pytest.raises(ModelError, match=word) as caught:
        export_sam(tmp_path / "odd.pth", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "odd.pth") in str(caught.value)
    assert not list(tmp_path.glob("out/*"))


def test_damaged_and_missing_files(checkpoint, tmp_path):
    data = checkpoint.read_bytes()
    for name, content in (("cut", data[: len(data) // 2]), ("empty", b""), ("text", b"not a checkpoint")):
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        with pytest.raises(ModelError, match="damaged or no checkpoint of torch") as caught:
            read_tensors(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ReadError):
        read_tensors(tmp_path / "none.pth")


def test_an_export_is_kept_only_where_it_gives_what_torch_gives(checkpoint, tmp_path, monkeypatch):
    from segtile.backends import sam_export

    folder = tmp_path / "out"
    folder.mkdir()
    (folder / WEIGHTS).write_bytes(b"of an earlier, larger one")
    export_sam(checkpoint, folder)
    assert sorted(p.name for p in folder.iterdir()) == [DECODER, ENCODER]
    before = (folder / ENCODER).read_bytes()
    with pytest.raises(WouldOverwrite):
        export_sam(checkpoint, folder)
    torch.manual_seed(9)
    other = load_network(checkpoint)
    other.model.image_encoder.pos_embed.data += 1
    monkeypatch.setattr(
        sam_export, "_write_encoder", lambda network, file, real=sam_export._write_encoder: real(other, file)
    )
    with pytest.raises(ModelError, match="embeddings differ"):
        export_sam(checkpoint, folder, overwrite=True)
    assert (folder / ENCODER).read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == [DECODER, ENCODER]
