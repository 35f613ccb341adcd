"""The refining network: the coarse one, told more, looks at the tile as it is; a few layers at full resolution follow.

What is an object is learnt from whole pictures; a network that begins with that knowledge takes no facet for a hole.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.cutout.coarse_net import INPUTS as SEEN
from models.training.cutout.coarse_net import STAGES, WIDTHS, Coarse
from models.training.cutout.units import Residual, unit

_RGB = 3
INPUTS = 8  # RGB, four solar channels, coarse probability
# px of a cell of the colour fields, and cells to a side that colours are averaged over: around what the coarse
# probability says, and around the network's own first answer, which is nearer to the edge.
_WIDE = (4, (3, 11))
_CLOSE = (2, (3,))
_FAINT = 3e-5  # squared difference of colours under which the two fields tell nothing: noise of an 8-bit file
_FINE = 16  # channels at full resolution
_STRETCH = 0.01  # the sigmoid is stretched by this to both sides, so that 0 and 1 are reached exactly


def by_colour(
    rgb: Tensor, inside: Tensor, outside: Tensor, grain: int, fields: tuple[int, ...], aside: bool = False
) -> Tensor:
    """What the colours around a pixel say of it: its place on the line from the background's colour to the object's.

    Both colours are averages of the picture, weighted by how surely an answer takes a pixel for either; where edges
    are a few pixels off, colours still are not. White on white is on such a line as black on white is.

    Source: the linear model of matting, alpha = (C - B) (F - B) / |F - B|^2 (Smith and Blinn, Blue screen matting,
    1996).

    Args:
        rgb: (B, 3, H, W), both sides multiples of 32.
        inside: (B, 1, H, W), how much a pixel counts for the object's colour, 0..1.
        outside: the same for the background's.
        grain: px of the cells that averages are taken of.
        fields: cells to a side of the neighbourhoods, odd.
        aside: whether to tell how far a pixel lies from the line.

    Returns:
        (B, C, H, W) float32, for each neighbourhood two or three planes: the place, about 0, clipped to +-1 (0 where
        the colours are alike); how far the two colours are apart, 0..1; how far the pixel lies from the line, 0..1.
    """
    weights = torch.cat([inside, outside], 1) + 1e-4
    mixed = torch.cat([rgb * weights[:, :1], rgb * weights[:, 1:], weights], 1)
    small = functional.avg_pool2d(mixed, grain)
    out = []
    for side in fields:
        sums = functional.avg_pool2d(small, side, 1, side // 2)
        one, other = sums[:, :3] / sums[:, 6:7], sums[:, 3:6] / sums[:, 7:8]
        # places count from the middle of the line, so that nothing is said where it has no length
        both = torch.cat([one - other, (one + other) / 2], 1)
        both = functional.interpolate(both, scale_factor=float(grain), mode="bilinear", align_corners=False)
        line, off = both[:, :3], rgb - both[:, 3:]
        length = (line * line).sum(1, keepdim=True)
        place = (off * line).sum(1, keepdim=True) / (length + _FAINT)
        out += [(2 * place).clamp(-2, 2) / 2, (2 * (length + 1e-8).sqrt()).clamp(0, 1)]
        if aside:
            off = off - place * line
            out.append((4 * ((off * off).sum(1, keepdim=True) + 1e-8).sqrt()).clamp(0, 1))
    return torch.cat(out, 1)


class Refiner(nn.Module):
    """(B, 8, H, W), both sides multiples of 32, to logits of alpha (B, 1, H, W).

    Inputs as `segtile.types.TileInput` has them: RGB 0..1, SOLAR_CHANNELS, the coarse probability. They are shifted to
    lie about 0, so that the zeros beyond a border are a middle grey. No statistics of the tile are taken: a pixel's
    answer depends on what lies within `reach` px, and on where it lies on the grid of 32 px, which tiles keep.
    """

    def __init__(self, lite: int = 2) -> None:
        super().__init__()
        told = INPUTS + 2 * len(_WIDE[1])
        self.trunk = Coarse(told, lite)
        self.stem = unit(told + 1 + 3 * len(_CLOSE[1]), _FINE, 3)
        self.rise = unit(WIDTHS[0], _FINE, 1, act=False)
        self.body = Residual(_FINE)
        self.head = nn.Conv2d(_FINE, 1, 3, padding=1)
        # At first it says what the trunk says.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        rgb, prob = x[:, :3], x[:, SEEN:]
        with torch.autocast(x.device.type, enabled=False):
            wide = by_colour(rgb, prob * prob, (1 - prob) * (1 - prob), *_WIDE)
            told = torch.cat([self.trunk.centred(x[:, :SEEN]), 2 * prob - 1, wide], 1)
        known = self.trunk.features(told)
        first = self.trunk.logits(known)
        with torch.autocast(x.device.type, enabled=False):
            close = self._own_colours(rgb, first.float())
        up = functional.interpolate(self.rise(known), scale_factor=2.0, mode="bilinear", align_corners=False)
        fine = functional.relu(self.stem(torch.cat([told, first.clamp(-8, 8) / 4, close], 1)) + up)
        return first + self.head(self.body(fine))

    def _own_colours(self, rgb: Tensor, first: Tensor) -> Tensor:
        """`by_colour` around its own first answer; mixed pixels, in the middle of an edge, tell no colour."""
        sure = 2 * torch.sigmoid(first.detach()) - 1
        return by_colour(rgb, sure.clamp(min=0) ** 2, sure.clamp(max=0) ** 2, *_CLOSE, aside=True)


def begin(model: Refiner, coarse: dict[str, Tensor], solar: bool = True) -> None:
    """Start the trunk from the coarse network's weights; what it is told besides starts at 0.

    Args:
        model: the refiner.
        coarse: the state of a `Coarse`.
        solar: whether to take over what it has learnt of the solar channels, or to begin with nothing of them.

    Raises:
        ValueError: the coarse network has another encoder.
    """
    stem = "encoder._conv_stem.weight"
    wider = torch.zeros_like(model.trunk.encoder._conv_stem.weight)
    known = coarse[stem].shape[1] if solar else _RGB
    wider[:, :known] = coarse[stem][:, :known]
    try:
        model.trunk.load_state_dict(coarse | {stem: wider})
    except RuntimeError as error:
        raise ValueError("the coarse network to begin with has another encoder: see `lite` and --start") from error


def alpha_of(logits: Tensor) -> Tensor:
    """Alpha 0..1; exactly 0 and 1 where the network is sure."""
    return (torch.sigmoid(logits) * (1 + 2 * _STRETCH) - _STRETCH).clamp(0, 1)


def reach(lite: int = 2) -> int:
    """How far, in px, a pixel's answer may look to each side; a bound, and what lies near it hardly counts."""
    total, stride = 1 + 1 + 1 + 1, 2  # two layers, head, stem; then the encoder's stem
    total += 1
    for kernel, step, _, _, count in STAGES[lite]:
        for n in range(count):
            total += kernel // 2 * stride
            stride *= step if n == 0 else 1
    total += 4 * stride  # two separables
    while stride > 2:
        total += stride  # the interpolation that doubles
        stride //= 2
        total += 4 * stride
    total += stride + 2  # the trunk's head, and the last interpolation
    return total + sum((fields[-1] // 2 + 2) * grain for grain, fields in (_WIDE, _CLOSE))
