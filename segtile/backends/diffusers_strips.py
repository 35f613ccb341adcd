"""Running a network's layers one after the other over strips of rows, with the result of the whole map.

Each layer reads its strip of input rows with the halo that its own kernel reaches, norms it by the statistics of the
whole map, which were gathered when that map was written, and writes its rows. So every layer is computed once, on every
row once (but for the halo), and what is held is the layer's input and output, outside the network's memory; the map of
the full size exists in no memory. Self-attention takes the whole map at the latent's size, its queries in portions.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from segtile.backends.diffusers_layers import AttentionLayer, ConvLayer, Layer
from segtile.backends.torch_features import FeatureMap, RowSource, torch_runtime
from segtile.errors import OverLimit
from segtile.types import Progress, no_progress

if TYPE_CHECKING:
    from torch import Tensor

#: Fewest rows that a strip has, however wide the map: below this the halo costs more than the strip.
_LEAST_ROWS = 8


@dataclass(frozen=True)
class StripSettings:
    """What a run over strips may take.

    `strip_mb` bounds the rows of a strip: its input and output together, in the network's memory (with their copies on
    the way and the convolution's own working memory it is about five times that). `hold_mb` is the host memory in which
    feature maps are held; one that does not fit in beside those that are there goes into an unnamed scratch file in
    `folder` (None: the system's own place for temporary files).
    """

    strip_mb: int = 16
    hold_mb: int = 64
    folder: Path | None = None


def strip_rows(
    layers: Sequence[Layer],
    source: RowSource,
    like: Tensor,
    settings: StripSettings,
    on_progress: Progress = no_progress,
    stage: str = "strips",
) -> Iterator[tuple[int, Tensor]]:
    """Run the layers over a source and give the last one's output, strip by strip.

    Args:
        layers: from `decoder_layers` or `encoder_layers`.
        source: the first layer's input; it is closed at the end.
        like: a parameter of the network: its dtype and device are those of the work.
        settings: what the run may take.
        on_progress: called after each layer.
        stage: its third argument.

    Yields:
        (y0, rows): rows from y0 on, (1, channels, n, width), each once, in order.

    Raises:
        OverLimit: the scratch folder's disk has too little room for the maps; before any work is done.
        WriteError: a scratch file cannot be made or written.
    """
    _check_room(layers, source, like, settings)
    memory = settings.hold_mb * 2**20
    before: RowSource | None = None
    current = source
    try:
        for i, layer in enumerate(layers[:-1]):
            shape = layer.channels, layer.size(current.height), layer.size(current.width)
            taken = current.resident + (before.resident if before is not None else 0)
            held = FeatureMap.new(shape, like, memory - taken, settings.folder)
            try:
                for y0, rows in _layer_rows(layer, current, before, settings):
                    held.write(y0, rows)
            except BaseException:
                held.close()
                raise
            if before is not None:
                before.close()
            before, current = current, held
            if not layers[i + 1].skip:
                before.close()
                before = None
            on_progress(i + 1, len(layers), stage)
        yield from _layer_rows(layers[-1], current, before, settings)
        on_progress(len(layers), len(layers), stage)
    finally:
        current.close()
        if before is not None:
            before.close()


def scratch_bytes(layers: Sequence[Layer], source: RowSource, item: int, memory: int) -> int:
    """The most that files will take at a time where maps have `memory` bytes; `item` is the bytes of one value."""
    most = 0
    before, current = (0, 0), (source.resident, 0)  # bytes in memory, bytes in a file
    height, width = source.height, source.width
    for i, layer in enumerate(layers[:-1]):
        height, width = layer.size(height), layer.size(width)
        size = layer.channels * height * width * item
        new = (size, 0) if size <= memory - before[0] - current[0] else (0, size)
        most = max(most, before[1] + current[1] + new[1])
        before, current = (current if layers[i + 1].skip else (0, 0)), new
    return most


def _check_room(layers: Sequence[Layer], source: RowSource, like: Tensor, settings: StripSettings) -> None:
    need = scratch_bytes(layers, source, like.element_size(), settings.hold_mb * 2**20)
    folder = settings.folder or Path(tempfile.gettempdir())
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return  # FeatureMap.new says what is wrong with the folder
    if need > free:
        raise OverLimit(
            f"the feature maps of this size need {need / 2**20:.0f} MB of scratch files, but {folder} has "
            f"{free / 2**20:.0f} MB free: name another folder, or take a smaller picture"
        )


def _layer_rows(
    layer: Layer, source: RowSource, before: RowSource | None, settings: StripSettings
) -> Iterator[tuple[int, Tensor]]:
    if isinstance(layer, AttentionLayer):
        return _attend(layer, cast(FeatureMap, source), settings)
    return _convolve(layer, source, before, settings)


def _affine(layer: Layer, source: RowSource) -> tuple[Tensor, Tensor] | None:
    # a norm never comes first: what is normed is a map that was written by a layer, and so has moments
    return None if layer.norm is None else cast(FeatureMap, source).moments.affine(layer.norm)


def _normed(rows: Tensor, affine: tuple[Tensor, Tensor] | None) -> Tensor:
    """Rows after a GroupNorm over the whole map; in float32 whatever the network's dtype, as torch does it."""
    if affine is None:
        return rows
    scale, shift = affine
    return rows.float().mul_(scale).add_(shift).to(rows.dtype)  # rows are the caller's own copy


def _convolve(
    layer: ConvLayer, source: RowSource, before: RowSource | None, settings: StripSettings
) -> Iterator[tuple[int, Tensor]]:
    functional = torch_runtime().nn.functional
    conv, affine = layer.conv, _affine(layer, source)
    height, width = layer.size(source.height), layer.size(source.width)
    for y0, y1 in _strips(height, _row_cost(layer, source, width), settings, _LEAST_ROWS):
        with torch_runtime().no_grad():  # around the work alone: the mode must not leak to whoever takes the rows
            rows = _input_rows(layer, source, affine, y0, y1)
            sides = (0, int(conv.padding[1]))
            rows = functional.conv2d(rows, conv.weight, conv.bias, conv.stride, sides, groups=conv.groups)
            if layer.skip and before is not None:
                beside = before.rows(y0, y1)
                rows += beside if layer.shortcut is None else layer.shortcut(beside)
                if layer.divide != 1.0:
                    rows /= layer.divide
        yield y0, rows


def _input_rows(layer: ConvLayer, source: RowSource, affine: tuple[Tensor, Tensor] | None, y0: int, y1: int) -> Tensor:
    """What the convolution reads for its output rows y0 .. y1 - 1, padded above and below where the map ends there."""
    functional = torch_runtime().nn.functional
    kernel, stride, pad = (int(pair[0]) for pair in (layer.conv.kernel_size, layer.conv.stride, layer.conv.padding))
    first, last = y0 * stride - pad, (y1 - 1) * stride - pad + kernel  # in rows of the enlarged map
    low, high = max(0, first), min(source.height * layer.up, last)
    base = low // layer.up
    rows = _normed(source.rows(base, -(-high // layer.up)), affine)
    if layer.act is not None:
        rows = layer.act(rows)
    if layer.up > 1:
        rows = functional.interpolate(rows, scale_factor=float(layer.up), mode="nearest")
        rows = rows[:, :, low - base * layer.up : high - base * layer.up]
    # zeros come after the activation, as the convolution's own padding does
    pads = (0, layer.tail, low - first, last - high)
    return functional.pad(rows, pads) if any(pads) else rows


def _row_cost(layer: ConvLayer, source: RowSource, width: int) -> int:
    """Values that an output row keeps in memory: the input it reads, enlarged, the output, and what is added."""
    stride = int(layer.conv.stride[0])
    read = source.channels * source.width * layer.up * stride
    return read + layer.channels * width * (2 if layer.skip else 1)


def _strips(height: int, values: int, settings: StripSettings, least: int = 1) -> Iterator[tuple[int, int]]:
    """Strips of even height, at least `least` rows, whose rows of `values` float32 each fit."""
    most = max(least, settings.strip_mb * 2**20 // (4 * values))
    count = -(-height // most)
    return ((i * height // count, (i + 1) * height // count) for i in range(count))


def _attend(layer: AttentionLayer, source: FeatureMap, settings: StripSettings) -> Iterator[tuple[int, Tensor]]:
    """Self-attention over the whole map, keys and values at once, queries by strips of rows.

    Source: M. N. Rabe, C. Staats, Self-attention does not need O(n^2) memory, 2021 (queries in portions are enough
    where keys and values fit, as they do at the latent's size).
    """
    torch = torch_runtime()
    module, affine = layer.module, _affine(layer, source)
    heads, height, width = int(module.heads), source.height, source.width

    def tokens(y0: int, y1: int) -> Any:
        return _normed(source.rows(y0, y1), affine).flatten(2).transpose(1, 2)

    def split(values: Any) -> Any:
        return values.unflatten(2, (heads, -1)).transpose(1, 2)

    with torch.no_grad():
        portions = list(_strips(height, source.channels * width * 2, settings))
        keys = split(torch.cat([module.to_k(tokens(*p)) for p in portions], dim=1))
        values = split(torch.cat([module.to_v(tokens(*p)) for p in portions], dim=1))
    # a row's scores, where torch has no kernel that does without them: queries x cells x heads
    for y0, y1 in _strips(height, heads * width * width * height, settings):
        with torch.no_grad():
            found = torch.nn.functional.scaled_dot_product_attention(split(module.to_q(tokens(y0, y1))), keys, values)
            found = module.to_out[0](found.transpose(1, 2).flatten(2))
            rows = found.transpose(1, 2).unflatten(2, (y1 - y0, width))
            rows = (rows + source.rows(y0, y1)) / module.rescale_output_factor
        yield y0, rows
