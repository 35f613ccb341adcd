"""What both networks are built of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Depthwise(nn.Conv2d):
    """One filter a channel. On a processor always in float32: bfloat16's gradients take four to six times as long."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H', W')."""
        if x.device.type != "cpu":
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x if x.dtype == torch.float32 else x.float())  # no cast in an exported graph


def unit(inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    """A convolution, batch normalisation (which export folds into it), and ReLU where wanted."""
    conv = Depthwise if groups == inside == outside else nn.Conv2d
    layers: list[nn.Module] = [
        conv(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside, momentum=0.05),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if act else nn.Sequential(*layers)


def hold_statistics(module: nn.Module) -> None:
    """Let all batch normalisation in a network use the statistics that it has, and leave them as they are."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()


class Separable(nn.Module):
    """Depthwise 5 x 5 and pointwise, with a way past."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(unit(channels, channels, 5, groups=channels), unit(channels, channels, 1, act=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return functional.relu(x + self.body(x))


class Residual(nn.Module):
    """Two full convolutions 3 x 3 with a way past: few channels make better use of them than of depthwise ones."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(unit(channels, channels, 3), unit(channels, channels, 3, act=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return functional.relu(x + self.body(x))
