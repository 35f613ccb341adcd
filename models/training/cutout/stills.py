"""Rendered scenes as their files hold them, before they are developed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.synth.materials import SWEEP

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Still:
    """A scene of `eval.synth.corpus`.

    `rgb` (h, w, 3) encoded and not premultiplied, `alpha` (h, w), `shade` (h, w) the share of the light that reaches
    the paper, linear; all uint8. `white` is the encoded value that white paper is exposed to, `paper` (3,) how light
    this one is beside it, linear.
    """

    rgb: Bytes
    alpha: Bytes
    shade: Bytes
    white: float
    paper: NDArray[np.float32]


def read_still(sheet: Any) -> Still | None:
    """The scene in a file of the corpus; None if it is another kind of file."""
    if "meta" not in sheet.files:
        return None
    meta = json.loads(str(sheet["meta"]))
    paper = np.array(meta["stage"]["paper"]["colour"], np.float32) / np.float32(SWEEP.colour[0])
    return Still(sheet["rgb0"], sheet["alpha0"], sheet["shadow0"], float(meta["white"]), paper)
