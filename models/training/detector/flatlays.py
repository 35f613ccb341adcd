"""Where the pieces of eval/synth's own flat lays are, from their geometry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eval.synth import objects
from eval.synth.camera import frame
from eval.synth.spec import Part

PIECES = 15  # of every flat lay: nine single pieces and three pairs
_PAIRS = (4, 5, 6)  # on the shelf: studs, pearls, huggies


def flatlay_boxes(seed: int, width: int, height: int) -> NDArray[np.float64]:
    """The boxes (15, 4) x0 y0 x1 y1 px of the pieces of `python -m eval.synth --kind flatlay --seed SEED`.

    A box spans the projected vertices of a piece. A bead that hangs on a hook is one piece with it.
    """
    scene = objects.flatlay(seed)
    camera = frame(scene, width, height)
    rng = np.random.default_rng(seed)  # the order that the scene draws: the shelf, then its places
    shelf = objects._shelf(rng)
    pieces: list[list[Part]] = []
    at = 0
    for n in rng.permutation(len(shelf)):
        count = len(shelf[n])
        parts = list(scene.parts[at : at + count])
        pieces += [parts[: count // 2], parts[count // 2 :]] if n in _PAIRS else [parts]
        at += count
    corners = []
    for piece in pieces:
        points = camera.project(np.concatenate([part.points() for part in piece]))
        corners.append(np.concatenate([points.min(axis=0), points.max(axis=0)]))
    return np.array(corners)
