"""Feature maps that are held by rows outside the network: in memory or in a scratch file, with their moments.

A network that runs layer by layer over strips of full-width rows needs of each map no more than the rows of the strip,
and of the whole map only each channel's mean and variance, for the GroupNorm that follows.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol

from segtile.errors import BackendMissing, WriteError

if TYPE_CHECKING:
    from torch import Tensor


def torch_runtime() -> Any:
    """The torch module.

    Raises:
        BackendMissing: torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise BackendMissing(
            "latent tiling needs torch, which is not installed: pip install segtile[latent]"
        ) from error
    return torch


class RowSource(Protocol):
    """A map of (channels, height, width) that is read by rows."""

    channels: int
    height: int
    width: int

    @property
    def resident(self) -> int:
        """Bytes of host memory that are held for the network alone and freed by `close`."""
        ...

    def rows(self, y0: int, y1: int) -> Tensor:
        """(1, channels, y1 - y0, width) on the network's device; the caller may write to it."""
        ...

    def close(self) -> None:
        """Let go of memory and files."""
        ...


class Moments:
    """Count, mean and variance of every channel, gathered strip by strip.

    Each row's mean and the squares about it are summed in float32, rows and strips are combined in float64, by the law
    of total variance (mean of the variances plus variance of the means). So the result does not depend on how the map
    was cut, up to the rounding of float32.

    Source: T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance, 1983.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean: Tensor | None = None
        self._square: Tensor | None = None  # sum of squared distances from the mean

    def add(self, strip: Tensor) -> None:
        """Count a strip (1, channels, rows, width)."""
        torch = torch_runtime()
        values = strip[0].float()
        means = values.mean(2, keepdim=True)
        squares = torch.linalg.vector_norm(values - means, dim=2).double().square()
        means = means[:, :, 0].double()
        mean = means.mean(1)
        square = squares.sum(1) + (means - mean[:, None]).square().sum(1) * strip.shape[3]
        count = strip.shape[2] * strip.shape[3]
        if self._mean is None or self._square is None:
            self.count, self._mean, self._square = count, mean, square
            return
        total = self.count + count
        step = mean - self._mean
        self._square = self._square + square + step * step * (self.count * count / total)
        self._mean = self._mean + step * (count / total)
        self.count = total

    def affine(self, norm: Any) -> tuple[Tensor, Tensor]:
        """What a torch.nn.GroupNorm does to this map, as a scale and a shift of each channel.

        Returns:
            Two float32 tensors (1, channels, 1, 1): norm(x) = x * scale + shift.

        Raises:
            RuntimeError: no strip was counted yet.
        """
        if self._mean is None or self._square is None:
            raise RuntimeError("moments of an empty map")
        groups = (int(norm.num_groups), -1)
        means, variances = self._mean.view(groups), (self._square / self.count).view(groups)
        mean = means.mean(1, keepdim=True)
        variance = variances.mean(1, keepdim=True) + (means - mean).square().mean(1, keepdim=True)
        scale = (variance + norm.eps).rsqrt().expand_as(means).flatten()
        shift = -(mean.expand_as(means).flatten() * scale)
        if norm.weight is not None:
            scale, shift = scale * norm.weight.double(), shift * norm.weight.double() + norm.bias.double()
        return scale.float().view(1, -1, 1, 1), shift.float().view(1, -1, 1, 1)


class FeatureMap:
    """A map that is written once, rows in order, and read in windows of rows; stored as (rows, channels, width).

    `file` None holds it in host memory. `moments` are those of the rows written so far.
    """

    def __init__(self, channels: int, height: int, width: int, like: Tensor, file: IO[bytes] | None) -> None:
        """`like` gives dtype and device of the rows that are read."""
        self.channels, self.height, self.width = channels, height, width
        self.moments = Moments()
        self._dtype, self._device, self._file = like.dtype, like.device, file
        self._memory: Tensor | None = None
        if file is None:
            self._memory = torch_runtime().empty((height, channels, width), dtype=like.dtype)

    @classmethod
    def new(cls, shape: tuple[int, int, int], like: Tensor, memory: int, folder: Path | None) -> FeatureMap:
        """A map of (channels, height, width), in host memory where it takes at most `memory` bytes, else in a file.

        The file is an unnamed one in `folder`, None for the system's own place for temporary files.

        Raises:
            WriteError: no file can be made there.
        """
        size = shape[0] * shape[1] * shape[2] * like.element_size()
        if size <= memory:
            return cls(*shape, like, None)
        try:
            file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - close() closes it
        except OSError as error:
            raise WriteError(f"no scratch file can be made in {folder or tempfile.gettempdir()}: {error}") from error
        return cls(*shape, like, file)

    def write(self, y0: int, strip: Tensor) -> None:
        """Store rows from y0 on, (1, channels, rows, width), and count them.

        Raises:
            WriteError: the disk is full.
        """
        self.moments.add(strip)
        rows = strip[0].transpose(0, 1)
        if self._memory is not None:
            self._memory[y0 : y0 + len(rows)] = rows
            return
        if self._file is None:
            raise RuntimeError("closed")
        torch = torch_runtime()
        raw = rows.contiguous().cpu().view(torch.uint8).numpy()
        try:
            self._file.seek(y0 * self._row_bytes)
            self._file.write(raw.data)
        except OSError as error:
            raise WriteError(f"a feature map cannot be written to its scratch file: {error}") from error

    def rows(self, y0: int, y1: int) -> Tensor:
        """(1, channels, y1 - y0, width), a new tensor on the network's device."""
        torch = torch_runtime()
        if self._memory is not None:
            rows = self._memory[y0:y1]
        elif self._file is not None:
            rows = torch.empty((y1 - y0, self.channels, self.width), dtype=self._dtype)
            self._file.seek(y0 * self._row_bytes)
            self._file.readinto(rows.view(torch.uint8).numpy().data)  # type: ignore[attr-defined]
        else:
            raise RuntimeError("closed")
        return rows.to(self._device).transpose(0, 1)[None].clone(memory_format=torch.contiguous_format)

    @property
    def resident(self) -> int:
        """Bytes of host memory it holds; 0 in a file."""
        return 0 if self._memory is None else self._memory.numel() * self._memory.element_size()

    @property
    def _row_bytes(self) -> int:
        return self.channels * self.width * int(self._dtype.itemsize)

    def close(self) -> None:
        """Drop the memory or the file."""
        self._memory = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> FeatureMap:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
