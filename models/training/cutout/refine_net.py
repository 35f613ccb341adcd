"""The refining network: edges at full resolution, context at strides 2 to 16, no statistics of the tile."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

INPUTS = 8  # RGB, four solar channels, coarse probability
WIDTHS = (16, 32, 48, 64, 96)
MULTIPLE = 16
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


class Refiner(nn.Module):
    """(B, 8, H, W), both sides multiples of 16, to logits of alpha (B, 1, H, W).

    Inputs as `segtile.types.TileInput` has them: RGB 0..1, SOLAR_CHANNELS, the coarse probability. They are shifted to
    lie about 0, so that the zeros beyond a border are a middle grey. No statistics of the tile are taken: a pixel's
    answer depends on what lies within `reach` px, and on where it lies on the grid of 16 px, which tiles keep.
    """

    def __init__(self) -> None:
        super().__init__()
        w = WIDTHS
        self.stem = unit(INPUTS, w[0], 3)
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
        x = self.stem((x - self.middle) * self.scale)  # type: ignore[operator]
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
    """How far, in px, a pixel's answer looks to each side.

    Going down, what is within `at` px of a place of stride s is known; every k x k convolution adds (k // 2) s. Going
    up, a bilinear sample takes in the neighbour, at one stride at most.
    """
    down = [1 + 1, 0, 0, 0, 0]  # stem, and the head at the end
    down[0] += 1  # the decoder's own
    per = [0, 2 + 2, 2 * 2 + 1, 3 * 2 + 1, 3 * 2 + 1]  # steps of stride 2^n px: encoder and decoder blocks
    per[4] -= 1  # the deepest has no decoder
    total = sum(down)
    for n in range(1, 5):
        total += 2 ** (n - 1)  # the convolution that halves looks one finer px to each side
        total += per[n] * 2**n
        total += 2**n  # interpolation
    return total
