"""SAM, MobileSAM and SAM-HQ from their checkpoints, of any dimensions, asked in one way (extra "torch").

Which of them a checkpoint is shows in its weights. SAM is segment_anything's own network and SAM-HQ that of
segment_anything_hq; MobileSAM, whose package is on no index, is segment_anything's decoder behind TinyViT, which
segment_anything_hq has too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from segtile.backends.sam_checkpoint import Package, assemble, build_vit, modeling_of, shape_of
from segtile.backends.tiny_vit import TINY, build_tiny, tiny_shape_of, without_classifier
from segtile.backends.torch_weights import read_tensors
from segtile.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

Family = Literal["sam", "mobile-sam", "sam-hq"]

#: The families whose checkpoints are loaded here, by the name that cards give them, and the packages of each.
PACKAGES: dict[str, tuple[Package, ...]] = {
    "sam": ("segment_anything",),
    "mobile-sam": ("segment_anything", "segment_anything_hq"),
    "sam-hq": ("segment_anything_hq",),
}
_TITLES = {"sam": "SAM", "mobile-sam": "MobileSAM", "sam-hq": "SAM-HQ"}
#: A weight that SAM-HQ's decoder alone has, and how those begin that every encoder has.
_HQ, _ANY = "mask_decoder.hf_token.weight", "image_encoder.patch_embed."
#: How torch names weights that do not fit; all of them in one line.
_KEYS = re.compile(r'(Missing|Unexpected) key\(s\) in state_dict: "([^"]+)"')


@dataclass(frozen=True)
class SamNetwork:
    """A network of one of the families: `model` is the Sam of its package.

    Its image encoder gives what the decoder takes and no more: the embeddings alone, or, for SAM-HQ, those and the
    first of the early features as (1, 1, height, width, channels).
    """

    family: Family
    model: Any

    @property
    def side(self) -> int:
        """The side in px of the pictures that it takes."""
        return int(self.model.image_encoder.img_size)

    @property
    def mask_side(self) -> int:
        """The side of the masks that it takes and gives."""
        return int(self.model.prompt_encoder.mask_input_size[0])

    @property
    def features(self) -> tuple[str, ...]:
        """What the encoder gives, by the names that the families' graphs have for it."""
        return ("image_embeddings", "interm_embeddings") if self.family == "sam-hq" else ("image_embeddings",)

    def look(self, picture: Tensor) -> dict[str, Tensor]:
        """The features of a picture (1, 3, side, side), normalised and padded."""
        found = self.model.image_encoder(picture)
        return dict(zip(self.features, found if isinstance(found, tuple) else (found,), strict=True))

    def answer(
        self,
        features: Mapping[str, Tensor],
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        masks: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (1, m, s, s) and scores (1, m) for one prompt, given as the package's prompt encoder takes it.

        All masks of SAM's decoder are given. SAM-HQ's gives one: the logits of SAM's mask for a prompt that leaves no
        doubt and those of its own token, added up, with the score of the former. That is how its authors run it
        (multimask_output=False, hq_token_only=False).
        """
        sparse, dense = self.model.prompt_encoder(points=points, boxes=boxes, masks=masks)
        given = {
            "image_embeddings": features["image_embeddings"],
            "image_pe": self.model.prompt_encoder.get_dense_pe(),
            "sparse_prompt_embeddings": sparse,
            "dense_prompt_embeddings": dense,
        }
        if self.family != "sam-hq":
            return self.model.mask_decoder.predict_masks(**given)
        early = features["interm_embeddings"]
        return self.model.mask_decoder(**given, multimask_output=False, hq_token_only=False, interm_embeddings=early)


def load_network(path: Path, family: str | None = None) -> SamNetwork:
    """A checkpoint's network in evaluation mode, float32 on the CPU.

    Args:
        path: .pth, .pt or .safetensors.
        family: what it has to be; None for any of them.

    Raises:
        BackendMissing: torch or a package of its family is not installed, or does not import.
        ReadError: there is no such file.
        ModelError: the file holds no weights of these families or of another one than asked for, or is a pickle that
            wants more than tensors.
    """
    weights = read_tensors(path)
    found = _family_of(weights)
    if found is None:
        raise ModelError(f"{path} is no checkpoint of SAM, MobileSAM or SAM-HQ: it lacks {_ANY.rstrip('.')}")
    if family is not None and found != family:
        raise ModelError(f"{path} is a checkpoint of {_TITLES[found]}, where one of {_TITLES[family]} is expected")
    try:
        model, weights = _build(found, weights)
        model.load_state_dict(weights, strict=True, assign=True)
    except KeyError as error:
        raise ModelError(f"{path} is no checkpoint of {_TITLES[found]}: it lacks {error.args[0]}") from None
    except (RuntimeError, ValueError, ZeroDivisionError, IndexError, AssertionError) as error:
        raise ModelError(f"{path} is no checkpoint of {_TITLES[found]}: {_mismatch(error)}") from None
    model.eval()
    model.requires_grad_(False)
    return SamNetwork(found, model)


def _family_of(weights: Mapping[str, Tensor]) -> Family | None:
    if not any(name.startswith(_ANY) for name in weights):
        return None
    if _HQ in weights:
        return "sam-hq"
    return "mobile-sam" if _is_tiny(weights) else "sam"


def _is_tiny(weights: Mapping[str, Tensor]) -> bool:
    return any(name.startswith(TINY) for name in weights)


def _build(family: Family, weights: dict[str, Tensor]) -> tuple[Any, dict[str, Tensor]]:
    """A network that waits for weights, and those of the checkpoint that it takes."""
    modelings = [modeling_of(package) for package in PACKAGES[family]]
    high = family == "sam-hq"
    if _is_tiny(weights):
        tiny = tiny_shape_of(weights)
        encoder = build_tiny(modelings[-1], tiny)
        # a hook, not a module around it: names of weights stay what they are
        encoder.register_forward_hook(_with_early if high else _alone)
        model = assemble(modelings[0], encoder, tiny, "meta", tiny.widths[2] if high else 0)
        return model, without_classifier(weights)
    shape = shape_of(weights)
    encoder = build_vit(modelings[0], shape, "meta")
    if high:
        if not shape.global_blocks:
            raise ValueError("none of its encoder's blocks looks at all of a picture, and its decoder needs one's")
        encoder.register_forward_hook(_with_early)
    return assemble(modelings[0], encoder, shape, "meta", shape.width if high else 0), weights


def _alone(_module: Any, _given: Any, found: tuple[Tensor, list[Tensor]]) -> Tensor:
    return found[0]


def _with_early(_module: Any, _given: Any, found: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, Tensor]:
    return found[0], found[1][0][None]


def _mismatch(error: BaseException) -> str:
    """The first thing that load_state_dict complains of, without its heading."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    found = lines[1] if len(lines) > 1 and lines[0].startswith("Error(s)") else (lines or [type(error).__name__])[0]
    if keys := _KEYS.match(found):
        return f"it lacks {keys[2]}" if keys[1] == "Missing" else f"it holds {keys[2]}, which such a network has not"
    return found[:200].rstrip(". ")
