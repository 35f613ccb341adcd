"""AutoencoderKL by strips; needs: pip install segtile[latent]."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="latent tiling needs torch: pip install segtile[latent]")
diffusers = pytest.importorskip("diffusers", reason="latent tiling needs diffusers: pip install segtile[latent]")
torch.set_num_threads(1)  # maps this small cost more to share out than to compute

from eval.bench_latent import psnr, uneven_latent  # noqa: E402
from eval.latent_models import small_vae  # noqa: E402
from segtile.backends.diffusers_layers import decoder_layers, encoder_layers  # noqa: E402
from segtile.backends.diffusers_strips import StripSettings, scratch_bytes, strip_rows  # noqa: E402
from segtile.backends.diffusers_vae import DiffusersVae, whole_bytes  # noqa: E402
from segtile.backends.torch_features import FeatureMap, Moments  # noqa: E402
from segtile.errors import BadInput, ModelError, OverLimit, WriteError  # noqa: E402

#: Strips of the fewest rows there are, every map in a file: what a large picture meets, on a small one.
THIN = StripSettings(strip_mb=0, hold_mb=0)


@pytest.fixture(scope="module", params=[True, False], ids=["attention", "no attention"])
def model(request):
    return small_vae(attention=request.param)


@pytest.mark.parametrize("settings", [THIN, StripSettings()], ids=["thin strips in files", "in memory"])
@pytest.mark.parametrize("size", [(40, 56), (37, 51), (1, 9)])
def test_decoding_by_strips_equals_decoding_in_one_piece(model, size, settings):
    latent = uneven_latent(56)[: size[0], : size[1]]
    whole = DiffusersVae(model, by_strips=False).decode(latent)
    strips = DiffusersVae(model, by_strips=True, settings=settings).decode(latent)
    assert psnr(strips, whole) > 100  # 60 are asked for


@pytest.mark.parametrize("settings", [THIN, StripSettings()], ids=["thin strips in files", "in memory"])
@pytest.mark.parametrize("size", [(160, 224), (148, 204)])
def test_encoding_by_strips_equals_encoding_in_one_piece(model, size, settings):
    picture = np.random.default_rng(0).random((*size, 3), dtype=np.float32)
    picture[:80] *= 0.3
    whole = DiffusersVae(model, by_strips=False).encode(picture)
    strips = DiffusersVae(model, by_strips=True, settings=settings).encode(picture)
    assert whole.shape == (size[0] // 4, size[1] // 4, 4)
    assert psnr(strips, whole) > 100


def test_diffusers_own_tiling_does_not_equal_it():
    """The comparison that makes the figure above mean something: these latents do show what tiling does wrong."""
    model, latent = small_vae(), uneven_latent(56)
    whole = DiffusersVae(model, by_strips=False).decode(latent)
    model.enable_tiling()
    assert psnr(DiffusersVae(model, by_strips=False).decode(latent), whole) < 40


def test_deeper_wider_and_half_precision_models():
    latent = uneven_latent(24)
    model = small_vae((8, 16, 16, 32), groups=4, layers=2)
    whole = DiffusersVae(model, by_strips=False).decode(latent)
    assert whole.shape == (192, 192, 3)
    assert psnr(DiffusersVae(model, by_strips=True, settings=THIN).decode(latent), whole) > 100
    halved = DiffusersVae(model.to(torch.bfloat16), by_strips=False).decode(latent)
    assert psnr(DiffusersVae(model, by_strips=True, settings=THIN).decode(latent), halved) > 35  # 8 bits of mantissa


def test_scaling_shift_and_dtypes_are_the_models_own():
    model, picture = small_vae(), np.random.default_rng(0).integers(0, 65536, (32, 48, 3), dtype=np.uint16)
    plain = DiffusersVae(model).encode(picture)
    model.register_to_config(scaling_factor=0.5, shift_factor=0.25)
    scaled = DiffusersVae(model)
    np.testing.assert_allclose(scaled.encode(picture), (plain - 0.25) * 0.5, atol=1e-6)
    tone = scaled.decode(scaled.encode(picture))
    for dtype in (np.uint8, np.uint16):
        decoded = scaled.decode(scaled.encode(picture), dtype)
        assert decoded.dtype == dtype
        np.testing.assert_allclose(decoded / np.iinfo(dtype).max, tone.clip(0, 1), atol=1 / np.iinfo(dtype).max)
    model.register_to_config(scaling_factor=1.0, latents_mean=[1.0, 2, 3, 4], latents_std=[2.0, 2, 2, 2])
    np.testing.assert_allclose(DiffusersVae(model).encode(picture), (plain - [1, 2, 3, 4]) / 2, atol=1e-6)


def test_memory_decides_and_neither_way_shows():
    model, latent = small_vae(), uneven_latent(32)
    assert whole_bytes(model, 128, 128) > 4 * 32 * 128 * 128 * 4 - 1
    roomy, tight = [], []
    by_memory = DiffusersVae(model, memory_mb=64).decode(latent, on_progress=lambda *call: roomy.append(call))
    by_strips = DiffusersVae(model, memory_mb=1).decode(latent, on_progress=lambda *call: tight.append(call))
    assert not roomy
    assert [call[0] for call in tight] == list(range(1, len(decoder_layers(model)) + 1))
    assert psnr(by_strips, by_memory) > 100


def test_moments_do_not_depend_on_the_cut():
    """Total variance: rows whose means differ widely, one by one and all at once, against torch in float64."""
    values = torch.randn(1, 8, 30, 17) * 0.01 + torch.arange(30.0)[:, None] * 3 + 500
    norm = torch.nn.GroupNorm(2, 8)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    expected = norm.double()(values.double())
    for cut in ([30], [1] * 30, [7, 20, 3]):
        moments = Moments()
        for strip in values.split(cut, dim=2):
            moments.add(strip)
        scale, shift = moments.affine(norm)
        assert (values.double() * scale + shift - expected).abs().max() < 2e-3
        assert moments.count == 30 * 17


def test_a_feature_map_in_a_file_gives_back_what_was_written():
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        values = torch.randn(1, 5, 12, 7).to(dtype)
        with FeatureMap.new((5, 12, 7), values, memory=0, folder=None) as held:
            for y in range(0, 12, 5):
                held.write(y, values[:, :, y : y + 5])
            assert torch.equal(held.rows(3, 11), values[:, :, 3:11])
            assert torch.equal(held.rows(0, 12), values)
        with pytest.raises(RuntimeError, match="closed"):
            held.rows(0, 1)


def test_scratch_files_vanish_when_the_work_is_broken_off(tmp_path):
    model = small_vae()
    like = next(model.parameters())
    source = FeatureMap.new((4, 16, 16), like, 1 << 30, None)
    source.write(0, torch.randn(1, 4, 16, 16))
    rows = strip_rows(decoder_layers(model), source, like, StripSettings(0, 0, tmp_path))
    next(rows)
    rows.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError, match="closed"):
        source.rows(0, 1)


def test_a_full_disk_is_refused_before_the_work(monkeypatch, tmp_path):
    model, latent = small_vae(), uneven_latent(32)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1 << 16})())
    vae = DiffusersVae(model, by_strips=True, settings=StripSettings(0, 0, tmp_path))
    steps = []
    with pytest.raises(OverLimit, match="MB of scratch files"):
        vae.decode(latent, on_progress=lambda *call: steps.append(call))
    assert not steps
    monkeypatch.undo()
    missing = DiffusersVae(model, by_strips=True, settings=StripSettings(0, 0, tmp_path / "no folder"))
    with pytest.raises(WriteError, match="no folder"):
        missing.decode(latent)


def test_the_room_asked_for_is_the_room_taken(monkeypatch):
    layers, like = decoder_layers(small_vae()), next(small_vae().parameters())
    files, sizes = [], []
    make, close = tempfile.TemporaryFile, FeatureMap.close

    def made(*args, **kwargs):
        files.append(make(*args, **kwargs))
        return files[-1]

    def closed(self):
        for file in files:
            if not file.closed:
                file.flush()
        sizes.append(sum(os.fstat(file.fileno()).st_size for file in files if not file.closed))
        close(self)

    monkeypatch.setattr(tempfile, "TemporaryFile", made)
    monkeypatch.setattr(FeatureMap, "close", closed)
    source = FeatureMap.new((4, 32, 32), like, 1 << 30, None)
    source.write(0, torch.randn(1, 4, 32, 32))
    for _ in strip_rows(layers, source, like, StripSettings(0, 0)):
        pass
    assert max(sizes) == scratch_bytes(layers, source, 4, 0)


class Odd(torch.nn.Conv2d):
    """Of another class than what it replaces, as an adapter is."""


def replaced(path: str, make):
    model = small_vae()
    *parents, last = path.split(".")
    owner = model
    for part in parents:
        owner = owner[int(part)] if part.isdigit() else getattr(owner, part)
    setattr(owner, last, make(getattr(owner, last)))
    return model


@pytest.mark.parametrize(
    ("path", "make", "sentence"),
    [
        ("decoder.conv_in", lambda old: Odd(4, 32, 3, padding=1), r"decoder.conv_in is .*Odd"),
        ("decoder.conv_out", lambda old: torch.nn.Conv2d(16, 3, 3, padding=1, padding_mode="reflect"), "conv_out pads"),
        ("decoder.conv_norm_out", lambda old: torch.nn.InstanceNorm2d(16), "InstanceNorm2d"),
        ("decoder.up_blocks.0.resnets.0.time_emb_proj", lambda old: torch.nn.Linear(4, 4), "time embedding"),
        ("decoder.up_blocks.0.upsamplers.0.use_conv_transpose", lambda old: True, "upsamplers.0 enlarges"),
        ("decoder.mid_block.attentions.0.norm_q", lambda old: torch.nn.LayerNorm(32), "queries or keys"),
        ("decoder.mid_block", lambda old: torch.nn.Identity(), "decoder.mid_block is .*Identity"),
    ],
)
def test_unknown_modules_are_refused_by_name(path, make, sentence):
    with pytest.raises(ModelError, match=sentence):
        DiffusersVae(replaced(path, make).eval())


def test_unknown_models_are_refused():
    with pytest.raises(ModelError, match="AutoencoderTiny"):
        DiffusersVae(diffusers.AutoencoderTiny().eval())
    with pytest.raises(ModelError, match="training mode"):
        DiffusersVae(small_vae().train())
    mixed = small_vae()
    mixed.decoder.half()
    with pytest.raises(ModelError, match="spread over"):
        encoder_layers(mixed)


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (np.zeros((8, 8), np.uint8), "shape"),
        (np.zeros((8, 10, 3), np.uint8), "multiples of 4"),
        (np.zeros((8, 8, 3), np.float64), "float64"),
        (np.full((8, 8, 3), np.nan, np.float32), "NaN"),
    ],
)
def test_pictures_that_cannot_be_encoded_are_refused(picture, sentence):
    for by_strips in (True, False):
        with pytest.raises(BadInput, match=sentence):
            DiffusersVae(small_vae(), by_strips=by_strips).encode(picture)


def test_latents_that_cannot_be_decoded_are_refused():
    vae = DiffusersVae(small_vae())
    with pytest.raises(BadInput, match="shape"):
        vae.decode(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(BadInput, match="NaN"):
        vae.decode(np.full((4, 4, 4), np.inf, np.float32))
    with pytest.raises(BadInput, match="int16"):
        vae.decode(np.zeros((4, 4, 4), np.float32), np.int16)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_memory_is_a_third_at_most(tmp_path):
    """In processes of their own, over what interpreter, torch and weights take; see eval/bench_latent.py for more."""
    taken = {}
    for decoder in ("whole", "strips"):
        command = [
            sys.executable,
            "-m",
            "eval.bench_latent",
            "--one",
            decoder,
            "1024",
            "[32, 64, 64, 64]",
            str(tmp_path / "x"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        taken[decoder] = row["peak"] - row["before"]
    assert taken["strips"] <= taken["whole"] / 3
