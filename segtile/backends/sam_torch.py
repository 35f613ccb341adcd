"""SAM, MobileSAM and SAM-HQ themselves behind `Promptable`: packages, a checkpoint, torch (extra "torch")."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segtile.backends.promptable import Answer, Embedding, Prompt
from segtile.backends.sam_network import PACKAGES, load_network
from segtile.backends.squares import Square, place, prepare
from segtile.backends.torch_weights import torch_module
from segtile.catalog import ModelCard
from segtile.errors import BackendMissing, BadInput, ModelError
from segtile.types import FloatArray


class TorchSam:
    """A Sam of the package of its family; one picture is looked at at a time, whoever asks.

    Pictures are prepared as for the ONNX graphs, so that 16 bits stay 16 bits; from there on it is what the package's
    own predictor does, up to the low-resolution masks. All masks of SAM's decoder are given, as its graphs give them:
    the first is the one that the package keeps for several points, the others those it calls multimask. SAM-HQ gives
    one; see `SamNetwork.answer`.
    """

    most_points = 0
    exclusive = False
    soft = False

    def __init__(self, card: ModelCard, checkpoint: Path, device: str = "auto", threads: int = 0) -> None:
        """Load a checkpoint.

        Args:
            card: the family, and how the network wants its pictures; no family and a size of (0, 0) are what the
                checkpoint says.
            checkpoint: .pth, .pt or .safetensors; see `load_network`.
            device: "auto" (CUDA where torch has it, else the CPU), "cpu", "cuda" or "cuda:N".
            threads: threads of torch, for the whole process; 0 leaves them.

        Raises:
            BackendMissing: torch or a package of the family is not installed, or lacks what the device asks for.
            BadInput: `device` is none of the above.
            ReadError: there is no such file.
            ModelError: the file holds no weights of the card's family, or of another size than the card's.
        """
        self._torch = torch_module()
        self._device = _device(self._torch, device)
        if threads:
            self._torch.set_num_threads(threads)
        self._card, self._network = card, load_network(checkpoint, card.family or None)
        self._network.model.to(self._device)
        self._lock = threading.Lock()
        self.side, self.mask_side = self._network.side, self._network.mask_side
        if card.size not in ((0, 0), (self.side, self.side)):
            raise ModelError(f"the checkpoint of {card.id} takes {self.side} px, its card says {card.size}")

    @property
    def packages(self) -> str:
        """What runs it beside torch, in words."""
        return " and ".join(PACKAGES[self._network.family])

    @property
    def provider(self) -> str:
        """The device that looks at pictures, as torch names it."""
        return str(self._device)

    def place(self, width: int, height: int) -> Square:
        """Where a picture of this size lies in the network's square."""
        return place(width, height, self.side, "longest")

    def embed(self, rgb: FloatArray) -> Embedding:
        """Look at a picture: (h, w, 3) float32 sRGB-encoded in [0, 1]."""
        square = self.place(rgb.shape[1], rgb.shape[0])
        card = self._card
        pixels = rgb[..., ::-1] if card.colour == "bgr" else rgb
        ready = self._tensor(prepare(pixels, square, card.mean, card.std, card.scale))
        with self._lock, self._torch.inference_mode():  # its working memory is the largest there is
            return Embedding(self._network.look(ready), square)

    def answer(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[Answer]:
        """One answer for each prompt.

        Raises:
            BadInput: a prompt holds nothing, or a mask of another size than the network takes.
            ModelError: an answer is not made of numbers.
        """
        with self._torch.inference_mode():
            return [self._ask(embedding, prompt) for prompt in prompts]

    def _ask(self, embedding: Embedding, prompt: Prompt) -> Answer:
        points = boxes = masks = None
        if len(prompt.points):
            coords = self._tensor(embedding.square.to_canvas(prompt.points)[None])
            points = coords, self._tensor(np.asarray(prompt.inside, np.float32)[None])
        if prompt.box is not None:
            corners = np.array(prompt.box, np.float32).reshape(2, 2)
            boxes = self._tensor(embedding.square.to_canvas(corners).reshape(1, 4))
        if points is None and boxes is None:
            raise BadInput(f"{self._card.id} is asked by points, a box or both; there are none")
        if prompt.mask is not None:
            if prompt.mask.shape != (self.mask_side, self.mask_side):
                raise BadInput(
                    f"{self._card.id} takes masks of {self.mask_side} x {self.mask_side}, not {prompt.mask.shape}"
                )
            masks = self._tensor(prompt.mask.astype(np.float32)[None, None])
        found, scores = self._network.answer(embedding.features, points, boxes, masks)
        answer = Answer(found[0].cpu().numpy(), scores[0].cpu().numpy())
        if not (np.isfinite(answer.logits).all() and np.isfinite(answer.scores).all()):
            raise ModelError(f"{self._card.id} gave values that are no numbers for this picture")
        return answer

    def _tensor(self, values: FloatArray) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(values)).to(self._device)


def _device(torch: Any, device: str) -> Any:
    kind, _, index = device.partition(":")
    if kind in ("cpu", "auto") and not index:
        return torch.device("cuda" if kind == "auto" and torch.cuda.is_available() else "cpu")
    if kind == "tensorrt":
        raise BadInput(f"device '{device}' runs ONNX graphs; a checkpoint runs through torch: use auto, cpu or cuda")
    if kind != "cuda" or not (index.isdigit() or device == "cuda"):
        raise BadInput(f"there is no device '{device}'; use auto, cpu, cuda or cuda:N")
    if int(index or 0) >= torch.cuda.device_count():
        raise BackendMissing(f"device '{device}': torch sees {torch.cuda.device_count()} CUDA devices here")
    return torch.device(device)
