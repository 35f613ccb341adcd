"""SAM's own architecture: its dimensions, read off the weights of a checkpoint, and its network built from them."""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from segtile.backends.torch_weights import torch_module
from segtile.errors import BackendMissing

if TYPE_CHECKING:
    from torch import Tensor

#: Packages that hold parts of such networks.
Package = Literal["segment_anything", "segment_anything_hq"]

#: What SAM is normalised by, on values of 0..255; the weights do not hold it.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
#: Heads of the decoder's attention; they leave no trace in the weights, and all of SAM's models have eight.
_DECODER_HEADS = 8

_ENCODER = "image_encoder."
_DECODER = "mask_decoder."


@dataclass(frozen=True, kw_only=True)
class DecoderShape:
    """The dimensions of SAM's prompt encoder and mask decoder, whatever encodes the pictures.

    `image_size` is the side in px of what the image encoder takes, `patch` that of a cell of what it gives.
    """

    image_size: int
    patch: int
    channels: int
    mask_channels: int
    masks: int
    decoder_depth: int
    decoder_mlp: int
    decoder_downsample: int
    score_depth: int
    score_width: int

    @property
    def mask_side(self) -> int:
        """The side of low-resolution masks, in and out: four cells for each of the embedding's."""
        return 4 * self.image_size // self.patch


@dataclass(frozen=True, kw_only=True)
class SamShape(DecoderShape):
    """The dimensions of a network of SAM's architecture."""

    width: int
    depth: int
    heads: int
    mlp_width: int
    window: int
    global_blocks: tuple[int, ...]


#: ViT-B as it was published; L and H differ in width, depth, heads and in which blocks look at everything.
VIT_B = SamShape(
    image_size=1024,
    patch=16,
    channels=256,
    mask_channels=16,
    masks=4,
    decoder_depth=2,
    decoder_mlp=2048,
    decoder_downsample=2,
    score_depth=3,
    score_width=256,
    width=768,
    depth=12,
    heads=12,
    mlp_width=3072,
    window=14,
    global_blocks=(2, 5, 8, 11),
)


def new_sam(shape: SamShape) -> Any:
    """A `segment_anything` Sam of these dimensions in training mode, its weights drawn by torch's generator.

    Raises:
        BackendMissing: torch or segment_anything is not installed, or does not import.
    """
    modeling = modeling_of("segment_anything")
    return assemble(modeling, build_vit(modeling, shape, "cpu"), shape, "cpu")


def shape_of(weights: Mapping[str, Tensor]) -> SamShape:
    """Read the dimensions off the weights.

    Raises:
        KeyError: a weight that every SAM has is missing.
        ValueError, IndexError, ZeroDivisionError: one has another shape than it can have.
    """
    width, _, patch, _ = weights[f"{_ENCODER}patch_embed.proj.weight"].shape
    grid = weights[f"{_ENCODER}pos_embed"].shape[1]
    depth = count_parts(weights, f"{_ENCODER}blocks.")
    relative = [weights[f"{_ENCODER}blocks.{i}.attn.rel_pos_h"].shape for i in range(depth)]
    sides = [(length + 1) // 2 for length, _ in relative]
    windows = {side for side in sides if side != grid}
    if len(windows) > 1:
        raise ValueError(f"its blocks have windows of {len(windows)} sizes")
    return SamShape(
        image_size=grid * patch,
        patch=patch,
        width=width,
        depth=depth,
        heads=width // relative[0][1],
        mlp_width=weights[f"{_ENCODER}blocks.0.mlp.lin1.weight"].shape[0],
        window=windows.pop() if windows else 0,
        global_blocks=tuple(i for i, side in enumerate(sides) if side == grid),
        **decoder_dimensions(weights),
    )


def decoder_dimensions(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """The fields of a `DecoderShape` that the weights hold: all but those of the picture.

    Raises:
        KeyError: a weight that every SAM has is missing.
        IndexError, ZeroDivisionError: one has another shape than it can have.
    """
    layer = f"{_DECODER}transformer.layers.0."
    channels = weights[f"{_ENCODER}neck.0.weight"].shape[0]
    return {
        "channels": channels,
        "mask_channels": weights["prompt_encoder.mask_downscaling.3.weight"].shape[0],
        "masks": weights[f"{_DECODER}mask_tokens.weight"].shape[0],
        "decoder_depth": count_parts(weights, f"{_DECODER}transformer.layers."),
        "decoder_mlp": weights[f"{layer}mlp.lin1.weight"].shape[0],
        "decoder_downsample": channels // weights[f"{layer}cross_attn_token_to_image.q_proj.weight"].shape[0],
        "score_depth": count_parts(weights, f"{_DECODER}iou_prediction_head.layers."),
        "score_width": weights[f"{_DECODER}iou_prediction_head.layers.0.weight"].shape[0],
    }


def build_vit(modeling: Any, shape: SamShape, device: str) -> Any:
    """The image encoder of a package's `modeling`."""
    torch = torch_module()
    with torch.device(device):
        return modeling.ImageEncoderViT(
            img_size=shape.image_size,
            patch_size=shape.patch,
            embed_dim=shape.width,
            depth=shape.depth,
            num_heads=shape.heads,
            mlp_ratio=shape.mlp_width / shape.width,
            out_chans=shape.channels,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=shape.window,
            global_attn_indexes=shape.global_blocks,
        )


def assemble(modeling: Any, encoder: Any, shape: DecoderShape, device: str, early: int = 0) -> Any:
    """A Sam of a package's `modeling` around an image encoder.

    Args:
        modeling: see `modeling_of`.
        encoder: the image encoder.
        shape: the other parts' dimensions.
        device: where those are made.
        early: channels of the encoder's early features, for the decoder of SAM-HQ; 0 for SAM's.
    """
    grid = shape.image_size // shape.patch
    with torch_module().device(device):
        prompts = modeling.PromptEncoder(
            embed_dim=shape.channels,
            image_embedding_size=(grid, grid),
            input_image_size=(shape.image_size, shape.image_size),
            mask_in_chans=shape.mask_channels,
        )
        transformer = modeling.TwoWayTransformer(
            depth=shape.decoder_depth,
            embedding_dim=shape.channels,
            num_heads=_DECODER_HEADS,
            mlp_dim=shape.decoder_mlp,
            attention_downsample_rate=shape.decoder_downsample,
        )
        decoder = partial(modeling.MaskDecoderHQ, vit_dim=early) if early else modeling.MaskDecoder
        masks = decoder(
            transformer_dim=shape.channels,
            transformer=transformer,
            num_multimask_outputs=shape.masks - 1,
            iou_head_depth=shape.score_depth,
            iou_head_hidden_dim=shape.score_width,
        )
    # outside: its mean and deviation are in no checkpoint, so nothing would bring them to the device later
    return modeling.Sam(encoder, prompts, masks, list(PIXEL_MEAN), list(PIXEL_STD))


def modeling_of(package: Package) -> Any:
    """The module of a package that holds the parts of its networks.

    Raises:
        BackendMissing: torch or the package is not installed, or does not import.
    """
    torch_module()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of timm's old names, and of those that segment_anything_hq gives it anew
            return importlib.import_module(f"{package}.modeling")
    except ImportError as error:
        raise BackendMissing(f"{package} does not import ({error}): pip install segtile[torch]") from error
    except (RuntimeError, OSError) as error:  # it imports torchvision, of which only one build fits a build of torch
        raise BackendMissing(
            f"{package} does not import ({str(error).splitlines()[0]}): torch and torchvision have to be of one "
            "build: pip install --force-reinstall torch torchvision"
        ) from error


def count_parts(weights: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered parts there are under a prefix.

    Raises:
        KeyError: none.
    """
    numbers = {int(m[1]) for name in weights if (m := re.match(re.escape(prefix) + r"(\d{1,4})\.", name))}
    if not numbers:
        raise KeyError(f"{prefix}0")
    return len(numbers)
