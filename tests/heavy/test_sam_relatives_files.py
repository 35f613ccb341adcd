"""Files given for checkpoints of MobileSAM and SAM-HQ: what is none of them is said in one sentence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="a checkpoint needs torch: pip install segtile[torch]")
pytest.importorskip("segment_anything", reason="a checkpoint needs segment_anything: pip install segtile[torch]")

from small_sam import SMALL, Payload, mobile, need_hq, small_hq, tiny_hq  # noqa: E402

need_hq()

from segtile.backends import sam_checkpoint  # noqa: E402
from segtile.backends.open_promptable import open_promptable  # noqa: E402
from segtile.backends.own_sam import open_own_sam  # noqa: E402
from segtile.backends.promptable import Prompt  # noqa: E402
from segtile.backends.sam_checkpoint import new_sam  # noqa: E402
from segtile.backends.sam_export import export_sam  # noqa: E402
from segtile.backends.sam_network import load_network  # noqa: E402
from segtile.backends.sam_torch import TorchSam  # noqa: E402
from segtile.catalog import load_card, weights_folder  # noqa: E402
from segtile.errors import BackendMissing, ModelError  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

MAKERS = {"sam": lambda: new_sam(SMALL), "mobile-sam": mobile, "sam-hq": tiny_hq, "sam-hq-vit": small_hq}
CARDS = {"sam": "sam-vit-b", "mobile-sam": "mobile-sam", "sam-hq": "sam-hq-tiny"}
TITLES = {"sam": "SAM", "mobile-sam": "MobileSAM", "sam-hq": "SAM-HQ"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(2)
    for name, make in MAKERS.items():
        torch.save(make().state_dict(), folder / f"{name}.pt")
    return folder


def sentence(caught, path):
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_they_are_taken_by_path_as_checkpoints_and_as_graphs(files, tmp_path):
    for made in ("mobile-sam", "sam-hq-vit"):
        network, said = open_own_sam(files / f"{made}.pt", "cpu", 1)
        assert "segment_anything_hq and torch" in said
        rgb = np.random.default_rng(0).random((60, 90, 3)).astype(np.float32)
        prompt = Prompt(box=(10.0, 10.0, 70.0, 50.0))
        (wanted,) = network.answer(network.embed(rgb), [prompt])
        if made == "mobile-sam":
            continue  # its export at 1024 px is compared elsewhere
        export_sam(files / f"{made}.pt", tmp_path / made)
        graphs, _ = open_own_sam(tmp_path / made, "cpu", 1)
        (found,) = graphs.answer(graphs.embed(rgb), [prompt])
        assert found.logits.shape == wanted.logits.shape == (1, graphs.mask_side, graphs.mask_side)
        np.testing.assert_allclose(found.logits, wanted.logits, atol=1e-3)


@pytest.mark.parametrize("made", MAKERS)
@pytest.mark.parametrize("family", CARDS)
def test_a_checkpoint_under_another_familys_card(files, made, family):
    path, real = files / f"{made}.pt", made.removesuffix("-vit")
    assert load_network(path).family == real, "what it is shows in the weights"
    if real == family:
        return
    with pytest.raises(ModelError, match="where one of") as caught:
        TorchSam(load_card(CARDS[family]), path, "cpu")
    assert f"is a checkpoint of {TITLES[real]}, where one of {TITLES[family]} is expected" in sentence(caught, path)


@pytest.mark.parametrize("name", ["mobile-sam", "sam-hq"])
def test_damaged_files_and_pickles_through_the_catalogue(files, tmp_path, monkeypatch, run, name):
    """From the command line to the sentence; nothing is written and nothing of a pickle is run."""
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path / "home"))
    weights_folder().mkdir(parents=True)
    whole = (files / f"{name}.pt").read_bytes()
    weights = torch.load(files / f"{name}.pt", weights_only=True)
    torch.save({**weights, "note": Payload(tmp_path / "ran")}, tmp_path / "payload.pt")
    cases = {
        "cut": (whole[: len(whole) // 2], "damaged or no checkpoint of torch"),
        "payload": ((tmp_path / "payload.pt").read_bytes(), "a pickle that wants more than tensors"),
    }
    for case, (content, words) in cases.items():
        path = weights_folder() / f"{case}.pt"
        path.write_bytes(content)
        card = load_card(CARDS[name])
        file = dataclasses.replace(card.files[0], name=path.name, git_blob="", sha256="", bytes=None)
        with pytest.raises(ModelError, match=words) as caught:
            open_promptable(dataclasses.replace(card, files=(file,)), "cpu")
        sentence(caught, path)
        code, _, err = run("models", "export", path, "-o", tmp_path / "graphs", "-q")
        assert code == 1
        assert words in " ".join(err.split())
        assert "Traceback" not in err
    assert not (tmp_path / "ran").exists()
    assert not list(tmp_path.glob("graphs/*"))


@pytest.mark.parametrize(
    ("name", "change", "word"),
    [
        ("mobile-sam", {"image_encoder.layers.1.downsample.conv1.c.weight": (320, 16, 1, 1)}, "do not end on 64 x 64"),
        ("mobile-sam", {"image_encoder.layers.3.blocks.0.attn.attention_biases": (10, 999_999)}, "windows of up to"),
        ("mobile-sam", {"image_encoder.layers.3.blocks.0.attn.attention_biases": (10, 0)}, "windows of up to"),
        ("mobile-sam", {"image_encoder.layers.3.blocks.0.attn.attention_biases": (7, 49)}, "must be divisible"),
        ("mobile-sam", {"image_encoder.layers.1.downsample.conv1.c.weight": (10**6, 0, 1, 1)}, "numbers where"),
        ("mobile-sam", {"image_encoder.patch_embed.seq.2.c.weight": (0, 4, 3, 3)}, "checkpoint of MobileSAM"),
        ("mobile-sam", {"image_encoder.patch_embed.seq.2.c.weight": (8,)}, "checkpoint of MobileSAM"),
        ("mobile-sam", {"image_encoder.layers.3.blocks.0.attn.qkv.bias": None}, "lacks image_encoder.layers.3"),
        ("mobile-sam", {"image_encoder.layers.2.downsample.conv1.c.weight": None}, "lacks image_encoder.layers.2"),
        ("sam-hq", {"mask_decoder.compress_vit_feat.0.weight": (99, 256, 2, 2)}, "size mismatch for mask_decoder.comp"),
        ("sam-hq", {"mask_decoder.hf_token.weight": (1, 99)}, "size mismatch for mask_decoder.hf_token"),
        ("sam-hq", {"mask_decoder.more.weight": (3,)}, "it holds mask_decoder.more.weight"),
        ("sam-hq-vit", {"image_encoder.blocks.1.attn.rel_pos_h": (9, 16)}, "looks at all of a picture"),
        ("sam-hq-vit", {"prompt_encoder.no_mask_embed.weight": None}, "lacks prompt_encoder.no_mask_embed"),
    ],
)
def test_what_is_no_such_network(files, tmp_path, name, change, word):
    weights = torch.load(files / f"{name}.pt", weights_only=True)
    for key, shape in change.items():
        weights.pop(key, None)
        if shape is not None:
            weights[key] = torch.zeros(shape)
    torch.save(weights, tmp_path / "odd.pt")
    with pytest.raises(ModelError, match=word) as caught:
        load_network(tmp_path / "odd.pt")
    sentence(caught, tmp_path / "odd.pt")


def test_more_blocks_than_any_tiny_vit_has(files, tmp_path):
    """Small names that would have a large network built."""
    weights = torch.load(files / "mobile-sam.pt", weights_only=True)
    weights |= {f"image_encoder.layers.2.blocks.{i}.x": torch.zeros(0) for i in range(2000)}
    torch.save(weights, tmp_path / "deep.pt")
    with pytest.raises(ModelError, match="2003 blocks"):
        load_network(tmp_path / "deep.pt")


def test_packages_that_do_not_import_are_said(files, monkeypatch):
    def broken(name):
        raise ImportError(f"No module named 'timm' (for {name})")

    monkeypatch.setattr(sam_checkpoint.importlib, "import_module", broken)
    with pytest.raises(BackendMissing, match=r"segment_anything_hq does not import .*timm.* segtile\[torch\]"):
        load_network(files / "sam-hq.pt")
