"""segment-anything's architecture in dimensions that tests can afford."""

import dataclasses

from segtile.backends.sam_checkpoint import VIT_B

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
