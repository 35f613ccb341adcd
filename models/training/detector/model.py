"""The network: a light encoder, a feature pyramid, heads at strides 8, 16 and 32, and mask prototypes at stride 4."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.detector.config import Network

STRIDES = (8, 16, 32)
_BOX_UNIT = 4.0  # a box starts out as this many strides wide and high
_RARE = 0.01  # the score that every place starts out with


class Raw(NamedTuple):
    """What the network says of A places.

    `boxes` (B, A, 4) as centre x, centre y, width, height in input px; `logits` (B, A, classes); `coefficients`
    (B, A, K) of the prototypes; `prototypes` (B, K, H / 4, W / 4).
    """

    boxes: Tensor
    logits: Tensor
    coefficients: Tensor
    prototypes: Tensor


def _unit(inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    """A convolution without bias, batch normalisation, and ReLU where wanted."""
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside, momentum=0.03),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if act else nn.Sequential(*layers)


class Separable(nn.Module):
    """A depthwise convolution and a pointwise one, with a way past both where the shape stays."""

    def __init__(self, inside: int, outside: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.depth = _unit(inside, inside, kernel, stride, groups=inside)
        self.point = _unit(inside, outside, 1, act=False)
        self.past = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H / stride, W / stride)."""
        y = self.point(self.depth(x))
        return functional.relu(x + y if self.past else y)


class Wide(nn.Module):
    """Twice as wide inside: pointwise, a 5 x 5 depthwise convolution, pointwise, with a way past (MobileNetV2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _unit(channels, 2 * channels, 1),
            _unit(2 * channels, 2 * channels, 5, groups=2 * channels),
            _unit(2 * channels, channels, 1, act=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return x + self.body(x)


class Head(nn.Module):
    """What is said of every place of one level; batch normalisation is each level's own."""

    def __init__(self, width: int, classes: int, prototypes: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.tower = nn.Sequential(Separable(width, width), Separable(width, width))
        self.score = nn.Conv2d(width, classes, 1)
        self.box = nn.Conv2d(width, 4, 1)
        self.coefficients = nn.Conv2d(width, prototypes, 1)
        nn.init.constant_(self.score.bias, -math.log((1 - _RARE) / _RARE))
        for layer in (self.score, self.box):
            nn.init.normal_(layer.weight, std=0.01)
        nn.init.zeros_(self.box.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, h, w) to boxes, logits and coefficients of its h * w places, row by row."""
        x = self.tower(x)
        box = self.box(x)
        centre = (box[:, :2] + self._grid(x)) * self.stride
        size = box[:, 2:].clamp(-4.0, 4.5).exp() * (_BOX_UNIT * self.stride)
        parts = (torch.cat([centre, size], 1), self.score(x), torch.tanh(self.coefficients(x)))
        boxes, logits, coefficients = (p.flatten(2).transpose(1, 2) for p in parts)
        return boxes, logits, coefficients

    def _grid(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        y = torch.arange(h, device=x.device, dtype=torch.float32) + 0.5
        across = torch.arange(w, device=x.device, dtype=torch.float32) + 0.5
        return torch.stack([across[None, :].expand(h, w), y[:, None].expand(h, w)])[None]


class Detector(nn.Module):
    """Pictures (B, 3, H, W) float 0..1 RGB, both sides multiples of 32, to `Raw`."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        w, n = network.widths, network.neck
        self.stem = _unit(3, w[0], 3, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(Separable(a, b, 3 if k < 2 else 5, 2), *self._blocks(b, count, wide=k >= 2))
            for k, (a, b, count) in enumerate(zip(w[:-1], w[1:], network.blocks, strict=True))
        )
        self.lateral = nn.ModuleList(_unit(c, n, 1, act=False) for c in w[2:])
        self.down = nn.ModuleList(Separable(n, n, 5) for _ in range(2))
        self.step = nn.ModuleList(_unit(n, n, 3, 2, groups=n) for _ in range(2))
        self.up = nn.ModuleList(Separable(n, n, 5) for _ in range(2))
        self.heads = nn.ModuleList(Head(n, len(network.names), network.prototypes, s) for s in STRIDES)
        k = network.prototypes
        self.fine, self.rough = _unit(w[1], k, 1, act=False), _unit(n, k, 1, act=False)
        self.prototypes = nn.Sequential(nn.ReLU(), Separable(k, k, 3), nn.Conv2d(k, k, 1))

    @staticmethod
    def _blocks(channels: int, count: int, wide: bool) -> list[nn.Module]:
        return [Wide(channels) if wide else Separable(channels, channels) for _ in range(count)]

    def forward(self, x: Tensor) -> Raw:
        """See the class."""
        features = []
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        p8, p16, p32 = (lateral(f) for lateral, f in zip(self.lateral, features[1:], strict=True))
        p16 = self.down[0](p16 + _doubled(p32))
        p8 = self.down[1](p8 + _doubled(p16))
        p16 = self.up[0](p16 + self.step[0](p8))
        p32 = self.up[1](p32 + self.step[1](p16))
        said = [head(p) for head, p in zip(self.heads, (p8, p16, p32), strict=True)]
        boxes, logits, coefficients = (torch.cat(parts, 1) for parts in zip(*said, strict=True))
        return Raw(boxes, logits, coefficients, self.prototypes(_doubled(self.rough(p8)) + self.fine(features[0])))


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def places(side: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Centres (A, 2) in px and strides (A,) of the places of an input of (height, width), in the network's order."""
    centres, strides = [], []
    for s in STRIDES:
        h, w = side[0] // s, side[1] // s
        y, x = torch.meshgrid(torch.arange(h, device=device), torch.arange(w, device=device), indexing="ij")
        centres.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * s)
        strides.append(torch.full((h * w,), float(s), device=device))
    return torch.cat(centres), torch.cat(strides)
