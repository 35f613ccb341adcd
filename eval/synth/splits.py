"""Which kinds of objects are seen in training, which only in validation, and which only in the test.

Splits go by kind and not by picture: small parts (a prong, a link's wire, a material) may be shared, arrangements not.
The seven kinds of the published samples belong to the test, and so do the papers of `published`: training sees flat
matt paper under its renders, which other backgrounds are composed under.
"""

from __future__ import annotations

from eval.synth import objects
from eval.synth.kinds import NEW

SPLITS = ("train", "validation", "test")

VALIDATION = ("eternity", "rope_chain", "plate", "locket", "bangle", "tube", "ribbon_bow", "coral", "pliers")
TEST = ("snake_chain", "jug", "watch", "draped_cloth", "chandelier", "pump_bottle", "basket")


def kinds_of(split: str) -> tuple[str, ...]:
    """The kinds of a split, in a fixed order.

    Raises:
        ValueError: no such split.
    """
    if split == "test":
        return (*objects.KINDS, *(k for k in NEW if k in TEST))
    if split == "validation":
        return tuple(k for k in NEW if k in VALIDATION)
    if split == "train":
        return tuple(k for k in NEW if k not in TEST and k not in VALIDATION)
    raise ValueError(f"no split '{split}'; there are {', '.join(SPLITS)}")


def split_of(kind: str) -> str:
    """The split that a kind belongs to.

    Raises:
        ValueError: no such kind.
    """
    for split in SPLITS:
        if kind in kinds_of(split):
            return split
    raise ValueError(f"no scene kind '{kind}'")
