"""TinyViT, the image encoder of MobileSAM and of SAM-HQ's smallest model: its dimensions, and the network itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segtile.backends.sam_checkpoint import DecoderShape, count_parts, decoder_dimensions
from segtile.backends.torch_weights import torch_module

if TYPE_CHECKING:
    from torch import Tensor

#: How the names begin that tell TinyViT from other encoders.
TINY = "image_encoder.patch_embed.seq."
_ENCODER = "image_encoder."
_LAYERS = f"{_ENCODER}layers."
_STAGES = 4
# Its code is written for pictures of this side and a grid of 64 cells; the weights would fit any.
_SIDE, _PATCH = 1024, 16
# A stage of one of these widths keeps the grid of the one before it, any other halves it: so its code has it.
_KEEPS_GRID = (320, 448, 576)
# The classifier that it was trained with before, which never runs here; some checkpoints come without it.
_UNUSED = (f"{_ENCODER}head.", f"{_ENCODER}norm_head.")
# Beyond these nothing was ever published, and building the network would take forever.
_LARGEST_WINDOW, _DEEPEST = 32, 64


@dataclass(frozen=True, kw_only=True)
class TinyShape(DecoderShape):
    """The dimensions of a network with TinyViT for an encoder.

    `widths`, `depths`, `heads` and `windows` are those of its four stages; the first of these has no attention, and
    what is said of its heads and window goes unused.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    windows: tuple[int, ...]
    mlp_ratio: float
    expansion: float


def tiny_shape_of(weights: Mapping[str, Tensor]) -> TinyShape:
    """Read the dimensions off the weights.

    Raises:
        KeyError: a weight that every TinyViT has is missing.
        ValueError, IndexError, ZeroDivisionError: one has another shape than it can have.
    """
    widths = [weights[f"{TINY}2.c.weight"].shape[0]]
    widths += [weights[f"{_LAYERS}{i}.downsample.conv1.c.weight"].shape[0] for i in range(_STAGES - 1)]
    biases = [weights[f"{_LAYERS}{i}.blocks.0.attn.attention_biases"].shape for i in range(1, _STAGES)]
    windows = [math.isqrt(offsets) for _, offsets in biases]
    shape = TinyShape(
        image_size=_SIDE,
        patch=_PATCH,
        widths=tuple(widths),
        depths=tuple(count_parts(weights, f"{_LAYERS}{i}.blocks.") for i in range(_STAGES)),
        heads=(1, *(heads for heads, _ in biases)),
        windows=(windows[0], *windows),
        mlp_ratio=weights[f"{_LAYERS}1.blocks.0.mlp.fc1.weight"].shape[0] / widths[1],
        expansion=weights[f"{_LAYERS}0.blocks.0.conv1.c.weight"].shape[0] / widths[0],
        **decoder_dimensions(weights),
    )
    _check(shape, sum(value.numel() for name, value in weights.items() if name.startswith(_ENCODER)))
    return shape


def build_tiny(modeling: Any, shape: TinyShape) -> Any:
    """The image encoder of `segment_anything_hq`'s `modeling`, on the CPU, without the classifier.

    It gives the embeddings and a list with the features of its second stage.
    """
    torch = torch_module()
    # not on the device "meta", as other parts: tables that are in no checkpoint are worked out while it is built
    with torch.random.fork_rng(devices=[]):
        encoder = modeling.TinyViT(
            img_size=shape.image_size,
            num_classes=0,
            embed_dims=list(shape.widths),
            depths=list(shape.depths),
            num_heads=list(shape.heads),
            window_sizes=list(shape.windows),
            mlp_ratio=shape.mlp_ratio,
            drop_path_rate=0.0,
            mbconv_expand_ratio=shape.expansion,
        )
    encoder.norm_head = torch.nn.Identity()
    return encoder


def without_classifier(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights that a network with an encoder of `build_tiny` has."""
    return {name: value for name, value in weights.items() if not name.startswith(_UNUSED)}


def _check(shape: TinyShape, stored: int) -> None:
    """Refuse what the encoder's code cannot be, and what would take far more memory than the file's own numbers.

    Raises:
        ValueError: it is that.
    """
    if [width in _KEEPS_GRID for width in shape.widths[1:]] != [False, False, True]:
        raise ValueError(f"stages of {', '.join(map(str, shape.widths))} channels do not end on 64 x 64 cells")
    if not all(0 < window <= _LARGEST_WINDOW for window in shape.windows) or sum(shape.depths) > _DEEPEST:
        raise ValueError(f"{sum(shape.depths)} blocks with windows of up to {max(shape.windows)} cells are no TinyViT")
    first, *rest = zip(shape.widths, shape.depths, strict=True)
    needed = 2 * first[1] * shape.expansion * first[0] ** 2
    needed += sum(depth * (4 + 2 * shape.mlp_ratio) * width**2 for width, depth in rest)
    needed += sum(b * (a + b) for a, b in zip(shape.widths, shape.widths[1:], strict=False))
    if needed > stored:
        raise ValueError(f"its encoder holds {stored} numbers where {needed:.0f} belong")
