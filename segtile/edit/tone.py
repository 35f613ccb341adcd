"""One change of tone and colour for a whole picture: what an edit did everywhere, told from what it did somewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segtile.edit.perceptual import distance
from segtile.types import FloatArray

Floats = npt.NDArray[np.float64]

# Delta E: where robust fits start to doubt a sample, and where they end. A change on purpose lies beyond the last.
_SCALES = (12.0, 7.0, 4.0, 2.5, 1.5, 1.0, 0.7)
_SAMPLES = 16_000
# A richer map must explain the calm part of the picture this much better, or it only follows a local edit.
_BETTER, _AT_LEAST = 0.8, 0.15
#: Differences of float32 means that are no more than the rounding of their sums.
NOTHING = 2e-6


@dataclass(frozen=True)
class Tone:
    """A map of colours, `values @ matrix + offset`: (bands, bands) and (bands,) float64, for values of 0..1."""

    matrix: npt.NDArray[np.floating]
    offset: npt.NDArray[np.floating]
    name: str = "none"

    @property
    def identity(self) -> bool:
        """True where it changes nothing."""
        return bool((self.matrix == np.eye(len(self.offset))).all() and not self.offset.any())

    def __call__(self, values: FloatArray) -> FloatArray:
        """Map (..., bands) float32; the identity gives the array itself."""
        if self.identity:
            return values
        return np.asarray(values @ self.matrix.astype(np.float32) + self.offset.astype(np.float32), np.float32)

    def inverse(self) -> Tone:
        """The map back."""
        matrix = np.linalg.inv(self.matrix)
        return Tone(matrix, -self.offset @ matrix, self.name)


def no_tone(bands: int) -> Tone:
    """The map that changes nothing."""
    return Tone(np.eye(bands), np.zeros(bands))


def fit_tone(before: FloatArray, after: FloatArray) -> Tone:
    """The one map that takes most of a picture to its edit, and ignores what was changed somewhere.

    Four maps are tried, from nothing over an offset and gain with offset to a full matrix, each fitted with less and
    less trust in samples that it does not explain; a richer one is taken only where it explains the calmer 70 % of the
    picture clearly better. Values near black or white, where either picture may be clipped, count little.

    Args:
        before: (n, bands) or (h, w, bands) float32 in 0..1, encoded.
        after: the same pixels of the edit.

    Returns:
        The map; exactly the identity where the pictures are equal.
    """
    bands = int(before.shape[-1])
    given, edit = (v.reshape(-1, bands) for v in (before, after))
    if (np.abs(edit - given) <= NOTHING).all():
        return no_tone(bands)
    chosen = np.random.default_rng(0).choice(len(given), min(len(given), _SAMPLES), replace=False)
    x, y = given[chosen].astype(np.float64), edit[chosen].astype(np.float64)
    room = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)).min(axis=1)
    trust = np.clip(room * 50, 0.02, 1)
    best, error = no_tone(bands), _calm(x, y)
    for name in ("offset", "gain", "matrix") if bands > 1 else ("offset", "gain"):
        tried = _fit(x, y, trust, name)
        left = _calm(tried(x.astype(np.float32)), y)
        if left < error * _BETTER and left < error - _AT_LEAST:
            best, error = tried, left
    return best


def _calm(x: npt.NDArray[np.floating], y: Floats) -> float:
    """Mean distance over the 70 % of samples that are nearest, delta E."""
    apart = distance(x.astype(np.float32), y.astype(np.float32))
    return float(np.sort(apart)[: max(1, int(0.7 * len(apart)))].mean())


def _fit(x: Floats, y: Floats, trust: Floats, name: str) -> Tone:
    bands = x.shape[1]
    matrix, offset = np.eye(bands), np.median(y - x, axis=0)
    for scale in _SCALES:
        apart = distance((x @ matrix + offset).astype(np.float32), y.astype(np.float32))
        weight = trust * doubt(apart, scale)
        if name == "offset":
            offset = (weight[:, None] * (y - x)).sum(axis=0) / weight.sum()
            continue
        for c in range(bands):
            use = [c] if name == "gain" else list(range(bands))
            rows = np.column_stack([x[:, use], np.ones(len(x))])
            normal = rows.T @ (rows * weight[:, None])
            normal += np.diag([1e-4 * weight.sum()] * len(use) + [0.0])  # deviations from the identity cost a little
            right = rows.T @ (weight * (y[:, c] - x[:, c]))
            found = np.linalg.solve(normal, right)
            matrix[:, c] = np.eye(bands)[:, c]
            matrix[use, c] += found[:-1]
            offset[c] = found[-1]
    return Tone(matrix, offset, name)


def doubt(apart: FloatArray | Floats, scale: float) -> Floats:
    """Geman and McClure's weight, 1 at 0 and a quarter at `scale`."""
    return np.square(1 / (1 + np.square(apart.astype(np.float64) / scale)))
