"""Masks of every awkward kind for the mask tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from segtile.detected import CropMask
from segtile.types import Box


def drawn(*rows: str) -> np.ndarray:
    """Bits from lines of text, # is object."""
    return np.array([[c == "#" for c in row] for row in rows])


def crop(bits: np.ndarray, x0: int = 3, y0: int = 5, right: int = 4, below: int = 2) -> CropMask:
    """A crop mask of these bits with so many px of frame around it."""
    h, w = bits.shape
    return CropMask.from_bits(bits, Box(x0, y0, x0 + w, y0 + h), Box.frame(x0 + w + right, y0 + h + below))


@st.composite
def masks(draw, longest: int = 13) -> CropMask:
    """Noise of any density, or its blots: holes, diagonal contacts, lines and lone pixels, also at the frame's edge."""
    shape = draw(st.tuples(st.integers(1, longest), st.integers(1, longest)))
    if draw(st.booleans()):
        bits = draw(hnp.arrays(np.bool_, shape))
    else:
        noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random(shape)
        bits = ndimage.uniform_filter(noise, draw(st.sampled_from([1, 2, 3]))) < draw(st.floats(0.2, 0.8))
    margins = [draw(st.integers(0, 3)) for _ in range(4)]
    return crop(bits, *margins)


def ring(side: int = 160, outer: float = 75, inner: float = 50) -> CropMask:
    """A ring: the shape that formats without holes spoil."""
    y, x = np.mgrid[:side, :side] + 0.5
    r = np.hypot(x - side / 2, y - side / 2)
    return crop((r < outer) & (r > inner), 40, 30, 50, 60)


SHAPES = {
    "pixel": drawn("#"),
    "diagonal": drawn("#.", ".#"),
    "other diagonal": drawn(".#", "#."),
    "row": drawn("#######"),
    "column": drawn("#", "#", "#"),
    "stairs": np.eye(6, dtype=bool),
    "ring": drawn("###", "#.#", "###"),
    "ring closed by a corner": drawn(".##", "#.#", "###"),
    "hole at a corner": drawn("####", "#.##", "##.#", "####"),
    "plus of gaps": drawn(".#.", "#.#", ".#."),
    "dot in a ring": drawn("#####", "#...#", "#.#.#", "#...#", "#####"),
    "ring in a ring": np.pad(np.pad(drawn("###", "#.#", "###"), 1), 1, constant_values=True),
    "chessboard": np.indices((7, 8)).sum(0) % 2 == 0,
    "full": np.ones((4, 5), bool),
    "nothing": np.zeros((3, 3), bool),
}
