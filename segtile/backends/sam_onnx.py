"""Prompted networks as pairs of ONNX graphs: SAM, MobileSAM, SAM-HQ, SAM 2, EfficientSAM, EdgeSAM and ZIM.

The graphs' own names, shapes and types say what they take; `sam_families` says the little that they cannot.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segtile.backends.onnx import OnnxGraph, Port
from segtile.backends.promptable import BOTTOM_RIGHT, INSIDE, OUTSIDE, PADDING, TOP_LEFT, Answer, Embedding, Prompt
from segtile.backends.sam_families import family_of
from segtile.backends.sam_graphs import sort_graphs, wire
from segtile.backends.squares import Square, place, prepare
from segtile.backends.zim_attention import attention
from segtile.catalog import ModelCard
from segtile.errors import BadInput, ModelError
from segtile.types import Array, FloatArray

_AT_ONCE = 8  # prompts in a batch; a decoder holds the picture's features for each of them
_OFFSET = 1.0  # logits; a mask is stable where moving the threshold by so much changes little


class OnnxPromptable:
    """An encoder and a decoder behind `Promptable`; one picture is looked at at a time, whoever asks."""

    def __init__(self, card: ModelCard, paths: Sequence[Path], device: str = "auto", threads: int = 0) -> None:
        """Load both graphs.

        Args:
            card: the family, and how the network wants its pictures; a size of (0, 0) is what the graph says.
            paths: the two .onnx files, in any order.
            device: see `OnnxGraph`.
            threads: see `OnnxGraph`.

        Raises:
            BackendMissing: onnxruntime is not installed, or lacks what the device asks for.
            ModelError: a file is no graph, or the two are not what a network of this family is made of.
        """
        self._card, self._family = card, family_of(card.family, card.id)
        self._encoder, self._decoder = sort_graphs([OnnxGraph(path, device, threads) for path in paths], card.id)
        self._wiring = wire(self._encoder, self._decoder)
        self._lock = threading.Lock()
        self.side = self._square_side()
        self._fit = "as is" if self._open_size and card.family == "efficient-sam" else self._family.fit
        mask = self._wiring.mask
        self.mask_side = 0 if mask is None else (mask.shape[-1] or self.side // 4)
        fixed = self._wiring.coords.shape[-2]
        self.most_points = fixed or self._family.most_points
        self.exclusive, self.soft = self._family.exclusive, self._family.soft
        if self._family.soft and self._wiring.attention is None:
            raise ModelError(
                f"{self._decoder.path} has no input attn_mask: it is no decoder of the family {card.family}"
            )

    @property
    def provider(self) -> str:
        """The execution provider that looks at pictures."""
        return self._encoder.provider

    @property
    def metadata(self) -> tuple[dict[str, str], dict[str, str]]:
        """What the makers of encoder and decoder wrote into them: unchecked text."""
        return self._encoder.metadata, self._decoder.metadata

    def place(self, width: int, height: int) -> Square:
        """Where a picture of this size lies in the network's square."""
        return place(width, height, self.side, self._fit)

    def embed(self, rgb: FloatArray) -> Embedding:
        """Look at a picture: (h, w, 3) float32 sRGB-encoded in [0, 1].

        Raises:
            ModelError: the encoder fails to run.
        """
        square = self.place(rgb.shape[1], rgb.shape[0])
        card = self._card
        pixels = rgb[..., ::-1] if card.colour == "bgr" else rgb
        ready = prepare(pixels, square, card.mean, card.std, card.scale)
        run = self._encoder.run_kept if self._wiring.kept else self._encoder.run
        with self._lock:  # its working memory is the largest there is
            values = run({self._wiring.picture.name: ready}, list(self._wiring.features.values()))
        return Embedding(dict(zip(self._wiring.features, values, strict=True)), square)

    def answer(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[Answer]:
        """One answer for each prompt; those of a kind go through the decoder at once where it has a batch axis.

        Raises:
            BadInput: a prompt holds what this network does not take.
            ModelError: the decoder fails to run, or answers with something else than masks and their scores.
        """
        rows = [self._rows(prompt, embedding.square) for prompt in prompts]
        kinds: dict[tuple[int, bool], list[int]] = {}
        for i, (prompt, (coords, _)) in enumerate(zip(prompts, rows, strict=True)):
            kinds.setdefault((len(coords), prompt.mask is not None), []).append(i)
        answers: dict[int, Answer] = {}
        for members in kinds.values():
            step = _AT_ONCE if self._batches else 1
            for k in range(0, len(members), step):
                group = members[k : k + step]
                found = self._decode(embedding, [prompts[i] for i in group], [rows[i] for i in group])
                answers.update(zip(group, found, strict=True))
        return [answers[i] for i in range(len(prompts))]

    @property
    def _open_size(self) -> bool:
        return None in self._wiring.picture.shape[2:]

    @property
    def _batches(self) -> bool:
        coords = self._wiring.coords.shape
        return coords[len(coords) - 3] is None

    def _square_side(self) -> int:
        """The encoder's own side, where its graph fixes one; else the card's."""
        height, width = self._wiring.picture.shape[2:]
        wanted = self._card.size
        if wanted[0] != wanted[1]:
            raise ModelError(f"the card of {self._card.id} says {wanted[0]} x {wanted[1]} px; a square is expected")
        if self._open_size:
            return wanted[0]
        if wanted == (0, 0) and width is not None and width == height:
            return width
        if (width, height) != wanted:
            raise ModelError(f"the encoder of {self._card.id} takes {width} x {height} px, its card says {wanted}")
        return wanted[0]

    def _rows(self, prompt: Prompt, square: Square) -> tuple[FloatArray, FloatArray]:
        """(n, 2) coordinates on the canvas and their (n,) labels: points, then the box's corners or a padding point."""
        points = prompt.points
        if self._family.exclusive and prompt.box is not None:
            points = points[:0]
        labels = np.where(prompt.inside[: len(points)], INSIDE, OUTSIDE).astype(np.float32)
        coords = square.to_canvas(points)
        extra: list[tuple[tuple[float, float], float]] = []
        if prompt.box is not None:
            corners = square.to_canvas(np.array(prompt.box, np.float32).reshape(2, 2))
            extra = [(tuple(corners[0]), TOP_LEFT), (tuple(corners[1]), BOTTOM_RIGHT)]
        elif self._family.padding is not None:
            extra = [(self._family.padding, PADDING)]
        if not len(points) and prompt.box is None:
            raise BadInput(f"{self._card.id} is asked by points, a box or both; there are none")
        if prompt.mask is not None and self._wiring.mask is None:
            raise BadInput(f"{self._card.id} takes no mask as a prompt")
        coords = np.concatenate([coords, np.array([c for c, _ in extra], np.float32).reshape(-1, 2)])
        labels = np.concatenate([labels, np.array([label for _, label in extra], np.float32)])
        if self.most_points and len(coords) > self.most_points:
            raise BadInput(f"{self._card.id} takes {self.most_points} points at once, a box as two; not {len(coords)}")
        fixed = self._wiring.coords.shape[-2]
        if fixed is not None and len(coords) < fixed:
            missing = fixed - len(coords)
            coords = np.concatenate([coords, np.full((missing, 2), PADDING, np.float32)])
            labels = np.concatenate([labels, np.full(missing, PADDING, np.float32)])
        return coords, labels

    def _decode(
        self, embedding: Embedding, prompts: list[Prompt], rows: list[tuple[FloatArray, FloatArray]]
    ) -> list[Answer]:
        wiring = self._wiring
        feeds: dict[str, Any] = dict(embedding.features)
        coords, labels = (np.stack(values) for values in zip(*rows, strict=True))
        extra = (1,) if len(wiring.coords.shape) == 4 else ()
        feeds[wiring.coords.name] = coords.reshape(*extra, *coords.shape)
        feeds[wiring.labels.name] = labels.reshape(*extra, *labels.shape)
        if wiring.mask is not None and wiring.has_mask is not None:
            feeds |= self._mask_feeds(prompts, wiring.mask, wiring.has_mask)
        if wiring.size is not None:
            width, height = embedding.square.outer
            feeds[wiring.size.name] = np.array([height, width], np.int64).reshape(_open_as_one(wiring.size, 2))
        if wiring.attention is not None:
            side = wiring.attention.shape[-1] or self.side // 16
            feeds[wiring.attention.name] = np.stack([attention(c, lab, side, self.side // side) for c, lab in rows])
        masks, scores = self._decoder.run(feeds, [wiring.masks, wiring.scores])
        return self._read(masks, scores, len(prompts))

    def _mask_feeds(self, prompts: list[Prompt], mask: Port, has_mask: Port) -> dict[str, Array]:
        side = self.mask_side
        given = [p.mask for p in prompts if p.mask is not None]
        if any(m.shape != (side, side) for m in given):
            raise BadInput(f"{self._card.id} takes masks of {side} x {side}, not {given[0].shape}")
        if not given:
            values = np.zeros((len(prompts), 1, side, side), np.float32)
        else:
            values = np.stack(given)[:, None].astype(np.float32)
        asked = np.full(_open_as_one(has_mask, 1), float(bool(given)), np.float32)
        return {mask.name: values, has_mask.name: asked}

    def _read(self, masks: Array, scores: Array, count: int) -> list[Answer]:
        side = masks.shape[-1] if masks.ndim >= 3 else 0
        where = f"{self._decoder.path}: masks {masks.shape} and scores {scores.shape} for {count} prompts"
        if not side or masks.shape[-2] != side or masks.size % (count * side * side) or scores.size % count:
            raise ModelError(f"{where} are not one map and one score for each")
        maps = masks.astype(np.float32).reshape(count, -1, side, side)
        quality = scores.astype(np.float32).reshape(count, -1)
        if quality.shape[1] != maps.shape[1]:
            raise ModelError(f"{where} are not one map and one score for each")
        if not (np.isfinite(maps).all() and np.isfinite(quality).all()):
            raise ModelError(f"{self._card.id} gave values that are no numbers for this picture")
        if self._family.stable:
            quality = np.stack([stability(m) for m in maps])
        return [Answer(m, q) for m, q in zip(maps, quality, strict=True)]


def stability(logits: FloatArray) -> FloatArray:
    """How little masks (m, s, s) change with their threshold: IoU of them at +1 and at -1, (m,) float32.

    Source: Kirillov et al.: Segment Anything, ICCV 2023, appendix B.
    """
    sure = (logits > _OFFSET).sum(axis=(1, 2))
    possible = (logits > -_OFFSET).sum(axis=(1, 2))
    return np.asarray(sure / np.maximum(possible, 1), np.float32)


def _open_as_one(port: Port, values: int) -> tuple[int, ...]:
    """The shape of an input that holds so many values, its open axes being 1."""
    shape = [side or 1 for side in port.shape] or [1]
    if int(np.prod(shape)) != values:
        shape[-1] = values
    return tuple(shape)
