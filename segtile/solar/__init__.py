"""Solar curves: zigzags that fold the tone scale so that a difference of one code value becomes a visible jump.

`curves` has the fixed ones and the general zigzag, `curvefile` knows Photoshop's .acv, `adaptive` folds around a
picture's own background, and `channels` makes what refiners and networks see. Curves belong to a picture,
never to a tile. Calling the package is `segtile.view.solar`, the retoucher's view of a picture.
"""

from segtile._callable import make_callable
from segtile.solar.adaptive import AdaptiveCurve, adapt, measure_noise, steady_edges
from segtile.solar.channels import NEUTRAL, SOLAR_CHANNELS, network_channels
from segtile.solar.curvefile import decode_acv, encode_acv, read_acv
from segtile.solar.curves import (
    CURVES,
    IDENTITY,
    LUMA,
    Curve,
    Reading,
    apply_table,
    evaluate,
    fold,
    luma_of,
    table,
    zigzag,
)

__all__ = [
    "CURVES",
    "IDENTITY",
    "LUMA",
    "NEUTRAL",
    "SOLAR_CHANNELS",
    "AdaptiveCurve",
    "Curve",
    "Reading",
    "adapt",
    "apply_table",
    "decode_acv",
    "encode_acv",
    "evaluate",
    "fold",
    "luma_of",
    "measure_noise",
    "network_channels",
    "read_acv",
    "steady_edges",
    "table",
    "zigzag",
]

make_callable("segtile.solar", "solar", "segtile.view")
