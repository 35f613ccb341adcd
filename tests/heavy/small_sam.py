"""SAM's architecture and its relatives' in dimensions that tests can afford."""

import dataclasses

import pytest

from segtile.backends.sam_checkpoint import VIT_B, modeling_of
from segtile.errors import BackendMissing

SMALL = dataclasses.replace(
    VIT_B,
    image_size=128,
    width=48,
    depth=3,
    heads=3,
    mlp_width=96,
    window=5,
    global_blocks=(1,),
    channels=32,
    decoder_mlp=64,
    score_width=32,
)
#: TinyViT's stages: narrow, but for the last, whose width its code knows by; pictures are of 1024 px, as it has them.
WIDTHS, DEPTHS, HEADS, WINDOWS = (8, 16, 24, 320), (1, 1, 2, 1), (1, 2, 3, 10), (7, 7, 14, 7)


class Payload:
    """What a hostile checkpoint holds: unpickling it makes a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


def need_hq():
    """Skip a module where the package of SAM-HQ is missing or does not import; it warns of much while it does."""
    try:
        modeling_of("segment_anything_hq")
    except BackendMissing as error:
        pytest.skip(str(error), allow_module_level=True)


def small_hq():
    """SAM-HQ by its package's own classes, with SMALL for its dimensions."""
    from segment_anything_hq import modeling

    encoder = modeling.ImageEncoderViT(
        img_size=SMALL.image_size,
        patch_size=SMALL.patch,
        embed_dim=SMALL.width,
        depth=SMALL.depth,
        num_heads=SMALL.heads,
        mlp_ratio=SMALL.mlp_width / SMALL.width,
        out_chans=SMALL.channels,
        norm_layer=_norm(),
        use_rel_pos=True,
        window_size=SMALL.window,
        global_attn_indexes=SMALL.global_blocks,
    )
    return _high(modeling, encoder, SMALL.width, SMALL.image_size, SMALL.channels, SMALL.decoder_mlp, SMALL.score_width)


def tiny_hq():
    """SAM-HQ's smallest model by its package's own classes, narrow."""
    from segment_anything_hq import modeling

    encoder = modeling.TinyViT(
        img_size=1024,
        embed_dims=list(WIDTHS),
        depths=list(DEPTHS),
        num_heads=list(HEADS),
        window_sizes=list(WINDOWS),
        drop_path_rate=0.0,
    )
    return _high(modeling, encoder, WIDTHS[2], 1024, 256, 2048, 256)


def mobile():
    """MobileSAM by an implementation of its own, that of ultralytics, narrow."""
    from ultralytics.models.sam import build

    return build._build_sam(list(WIDTHS), list(DEPTHS), list(HEADS), None, mobile_sam=True)


def stir(model, seed):
    """Weights that leave a trace of the picture and of every prompt in the answer, which fresh ones do not."""
    import torch

    generator = torch.Generator().manual_seed(seed)

    def normal(value, mean, spread):
        value.copy_(mean + spread * torch.randn(value.shape, generator=generator))

    with torch.no_grad():
        for name, value in model.state_dict().items():
            if "num_batches" in name or "gaussian" in name:
                continue
            if "attention_biases" in name or "pos_embed" in name:
                normal(value, 0, 0.3)
            elif name.endswith("bn.weight") or "running_var" in name:
                value.copy_(0.6 + 0.8 * torch.rand(value.shape, generator=generator))
            elif name.endswith("bn.bias") or "running_mean" in name:
                normal(value, 0, 0.2)
            elif "conv" in name and name.endswith(".c.weight"):
                normal(value, 0, (2 / value[0].numel()) ** 0.5)
            elif name.endswith("layers.2.weight") and ("hypernetworks" in name or "hf_mlp" in name):
                value.mul_(8)
    return model.eval()


def _norm():
    from functools import partial

    import torch

    return partial(torch.nn.LayerNorm, eps=1e-6)


def _high(modeling, encoder, early, side, channels, mlp, score_width):
    prompts = modeling.PromptEncoder(channels, (side // 16, side // 16), (side, side), 16)
    transformer = modeling.TwoWayTransformer(depth=2, embedding_dim=channels, num_heads=8, mlp_dim=mlp)
    decoder = modeling.MaskDecoderHQ(
        transformer_dim=channels, transformer=transformer, iou_head_hidden_dim=score_width, vit_dim=early
    )
    return modeling.Sam(encoder, prompts, decoder, [123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
