"""The coarse network asked on its device while the refiner learns: what `answer` writes to files, as it goes.

Processes compose pictures and find their backgrounds; the network's looks, which `segtile.coarse.net` describes, are
taken here, where the training runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, default_collate

from models.training.cutout.answer import CROPS, composed
from models.training.cutout.bank import as_bytes
from models.training.cutout.config import STRIDE, Settings
from models.training.cutout.examples import alone, example
from models.training.cutout.seen import Raw, bits_of, solar, tone_of, with_told
from models.training.cutout.shapes import Float, Rng
from models.training.cutout.shelf import Shelf
from segtile.coarse.ground import see_background
from segtile.coarse.net import FAR_WAYS, LEAST, NEAR_WAYS, NEIGHBOURHOOD, WAYS
from segtile.coarse.network import DOUBT, SURE_BACKGROUND
from segtile.solar import luma_of

PICTURES = 2  # that are asked about, in a portion
_CELL = 8  # px; crops are placed on this grid


class View(NamedTuple):
    """A picture at the size of one look: `pixels` (h, w, 3) float16 0..1, and its background as `Raw` has it."""

    pixels: Tensor | NDArray[np.float16]
    tone: Tensor | NDArray[np.int16]
    told: bool
    sigma: float


class Picture(NamedTuple):
    """A composed picture, (s, s), and the looks at it, from afar and from near; `sigma` its own noise."""

    pixels: Tensor | NDArray[np.uint8]
    alpha: Tensor | NDArray[np.uint8]
    far: View
    near: View
    sigma: float


def picture(rng: Rng, settings: Settings, shelf: Shelf) -> Picture:
    """A picture that a coarse network is to be asked about."""
    scene, pixels, preview, far = composed(rng, shelf, settings.data)
    small = preview if far >= len(preview) else cv2.resize(preview, (far, far), interpolation=cv2.INTER_AREA)
    return Picture(pixels, as_bytes(scene.alpha), _view(np.asarray(small, np.float32)), _view(preview), scene.sigma)


def _view(pixels: Float) -> View:
    seen = see_background(pixels)
    tone = bits_of(None if seen is None else luma_of(seen.tone), pixels.shape[:2])
    return View(pixels.astype(np.float16), tone, seen is not None, 0.0 if seen is None else seen.sigma)


class Portions(Dataset[tuple[Raw, list[Picture]]]):
    """Crops with made answers, and pictures that bring real ones, in the ratio of `answers`; of the last size."""

    def __init__(self, settings: Settings, shelf: Shelf, first: int) -> None:
        stage = settings.refine
        crops = max(1, round(PICTURES * CROPS * (1 - stage.answers) / max(stage.answers, 0.05)))
        one = replace(stage, batch=crops, answers=0.0, sides=stage.sides[-1:])
        self._settings, self._shelf, self._first, self._crops = replace(settings, refine=one), shelf, first, crops

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, number: int) -> tuple[Raw, list[Picture]]:
        number += self._first
        given = ("refine", self._settings, self._shelf, self._settings.seed)
        crops = [example(*given, number * self._crops + n) for n in range(self._crops)]
        rng = np.random.default_rng([self._settings.seed, number, 7])
        return default_collate(crops), [picture(rng, self._settings, self._shelf) for _ in range(PICTURES)]


def portions(
    settings: Settings, shelf: Shelf, done: int, workers: int, pinned: bool
) -> Iterator[tuple[Raw, list[Picture]]]:
    """Portions from number `done` on, without end: a step takes in one at most, so none of them has been seen."""
    loader: DataLoader[tuple[Raw, list[Picture]]] = DataLoader(
        Portions(settings, shelf, done), batch_size=None, num_workers=workers,
        worker_init_fn=alone if workers else None, pin_memory=pinned,
    )  # fmt: skip
    yield from loader


class Asker:
    """A coarse network, and what it is asked for."""

    def __init__(self, model: nn.Module, settings: Settings, device: torch.device) -> None:
        self._model, self._device = model.to(device).eval(), device
        self._untold = settings.data.unknown
        self._settings = settings
        self._rng = np.random.default_rng([settings.seed, 9])

    @torch.inference_mode()
    def probability(self, given: Picture) -> Tensor:
        """As `segtile.coarse.net.look` and `upsample` have it but for dust, which stays, (1, 1, s, s) float32."""
        side = given.alpha.shape[-1]
        far, near = given.far, given.near
        if far.pixels.shape[0] < near.pixels.shape[0]:
            close = both_looks(self._each_way(far, FAR_WAYS), self._each_way(near, NEAR_WAYS))
        else:
            close = self._each_way(far, FAR_WAYS)
        # the run-time map holds probabilities, and these are interpolated
        prob = doubted(torch.sigmoid(close))
        return functional.interpolate(prob, (side, side), mode="bilinear", align_corners=False)

    def _each_way(self, view: View, count: int) -> Tensor:
        """The mean log odds of a view and of its mirror images, (1, 1, h, w); a square one."""
        pixels = self._there(view.pixels).permute(2, 0, 1)[None].float()
        tone = tone_of(self._there(view.tone))[None, None]
        told = torch.full((1, 1, 1, 1), bool(view.told), device=self._device)
        sigma = torch.full((1, 1, 1, 1), float(view.sigma), device=self._device)
        seen = with_told(torch.cat([pixels, solar(pixels, tone, sigma, told)], 1), self._settings.coarse.solar)
        ways = torch.cat([_turned(seen, way) for way in WAYS[:count]])
        side = seen.shape[2]
        ways = functional.pad(ways, (0, -side % STRIDE, 0, -side % STRIDE), mode="reflect")
        odds = held(self._model(ways)[:, :, :side, :side].float())
        back = [_turned(one[None], way, True) for one, way in zip(odds, WAYS[:count], strict=True)]
        return torch.stack(back).mean(0)

    def _there(self, part: Tensor | NDArray[np.generic]) -> Tensor:
        return torch.as_tensor(part).to(self._device, non_blocking=True)

    @torch.inference_mode()
    def crops(self, given: Picture) -> Raw:
        """Crops of a picture: around edges, around what the answer got wrong, and a few anywhere."""
        prob = self.probability(given)[0, 0]
        pixels, alpha, tone = (self._there(part) for part in (given.pixels, given.alpha, given.near.tone))
        side, crop = len(alpha), self._settings.refine.sides[-1]
        exact = alpha.float() / 255
        wide = functional.interpolate(tone_of(tone)[None, None], (side, side), mode="bilinear", align_corners=False)
        whole = (65535 * wide[0, 0]).round().int()
        tone = torch.where(whole > 32767, whole - 65536, whole).to(torch.int16)
        said = (prob * 255).round().to(torch.uint8)
        out = []
        for x, y in self._corners(exact, prob):
            at = slice(y, y + crop), slice(x, x + crop)
            out.append((pixels[at], alpha[at], said[at], tone[at]))
        told = np.full(len(out), bool(given.near.told))
        told &= self._rng.random(len(out)) >= self._untold
        sigma = float(given.sigma) * np.exp(self._rng.normal(0, 0.2, len(out)))
        parts = [torch.stack(part) for part in zip(*out, strict=True)]
        return Raw(*parts, self._there(told), self._there(sigma))

    def _corners(self, alpha: Tensor, prob: Tensor) -> list[tuple[int, int]]:
        """Upper left corners (x, y); places are drawn on the device, which is waited for once."""
        side, crop = len(alpha), self._settings.refine.sides[-1]
        wrong = functional.max_pool2d(((alpha - prob).abs() > 0.4).float()[None, None], _CELL)
        most = functional.max_pool2d(alpha[None, None], _CELL)
        least = -functional.max_pool2d(-alpha[None, None], _CELL)
        edge = ((most > 0.5) & (least < 0.5)).float() + 1e-9
        weights = torch.stack([(wrong + 1e-6 * edge).flatten(), edge.flatten(), torch.ones_like(edge).flatten()])
        drawn = torch.multinomial(weights, CROPS, replacement=True).cpu().numpy()
        kinds = self._rng.choice(3, CROPS, p=[0.45, 0.45, 0.10])
        cells = drawn[kinds, np.arange(CROPS)]
        wide = side // _CELL
        corners = np.stack([cells % wide, cells // wide], 1) * _CELL + self._rng.integers(_CELL, size=(CROPS, 2))
        corners -= self._rng.integers(crop // 4, 3 * crop // 4, (CROPS, 2))
        return [(int(x), int(y)) for x, y in np.clip(corners, 0, side - crop)]


def _turned(x: Tensor, way: tuple[bool, bool, bool], back: bool = False) -> Tensor:
    """`segtile.coarse.net.turned` of (1, C, s, s)."""
    exchanged, *flips = way
    x = x.transpose(2, 3) if exchanged and not back else x
    x = x.flip([axis for axis, flip in zip((2, 3), flips, strict=True) if flip])
    return x.transpose(2, 3) if exchanged and back else x


def doubted(prob: Tensor) -> Tensor:
    """Without what `segtile.coarse.network.map_of` takes for sure background: (1, 1, h, w) to the same shape."""
    at = torch.arange(-DOUBT, DOUBT + 1, device=prob.device)
    disc = ((at[:, None] ** 2 + at[None] ** 2) <= DOUBT**2).to(prob.dtype)[None, None]
    keep = prob >= 0.5
    near = functional.conv2d(keep.to(prob.dtype), disc, padding=DOUBT) > 0.5
    return torch.where(keep | (near & (prob > SURE_BACKGROUND)), prob, 0.0)


def held(logits: Tensor) -> Tensor:
    """Log odds of probabilities that are held from 0 and 1 as the run-time code holds them."""
    most = float(np.log((1 - LEAST) / LEAST))
    return logits.clamp(-most, most)


def both_looks(far: Tensor, close: Tensor) -> Tensor:
    """`segtile.coarse.net.both_looks` of log odds (1, 1, h, w) and (1, 1, H, W), which also come back."""
    size = close.shape[2:]
    reach = round(4 * NEIGHBOURHOOD)
    at = torch.arange(-reach, reach + 1, device=far.device, dtype=far.dtype)
    bell = torch.exp(-0.5 * (at / NEIGHBOURHOOD) ** 2)
    bell = (bell / bell.sum()).view(1, 1, 1, -1)
    prob = torch.sigmoid(far)
    around = functional.conv2d(functional.pad(prob, (reach,) * 4, mode="reflect"), bell)
    around = functional.conv2d(around, bell.transpose(2, 3))
    around, enlarged = (functional.interpolate(x, size, mode="bilinear", align_corners=False) for x in (around, prob))
    sure = (2 * around - 1).abs()
    return sure * torch.logit(enlarged, LEAST) + (1 - sure) * close
