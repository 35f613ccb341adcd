"""segment-anything's own network from a checkpoint of any dimensions (extra "torch")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segtile.backends.torch_weights import read_tensors, torch_module
from segtile.errors import BackendMissing, ModelError

if TYPE_CHECKING:
    from torch import Tensor

#: What SAM is normalised by, on values of 0..255; the weights do not hold it.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
#: Heads of the decoder's attention; they leave no trace in the weights, and all of SAM's models have eight.
_DECODER_HEADS = 8

_ENCODER = "image_encoder."
_DECODER = "mask_decoder."


@dataclass(frozen=True)
class SamShape:
    """The dimensions of a network of SAM's architecture; `image_size` is the side in px of what its encoder takes."""

    image_size: int
    patch: int
    width: int
    depth: int
    heads: int
    mlp_width: int
    window: int
    global_blocks: tuple[int, ...]
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


#: ViT-B as it was published; L and H differ in width, depth, heads and in which blocks look at everything.
VIT_B = SamShape(1024, 16, 768, 12, 12, 3072, 14, (2, 5, 8, 11), 256, 16, 4, 2, 2048, 2, 3, 256)


def load_sam(path: Path) -> Any:
    """A `segment_anything` Sam in evaluation mode with a checkpoint's weights, float32 on the CPU.

    Raises:
        BackendMissing: torch or segment_anything is not installed, or does not import.
        ReadError: there is no such file.
        ModelError: the file holds no weights of SAM's architecture, or is a pickle that wants more than tensors.
    """
    modeling = _modeling()
    weights = read_tensors(path)
    try:
        shape = shape_of(weights)
        sam = _build(modeling, shape, "meta")
        sam.load_state_dict(weights, strict=True, assign=True)
    except KeyError as error:
        raise ModelError(f"{path} is no checkpoint of segment-anything: it lacks {error.args[0]}") from None
    except (RuntimeError, ValueError, ZeroDivisionError, IndexError, AssertionError) as error:
        raise ModelError(f"{path} is no checkpoint of segment-anything: {_mismatch(error)}") from None
    sam.eval()
    sam.requires_grad_(False)
    return sam


def new_sam(shape: SamShape) -> Any:
    """A `segment_anything` Sam of these dimensions in training mode, its weights drawn by torch's generator.

    Raises:
        BackendMissing: torch or segment_anything is not installed, or does not import.
    """
    return _build(_modeling(), shape, "cpu")


def shape_of(weights: Mapping[str, Tensor]) -> SamShape:
    """Read the dimensions off the weights.

    Raises:
        KeyError: a weight that every SAM has is missing.
        ValueError, IndexError, ZeroDivisionError: one has another shape than it can have.
    """
    width, _, patch, _ = weights[f"{_ENCODER}patch_embed.proj.weight"].shape
    grid = weights[f"{_ENCODER}pos_embed"].shape[1]
    depth = _count(weights, f"{_ENCODER}blocks.")
    relative = [weights[f"{_ENCODER}blocks.{i}.attn.rel_pos_h"].shape for i in range(depth)]
    sides = [(length + 1) // 2 for length, _ in relative]
    windows = {side for side in sides if side != grid}
    if len(windows) > 1:
        raise ValueError(f"its blocks have windows of {len(windows)} sizes")
    layer = f"{_DECODER}transformer.layers.0."
    channels = weights[f"{_ENCODER}neck.0.weight"].shape[0]
    return SamShape(
        image_size=grid * patch,
        patch=patch,
        width=width,
        depth=depth,
        heads=width // relative[0][1],
        mlp_width=weights[f"{_ENCODER}blocks.0.mlp.lin1.weight"].shape[0],
        window=windows.pop() if windows else 0,
        global_blocks=tuple(i for i, side in enumerate(sides) if side == grid),
        channels=channels,
        mask_channels=weights["prompt_encoder.mask_downscaling.3.weight"].shape[0],
        masks=weights[f"{_DECODER}mask_tokens.weight"].shape[0],
        decoder_depth=_count(weights, f"{_DECODER}transformer.layers."),
        decoder_mlp=weights[f"{layer}mlp.lin1.weight"].shape[0],
        decoder_downsample=channels // weights[f"{layer}cross_attn_token_to_image.q_proj.weight"].shape[0],
        score_depth=_count(weights, f"{_DECODER}iou_prediction_head.layers."),
        score_width=weights[f"{_DECODER}iou_prediction_head.layers.0.weight"].shape[0],
    )


def _build(modeling: Any, shape: SamShape, device: str) -> Any:
    torch = torch_module()
    grid = shape.image_size // shape.patch
    with torch.device(device):
        encoder = modeling.ImageEncoderViT(
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
        decoder = modeling.MaskDecoder(
            transformer_dim=shape.channels,
            transformer=transformer,
            num_multimask_outputs=shape.masks - 1,
            iou_head_depth=shape.score_depth,
            iou_head_hidden_dim=shape.score_width,
        )
    return modeling.Sam(encoder, prompts, decoder, list(PIXEL_MEAN), list(PIXEL_STD))


def _modeling() -> Any:
    torch_module()
    try:
        from segment_anything import modeling
    except ImportError as error:
        raise BackendMissing(f"segment_anything does not import ({error}): pip install segtile[torch]") from error
    except (RuntimeError, OSError) as error:  # it imports torchvision, of which only one build fits a build of torch
        raise BackendMissing(
            f"segment_anything does not import ({str(error).splitlines()[0]}): torch and torchvision have to be of one "
            "build: pip install --force-reinstall torch torchvision"
        ) from error
    return modeling


def _count(weights: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered parts there are under a prefix.

    Raises:
        KeyError: none.
    """
    numbers = {int(m[1]) for name in weights if (m := re.match(re.escape(prefix) + r"(\d{1,4})\.", name))}
    if not numbers:
        raise KeyError(f"{prefix}0")
    return len(numbers)


def _mismatch(error: BaseException) -> str:
    """The first thing that load_state_dict complains of, without its heading."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    found = lines[1] if len(lines) > 1 and lines[0].startswith("Error(s)") else (lines or [type(error).__name__])[0]
    return found[:200].rstrip(". ")
