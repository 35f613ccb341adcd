"""The refining network: edges at full resolution, context at strides 2 to 16, no statistics of the tile."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

INPUTS = 8  # RGB, four solar channels, coarse probability
WIDTHS = (16, 32, 48, 64, 96)
MULTIPLE = 16
_GRAIN = 4  # px of a cell of the colour fields
_FIELDS = (3, 11)  # cells to a side that colours are averaged over
_FAINT = 3e-5  # squared difference of colours under which the two fields tell nothing: noise of an 8-bit file
# Sides of the convolutions at strides 2, 4, 8 and 16, encoder and decoder.
_SIDES = ((3, 3, 3, 3), (5, 5, 3), (5, 5, 5, 3), (5, 5, 5))
_STRETCH = 0.01  # the sigmoid is stretched by this to both sides, so that 0 and 1 are reached exactly


def unit(inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    """A convolution, batch normalisation (which export folds into it), and ReLU where wanted."""
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside, momentum=0.05),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if act else nn.Sequential(*layers)


class Inverted(nn.Module):
    """Twice as wide inside: pointwise, depthwise, pointwise, with a way past (MobileNetV2)."""

    def __init__(self, channels: int, kernel: int = 5) -> None:
        super().__init__()
        wide = 2 * channels
        self.body = nn.Sequential(
            unit(channels, wide, 1), unit(wide, wide, kernel, groups=wide), unit(wide, channels, 1, act=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return x + self.body(x)


class Residual(nn.Module):
    """Two full convolutions 3 x 3 with a way past: few channels make better use of them than of depthwise ones."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(unit(channels, channels, 3), unit(channels, channels, 3, act=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return functional.relu(x + self.body(x))


def by_colour(x: Tensor) -> Tensor:
    """What the colours around a pixel say of it: its place on the line from the background's colour to the object's.

    Both colours are averages of the picture, weighted by how surely the coarse probability takes a pixel for either;
    where edges are a few pixels off, colours still are not. White on white is on such a line as black on white is.

    Source: the linear model of matting, alpha = (C - B) (F - B) / |F - B|^2 (Smith and Blinn, Blue screen matting,
    1996).

    Args:
        x: (B, 8, H, W) as the refiner's, both sides multiples of 16.

    Returns:
        (B, 4, H, W) float32: for a narrow and a wide neighbourhood this place, about 0, clipped to +-1 (0 where the
        colours are alike), and how far the two colours are apart, 0..1.
    """
    rgb, prob = x[:, :3], x[:, 7:8]
    weights = torch.cat([prob * prob, (1 - prob) * (1 - prob)], 1) + 1e-4
    mixed = torch.cat([rgb * weights[:, :1], rgb * weights[:, 1:], weights], 1)
    small = functional.avg_pool2d(mixed, _GRAIN)
    out = []
    for side in _FIELDS:
        sums = functional.avg_pool2d(small, side, 1, side // 2)
        colours = torch.cat([sums[:, :3] / sums[:, 6:7], sums[:, 3:6] / sums[:, 7:8]], 1)
        colours = functional.interpolate(colours, scale_factor=float(_GRAIN), mode="bilinear", align_corners=False)
        line = colours[:, :3] - colours[:, 3:]
        length = (line * line).sum(1, keepdim=True)
        # from the middle of the line, so that nothing is said where it has no length
        along = ((rgb - (colours[:, :3] + colours[:, 3:]) / 2) * line).sum(1, keepdim=True)
        out += [(2 * along / (length + _FAINT)).clamp(-2, 2) / 2, (2 * (length + 1e-8).sqrt()).clamp(0, 1)]
    return torch.cat(out, 1)


class Refiner(nn.Module):
    """(B, 8, H, W), both sides multiples of 16, to logits of alpha (B, 1, H, W).

    Inputs as `segtile.types.TileInput` has them: RGB 0..1, SOLAR_CHANNELS, the coarse probability. They are shifted to
    lie about 0, so that the zeros beyond a border are a middle grey. No statistics of the tile are taken: a pixel's
    answer depends on what lies within `reach` px, and on where it lies on the grid of 16 px, which tiles keep.
    """

    def __init__(self) -> None:
        super().__init__()
        w = WIDTHS
        self.stem = unit(INPUTS + 2 * len(_FIELDS), w[0], 3)
        self.down = nn.ModuleList(unit(a, b, 3, 2) for a, b in pairwise(w))
        self.encode = nn.ModuleList(
            [
                Residual(w[1]),
                nn.Sequential(Inverted(w[2]), Inverted(w[2])),
                nn.Sequential(*(Inverted(w[3]) for _ in range(3))),
                nn.Sequential(*(Inverted(w[4]) for _ in range(3))),
            ]
        )
        self.narrow = nn.ModuleList(unit(b, a, 1, act=False) for a, b in pairwise(w))
        self.decode = nn.ModuleList([unit(w[0], w[0], 3), Residual(w[1]), Inverted(w[2], 3), Inverted(w[3], 3)])
        self.head = nn.Conv2d(w[0], 1, 3, padding=1)
        middle = [0.5, 0.5, 0.5, 0.0, 0.5, 0.5, 0.5, 0.5]
        scale = [2.0, 2.0, 2.0, 1.0, 2.0, 2.0, 2.0, 2.0]
        self.register_buffer("middle", torch.tensor(middle).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(scale).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        with torch.autocast(x.device.type, enabled=False):
            told = torch.cat([(x - self.middle) * self.scale, by_colour(x)], 1)  # type: ignore[operator]
        x = self.stem(told)
        kept = [x]
        for down, encode in zip(self.down, self.encode, strict=True):
            x = encode(down(x))
            kept.append(x)
        for n in reversed(range(len(self.narrow))):
            up = functional.interpolate(self.narrow[n](x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = self.decode[n](functional.relu(kept[n] + up))
        return self.head(x)


def alpha_of(logits: Tensor) -> Tensor:
    """Alpha 0..1; exactly 0 and 1 where the network is sure."""
    return (torch.sigmoid(logits) * (1 + 2 * _STRETCH) - _STRETCH).clamp(0, 1)


def reach() -> int:
    """How far, in px, a pixel's answer may look to each side; a bound, and what lies near it hardly counts."""
    total = 1 + 1 + 1  # stem, the last decoder, head
    for n, sides in enumerate(_SIDES, start=1):
        stride = 2**n
        total += sum(side // 2 for side in sides) * stride
        total += stride // 2 + stride + 1  # the convolution that halves, the interpolation that doubles
    return total + (_FIELDS[-1] // 2 + 2) * _GRAIN
