"""All kinds of scenes: the seven of the published samples, and those that networks are trained and judged on."""

from __future__ import annotations

from eval.synth import objects
from eval.synth.kinds import bracelets, ceramics, chains, cloth, cosmetics, forms, ornaments, rings
from eval.synth.kinds.kind import Kind, compose
from eval.synth.spec import Arrangement

NEW: dict[str, Kind] = {
    **rings.KINDS,
    **chains.KINDS,
    **ornaments.KINDS,
    **bracelets.KINDS,
    **ceramics.KINDS,
    **cosmetics.KINDS,
    **cloth.KINDS,
    **forms.KINDS,
}
NAMES: tuple[str, ...] = (*objects.KINDS, *NEW)


def arrange(kind: str, seed: int) -> Arrangement:
    """The parts and the view of a scene.

    Raises:
        ValueError: no such kind.
    """
    if kind in objects.KINDS:
        return objects.KINDS[kind](seed)
    if kind not in NEW:
        raise ValueError(f"no scene kind '{kind}'; there are {', '.join(NAMES)}")
    return compose(kind, NEW[kind], seed)
