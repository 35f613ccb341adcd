"""Networks as rembg runs them, against rembg's published recipe written down again here: Pillow, onnxruntime, numpy."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import segtile
from segtile.catalog import cards, load_card
from segtile.catalog.card import ModelFile
from segtile.coarse import look, look_as_rembg
from segtile.coarse.rembg import rembg_pass, shrink
from segtile.errors import BadInput, ModelError
from segtile.raster import open_raster
from segtile.recipe import build_recipe
from segtile.types import Box

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))


def recipe_of_rembg(image, weights, size, mean, std, sigmoid=False):
    """rembg 2.0.86: sessions/base.py normalize() and the sessions' predict(), as the facts have it."""
    session = ort.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    pixels = np.array(image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS))
    pixels = pixels / max(np.max(pixels), 1e-6)
    ready = ((pixels - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
    answer = session.run(None, {session.get_inputs()[0].name: ready})[0][:, 0]
    if sigmoid:
        answer = 1 / (1 + np.exp(-answer))
    answer = np.squeeze((answer - answer.min()) / (answer.max() - answer.min()))
    return np.array(Image.fromarray((answer * 255).astype("uint8")).resize(image.size, Image.Resampling.LANCZOS))


def apart(one, two):
    return int(np.abs(one.astype(int) - two.astype(int)).max())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One home for all tests: a network that was loaded from it stays loaded."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "weights").mkdir()
    return folder


@pytest.fixture
def home(folder, monkeypatch):
    monkeypatch.setenv("SEGTILE_HOME", str(folder))
    return folder


def install(home, shared, name):
    path = shared / "weights" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    if not (home / "weights" / name).exists():
        (home / "weights" / name).symlink_to(path)
    return path


@pytest.fixture
def u2netp(home, shared):
    return install(home, shared, "u2netp.onnx")


@pytest.fixture
def isnet(home, shared, tmp_path, monkeypatch):
    """The catalogue's IS-Net with the 16-bit file of the same network: other names and types in the graph."""
    path = install(home, shared, "isnet_fp16.onnx")
    text = (cards.cards_folder() / "isnet-general-use.toml").read_text()
    start, stop = text.index("[[files]]"), text.index("[input]")
    files = f'[[files]]\nname = "{path.name}"\nsha256 = "{hashlib.sha256(path.read_bytes()).hexdigest()}"\n'
    files += 'urls = ["https://example.org/isnet.onnx"]\n\n'
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "isnet-general-use.toml").write_text(text[:start] + files + text[stop:])
    monkeypatch.setattr(cards, "cards_folder", lambda: tmp_path / "cards")
    return path


def logits_card(home, channels=1, activation="sigmoid", family="birefnet"):
    """A card and its graph: maps that follow the picture's red, of another name than rembg's and open in size."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra 'dev')")
    helper = onnx.helper
    weight = np.linspace(3, -1, 3 * channels, dtype=np.float32).reshape(channels, 3, 1, 1)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input_image", "w"], ["output_image"])],
        "logits",
        [helper.make_tensor_value_info("input_image", onnx.TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("output_image", onnx.TensorProto.FLOAT, [1, channels, "h", "w"])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    content = model.SerializeToString()
    path = home / "weights" / f"logits_{channels}.onnx"
    path.write_bytes(content)
    base = load_card("birefnet-general")
    file = ModelFile(name=path.name, sha256=hashlib.sha256(content).hexdigest(), urls=base.files[0].urls)
    changed = {"files": (file,), "size": (96, 64), "activation": activation, "family": family}
    return dataclasses.replace(base, id="logits", **changed), path


def picture_of(height, width, seed=0, dtype=np.uint8):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 220, (max(1, height // 9), max(1, width // 9), 3), dtype=np.uint8)
    pixels = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    if dtype == np.uint8:
        return pixels
    return np.clip(pixels * 257.0 + rng.integers(-100, 100, pixels.shape), 0, 65535).astype(np.uint16)


@settings(max_examples=15)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40), st.integers(1, 5))
def test_shrinking_is_pillows_resize_and_by_strips_nearly(height, width, to_width, to_height, rows):
    from segtile.coarse import rembg

    pixels = picture_of(height, width)
    wanted = np.array(Image.fromarray(pixels).resize((to_width, to_height), Image.Resampling.LANCZOS))
    with pytest.MonkeyPatch.context() as patch, open_raster(pixels) as raster:
        patch.setattr(rembg, "_STRIP", rows * width)
        np.testing.assert_array_equal(shrink(raster, (to_width, to_height)), wanted)
        patch.setattr(rembg, "_WHOLE", 0)
        much = 4 * to_width <= width and 4 * to_height <= height  # as all that is larger than _WHOLE is shrunk
        # rows first or columns first: each rounds twice, and enlarged by Lanczos half a code can become 0.63
        assert apart(shrink(raster, (to_width, to_height)), wanted) <= (1 if much else 2)


@pytest.fixture
def photo(data_samples, tmp_path):
    """A render of a ring, small enough for a quick run: its path."""
    with Image.open(data_samples / "ring.jpg") as picture:
        picture.resize((480, 360)).save(tmp_path / "ring.png")
    return tmp_path / "ring.png"


@pytest.mark.parametrize("turned", [False, True])
def test_u2netp_gives_rembgs_mask(u2netp, photo, turned):
    image = Image.open(photo).crop((60, 0, 400, 360))
    image = image.transpose(Image.Transpose.ROTATE_90) if turned else image
    wanted = recipe_of_rembg(image, u2netp, 320, *IMAGENET)
    recipe = build_recipe(coarse={"name": "u2netp", "as_rembg": True}, refine={"name": "none"})
    with segtile.cutout(image, recipe=recipe) as cut:
        assert cut.result.coarse == "u2netp as rembg"
        assert apart(cut.alpha, wanted) <= 1
    assert wanted.std() > 50


def test_a_large_picture_gets_rembgs_mask_where_memory_allows_and_is_told_where_not(u2netp, data_samples):
    with Image.open(data_samples / "ring.jpg") as picture:
        image = picture.resize((2600, 1950))
    wanted = recipe_of_rembg(image, u2netp, 320, *IMAGENET)
    asked = {"coarse": {"name": "u2netp", "as_rembg": True}, "refine": {"name": "none"}}
    with segtile.cutout(image, recipe=build_recipe(**asked)) as cut:
        assert apart(cut.alpha, wanted) <= 1
        assert not cut.result.warnings
    with segtile.cutout(image, recipe=build_recipe(**asked, limits={"memory_mb": 750})) as cut:
        assert 1 < apart(cut.alpha, wanted) < 20
        assert "2048 x 1536 px" in cut.result.warnings[0]
        assert "limits.memory_mb = 811" in cut.result.warnings[0]


def test_isnet_gives_rembgs_mask(isnet, photo):
    image = Image.open(photo)
    wanted = recipe_of_rembg(image, isnet, 1024, *HALF)
    recipe = build_recipe(coarse={"name": "isnet-general-use", "as_rembg": True}, refine={"name": "none"})
    with segtile.cutout(image, recipe=recipe) as cut:
        assert apart(cut.alpha, wanted) <= 1
    assert wanted.std() > 50


@pytest.mark.parametrize(("sides", "dtype"), [((70, 131), np.uint8), ((140, 55), np.uint16)])
def test_birefnets_logits_go_through_the_logistic_function_first(home, sides, dtype):
    card, path = logits_card(home)
    pixels = picture_of(*sides, dtype=dtype)
    with open_raster(pixels) as raster:
        found = rembg_pass(raster, sides[::-1], card)
    image = Image.fromarray(pixels if dtype == np.uint8 else np.round(pixels / 257).astype(np.uint8))
    image96 = image.resize((96, 64), Image.Resampling.LANCZOS)  # the card's size, which is no square
    assert shrink(open_raster(np.array(image)), (96, 64)).tobytes() == image96.tobytes()
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ready = ((np.array(image96) / np.array(image96).max() - IMAGENET[0]) / IMAGENET[1]).transpose(2, 0, 1)
    answer = 1 / (1 + np.exp(-session.run(None, {"input_image": ready[None].astype(np.float32)})[0][0, 0]))
    answer = (answer - answer.min()) / (answer.max() - answer.min())
    wanted = np.array(Image.fromarray((answer * 255).astype(np.uint8)).resize(sides[::-1], Image.Resampling.LANCZOS))
    assert apart(np.round(found.prob * 255).astype(np.uint8), wanted) <= 1
    own = look_own(card, pixels)
    plain = 1 / (1 + np.exp(-session.run(None, {"input_image": own[1]})[0][0, 0]))
    assert plain.max() < 1  # nothing is stretched there
    assert abs(float(own[0].max()) - float(plain.max())) < 0.02


def look_own(card, pixels):
    """The project's own look: the probability before dust and band, and what the network was fed."""
    from segtile.coarse.network import infer, load_network

    top = 255 if pixels.dtype == np.uint8 else 65535
    preview = (pixels / top).astype(np.float32)
    prob = infer(preview, card, load_network(card))
    import cv2

    shrinking = card.size[0] < preview.shape[1] or card.size[1] < preview.shape[0]
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    small = cv2.resize(preview, card.size, interpolation=how)
    return prob, ((small - IMAGENET[0]) / IMAGENET[1]).transpose(2, 0, 1)[None].astype(np.float32)


def test_an_even_picture_has_nothing_in_it(home):
    card, _ = logits_card(home)
    with open_raster(np.full((40, 60, 3), 90, np.uint8)) as raster:
        found = rembg_pass(raster, (60, 40), card)
    assert not found.prob.any()
    assert not found.labels.any()


def test_channels_of_kinds_are_one_object_in_our_way_and_refused_in_rembgs(home):
    card, path = logits_card(home, channels=4, activation="softmax", family="salient")
    pixels = picture_of(64, 96)
    prob, fed = look_own(card, pixels)
    raw = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"input_image": fed})[0][0]
    shares = np.exp(raw) / np.exp(raw).sum(axis=0)
    np.testing.assert_allclose(prob, shares[1:].sum(axis=0), atol=1e-5)
    with open_raster(pixels) as raster, pytest.raises(BadInput, match="several masks"):
        rembg_pass(raster, (96, 64), card)
    single = dataclasses.replace(card, activation="sigmoid")
    with pytest.raises(ModelError, match="4 channels"):
        look_own(single, pixels)


def test_what_rembg_does_not_have_is_refused(home, ring_scene):
    with open_raster(ring_scene[0]) as raster:
        for name, word in (("auto", "needs --coarse"), ("studio", "needs --coarse"), ("inspyrenet", "does not run")):
            with pytest.raises(BadInput, match=word):
                look_as_rembg(raster, (90, 70), name)
    preview = (ring_scene[0] / 255).astype(np.float32)
    with pytest.raises(ModelError, match=r"export it to ONNX.*model\.onnx"):
        look(preview, Box.frame(900, 700), "inspyrenet")


@pytest.mark.parametrize("flags", [(), ("--as-rembg",)])
def test_the_whole_pipeline_runs_with_u2netp(u2netp, photo, data_samples, tmp_path, run, flags):
    code, out, err = run("mask", photo, "-o", tmp_path / "out", "--coarse", "u2netp", *flags, "-q")
    assert code == 0, err
    assert "u2netp" in out
    # it fills the ring's hole
    assert iou(tmp_path / "out" / "ring.png", data_samples / "ring_alpha.png") > 0.5


def test_the_whole_pipeline_runs_with_isnet(isnet, photo, data_samples, tmp_path, run):
    code, out, err = run("mask", photo, "-o", tmp_path / "out", "--coarse", "isnet-general-use", "-q")
    assert code == 0, err
    assert "isnet-general-use" in out
    assert iou(tmp_path / "out" / "ring.png", data_samples / "ring_alpha.png") > 0.85


def iou(found, truth):
    one, two = (np.array(Image.open(path).resize((480, 360), Image.Resampling.NEAREST)) for path in (found, truth))
    one, two = (mask > (127 if mask.max() < 256 else 32767) for mask in (one, two))
    return (one & two).sum() / (one | two).sum()


def test_as_rembg_without_a_network_is_wrong_use(photo, tmp_path, run):
    code, _, err = run("mask", photo, "-o", tmp_path / "out", "--as-rembg", "-q")
    assert "needs --coarse" in err
    assert code == 1
    assert not list((tmp_path / "out").glob("*.png"))
