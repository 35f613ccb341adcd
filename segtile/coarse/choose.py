"""Which coarse pass looks at a picture."""

from __future__ import annotations

from segtile.coarse.studio import studio_pass
from segtile.errors import BadInput
from segtile.types import Box, CoarseMap, FloatArray


def look(preview: FloatArray, frame: Box, name: str = "auto") -> CoarseMap:
    """Look at a whole picture: (h, w, 3) float32 sRGB-encoded in [0, 1], and the frame it stands for.

    Raises:
        BadInput: a pass of this name does not exist.
    """
    if name == "net":
        raise BadInput("The embedded network 'net' is not part of this version; use studio, auto or a catalogue name.")
    if name not in ("auto", "studio"):
        raise BadInput(f"There is no coarse pass named '{name}'; use auto or studio.")
    return studio_pass(preview, frame)
