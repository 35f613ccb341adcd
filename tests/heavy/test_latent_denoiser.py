"""A real UNet stepped in tiles; needs: pip install segtile[latent]."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="latent tiling needs torch: pip install segtile[latent]")
diffusers = pytest.importorskip("diffusers", reason="latent tiling needs diffusers: pip install segtile[latent]")
torch.set_num_threads(1)  # maps this small cost more to share out than to compute

from eval.bench_latent import psnr  # noqa: E402
from eval.latent_models import schedule, small_denoiser, small_unet, small_vae  # noqa: E402
from segtile.backends.diffusers_denoiser import DdimDenoiser  # noqa: E402
from segtile.backends.diffusers_vae import DiffusersVae  # noqa: E402
from segtile.edit.latent import (  # noqa: E402
    LatentSettings,
    denoise_tiles,
    edit_latent,
    latent_noise,
    latent_plan,
)
from segtile.errors import BadInput, ModelError  # noqa: E402


def test_one_tile_is_what_diffusers_itself_does():
    """The image-to-image loop written with diffusers alone: add noise, step, step."""
    denoiser = small_denoiser(steps=6, strength=0.5)
    latent, noise = (
        np.random.default_rng(0).standard_normal((16, 24, 4), dtype=np.float32),
        latent_noise((16, 24, 4), 3),
    )
    ours = denoise_tiles(latent, noise, denoiser, latent_plan(24, 16, 24, 0, denoiser.multiple))

    unet, scheduler = small_unet(), schedule()
    scheduler.set_timesteps(6)
    times = scheduler.timesteps[-3:]
    as_tensor = [torch.from_numpy(a.transpose(2, 0, 1).copy())[None] for a in (latent, noise)]
    sample = scheduler.add_noise(*as_tensor, times[:1])
    with torch.no_grad():
        for time in times:
            sample = scheduler.step(unet(sample, time).sample, time, sample).prev_sample
    np.testing.assert_allclose(ours, sample[0].permute(1, 2, 0).numpy(), atol=1e-5)
    np.testing.assert_allclose(
        denoiser.noised(latent, noise, 0).transpose(2, 0, 1)[None],
        scheduler.add_noise(*as_tensor, times[:1]).numpy(),
        atol=1e-6,
    )
    np.testing.assert_array_equal(denoiser.noised(latent, noise, denoiser.steps), latent)


def test_a_run_is_deterministic_by_its_seed():
    picture = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    vae, denoiser = DiffusersVae(small_vae()), small_denoiser(steps=4)

    def edited(seed: int) -> np.ndarray:
        return edit_latent(picture, vae, denoiser, LatentSettings(tile=12, overlap=4, seed=seed))

    first = edited(1)
    assert first.shape == picture.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(edited(1), first)
    assert not np.array_equal(edited(2), first)


def test_an_edit_by_strips_is_the_edit_in_one_piece():
    picture = np.random.default_rng(0).random((64, 96, 3), dtype=np.float32)
    model, denoiser = small_vae(), small_denoiser(steps=3)
    whole, strips = (
        edit_latent(picture, DiffusersVae(model, by_strips=way), denoiser, LatentSettings(tile=16, overlap=4))
        for way in (False, True)
    )
    assert psnr(strips, whole) > 60


def test_schedules_and_settings_that_cannot_be_tiled_are_refused():
    with pytest.raises(ModelError, match="EulerDiscreteScheduler"):
        DdimDenoiser(small_unet(), diffusers.EulerDiscreteScheduler())
    with pytest.raises(ModelError, match="thresholding"):
        DdimDenoiser(small_unet(), diffusers.DDIMScheduler(thresholding=True))
    with pytest.raises(ModelError, match="training mode"):
        DdimDenoiser(small_unet().train(), schedule())
    with pytest.raises(BadInput, match="strength is 0"):
        DdimDenoiser(small_unet(), schedule(), strength=0)
    with pytest.raises(BadInput, match="0 steps"):
        DdimDenoiser(small_unet(), schedule(), steps=0)
