"""What tells the families of prompted networks apart, beyond what their graphs and cards say of themselves."""

from __future__ import annotations

from dataclasses import dataclass

from segtile.backends.squares import Fit
from segtile.errors import ModelError


@dataclass(frozen=True)
class Family:
    """How a family is asked and understood.

    `fit` is how a picture gets into its square. `padding` is the point of label -1 that stands in where there is no
    box, None where the graph adds its own. `exclusive`: a box and points at once are not understood. `soft`: the
    logistic function of its logits is an alpha. `stable`: masks are ranked by their stability, since what the network
    says of them is unreliable. `most_points` it takes at once (a box counts as two), 0 for any.
    """

    fit: Fit = "longest"
    padding: tuple[float, float] | None = (0.0, 0.0)
    exclusive: bool = False
    soft: bool = False
    stable: bool = False
    most_points: int = 0


#: By the family that a model's card names. SAM-HQ and MobileSAM are asked as SAM is; SAM-HQ's further features are read
#: off its graphs.
FAMILIES: dict[str, Family] = {
    "sam": Family(),
    "mobile-sam": Family(),
    "sam-hq": Family(),
    "edge-sam": Family(stable=True),
    "sam2": Family(fit="squash", padding=None),
    "efficient-sam": Family(fit="squash", padding=None, most_points=6),
    "zim": Family(padding=(-0.5, -0.5), exclusive=True, soft=True),
}


def family_of(name: str, model: str) -> Family:
    """The family of that name.

    Raises:
        ModelError: `model` names a family that cannot be asked about objects.
    """
    if name not in FAMILIES:
        raise ModelError(f"{model} is of the family '{name}', which cannot be prompted: {', '.join(FAMILIES)} can")
    return FAMILIES[name]
