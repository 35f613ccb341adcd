"""diffusers' AutoencoderKL, encoding and decoding pictures of any size with the result of the whole picture.

Where memory is short the network runs by strips (see `diffusers_strips`), which equals running it in one piece:
GroupNorm by the statistics of the whole picture, each layer with its own halo, attention over the whole latent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segtile.backends.diffusers_layers import Layer, decoder_layers, encoder_layers
from segtile.backends.diffusers_strips import StripSettings, strip_rows
from segtile.backends.torch_features import FeatureMap, torch_runtime
from segtile.errors import BadInput, ModelError
from segtile.types import Array, FloatArray, Progress, no_progress

if TYPE_CHECKING:
    from torch import Tensor

# Measured with eval/bench_latent.py, rounded up: what a decode in one piece takes, in maps of its largest layer.
_WHOLE_MAPS = 4.0
_DTYPES = (np.uint8, np.uint16, np.float32)


@dataclass(frozen=True)
class _Scale:
    """Between the network's latent and the one that is denoised: (z - shift) * scale, each channel's own or one."""

    shift: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]


class DiffusersVae:
    """A Vae of `segtile.edit.latent` over a diffusers AutoencoderKL.

    `factor` is the picture px per latent cell, `channels` those of the latent. Deterministic: the latent is the mode
    of the encoder's distribution, scaled as the model's configuration says.
    """

    def __init__(
        self,
        model: Any,
        *,
        memory_mb: int = 2048,
        by_strips: bool | None = None,
        settings: StripSettings | None = None,
    ) -> None:
        """Take a model apart.

        Args:
            model: an AutoencoderKL in evaluation mode, on the device where it is to run; without `enable_tiling`, which
                would change what one piece gives.
            memory_mb: a picture for which one piece would take more than this is run by strips.
            by_strips: always (True) or never (False); None decides by `memory_mb`. The result is the same but for the
                last digits of float32.
            settings: what a run by strips may take.

        Raises:
            BackendMissing: torch or diffusers is not installed.
            ModelError: another class, training mode, or a module that strips do not know (not where `by_strips` is
                False).
        """
        self._model, self._memory, self._by_strips = model, memory_mb * 2**20, by_strips
        self._settings = settings or StripSettings()
        self._torch = torch_runtime()
        self._layers: tuple[tuple[Layer, ...], tuple[Layer, ...]] | None = None
        if by_strips is not False:
            self._layers = encoder_layers(model), decoder_layers(model)
        config = model.config
        self.factor = 2 ** (len(config.block_out_channels) - 1)
        self.channels = int(config.latent_channels)
        self._like: Tensor = next(model.parameters())
        self._scale = _scale(config)

    def encode(self, picture: Array, on_progress: Progress = no_progress) -> FloatArray:
        """The latent of a picture.

        Args:
            picture: (H, W, 3) sRGB, uint8, uint16 or float32 in [0, 1]; H and W multiples of `factor`.
            on_progress: called after each layer of a run by strips.

        Returns:
            (H / factor, W / factor, channels) float32.

        Raises:
            BadInput: another shape or dtype, a size that is no multiple, NaN.
            OverLimit, WriteError: no room for the scratch files of a run by strips.
        """
        self._check_picture(picture)
        height, width = picture.shape[:2]
        source = _PictureRows(picture, self._like)
        if self._whole(height, width) or self._layers is None:
            with self._torch.no_grad():
                parts = iter([(0, self._model.encode(source.rows(0, height)).latent_dist.parameters)])
        else:
            parts = strip_rows(self._layers[0], source, self._like, self._settings, on_progress, "encode")
        latent = np.empty((height // self.factor, width // self.factor, self.channels), np.float32)
        for y0, rows in parts:
            mode = rows[0, : self.channels].permute(1, 2, 0)  # the rest is the log variance
            latent[y0 : y0 + mode.shape[0]] = mode.float().cpu().numpy()
        return (latent - self._scale.shift) * self._scale.scale

    def decode(self, latent: FloatArray, dtype: Any = np.float32, on_progress: Progress = no_progress) -> Array:
        """The picture of a latent.

        Args:
            latent: (h, w, channels) float32, scaled as `encode` gives it.
            dtype: of the picture: float32 is as the network gives it, not clipped; uint8 and uint16 are clipped and
                rounded.
            on_progress: called after each layer of a run by strips.

        Returns:
            (h * factor, w * factor, 3) sRGB of that dtype, 0..1 or the whole range.

        Raises:
            BadInput: another shape or dtype, NaN.
            OverLimit, WriteError: no room for the scratch files of a run by strips.
        """
        self._check_latent(latent)
        if np.dtype(dtype) not in _DTYPES:
            raise BadInput(f"a picture can be decoded as uint8, uint16 or float32, not as {np.dtype(dtype)}")
        picture = np.empty((latent.shape[0] * self.factor, latent.shape[1] * self.factor, 3), np.dtype(dtype))
        for y0, rows in self._decoded(latent / self._scale.scale + self._scale.shift, on_progress):
            tone = rows[0].permute(1, 2, 0).float().cpu().numpy() * np.float32(0.5) + np.float32(0.5)
            picture[y0 : y0 + len(tone)] = _as_dtype(tone, picture.dtype)
        return picture

    def _decoded(self, latent: FloatArray, on_progress: Progress) -> Iterator[tuple[int, Tensor]]:
        z = self._torch.from_numpy(np.ascontiguousarray(latent.transpose(2, 0, 1), np.float32))[None].to(self._like)
        height, width = latent.shape[0] * self.factor, latent.shape[1] * self.factor
        if self._whole(height, width) or self._layers is None:
            with self._torch.no_grad():
                return iter([(0, self._model.decode(z).sample)])
        source = FeatureMap.new((self.channels, *latent.shape[:2]), self._like, z.numel() * 8, None)
        source.write(0, z)
        return strip_rows(self._layers[1], source, self._like, self._settings, on_progress, "decode")

    def _whole(self, height: int, width: int) -> bool:
        """Whether a picture of this size is run in one piece."""
        if self._by_strips is not None:
            return not self._by_strips
        return whole_bytes(self._model, height, width) <= self._memory

    def _check_picture(self, picture: Array) -> None:
        if picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise BadInput(f"a picture of shape {picture.shape} cannot be encoded; give (height, width, 3)")
        if picture.dtype not in _DTYPES:
            raise BadInput(f"a picture of {picture.dtype} cannot be encoded; give uint8, uint16 or float32 in 0..1")
        if picture.shape[0] % self.factor or picture.shape[1] % self.factor:
            raise BadInput(
                f"a picture of {picture.shape[1]}x{picture.shape[0]} px cannot be encoded: both sides must be "
                f"multiples of {self.factor}; segtile.edit.latent.edit_latent fills it up"
            )

    def _check_latent(self, latent: FloatArray) -> None:
        if latent.ndim != 3 or latent.shape[2] != self.channels or not latent.size:
            raise BadInput(f"a latent of shape {latent.shape} cannot be decoded; give (height, width, {self.channels})")
        if latent.dtype != np.float32 or not np.isfinite(latent).all():
            raise BadInput(f"a latent must be float32 and finite; this one is {latent.dtype} or holds NaN or infinity")


def whole_bytes(model: Any, height: int, width: int) -> int:
    """About what running an AutoencoderKL on a picture in one piece takes beyond its weights, in bytes."""
    widest = max(_full_size_channels(model.config.block_out_channels))
    return int(_WHOLE_MAPS * widest * height * width * next(model.parameters()).element_size())


def _full_size_channels(blocks: Any) -> tuple[int, ...]:
    """Channels of the maps of the full size: the first block's, and the second's, which the decoder enlarges."""
    return tuple(int(c) for c in blocks[:2])


def _scale(config: Any) -> _Scale:
    factor = float(config.scaling_factor)
    mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if (mean is None) != (std is None):
        raise ModelError("the model's configuration has only one of latents_mean and latents_std; give both or none")
    if mean is not None:
        scale = np.asarray(factor / np.asarray(std, np.float64), np.float32)
        return _Scale(np.asarray(mean, np.float32), scale)
    return _Scale(np.asarray([config.shift_factor or 0.0], np.float32), np.asarray([factor], np.float32))


def _as_dtype(tone: FloatArray, dtype: np.dtype[Any]) -> Array:
    if dtype == np.float32:
        return tone
    top = float(np.iinfo(dtype).max)
    return np.rint(np.clip(tone, 0.0, 1.0) * top).astype(dtype)


class _PictureRows:
    """A picture as the network's input, -1..1, converted strip by strip."""

    def __init__(self, picture: Array, like: Tensor) -> None:
        self._picture, self._like = picture, like
        self.height, self.width, self.channels = picture.shape
        top = 1.0 if picture.dtype.kind == "f" else float(np.iinfo(picture.dtype).max)
        self._to_tone = np.float32(2.0 / top)

    def rows(self, y0: int, y1: int) -> Tensor:
        """(1, 3, y1 - y0, width)."""
        tone = self._picture[y0:y1].astype(np.float32) * self._to_tone - np.float32(1.0)
        if not np.isfinite(tone).all():
            raise BadInput("the picture holds NaN or infinity, which encoding would spread over all of it")
        return torch_runtime().from_numpy(np.ascontiguousarray(tone.transpose(2, 0, 1)))[None].to(self._like)

    @property
    def resident(self) -> int:
        """The caller's array is not the network's."""
        return 0

    def close(self) -> None:
        """The caller's array stays the caller's."""
