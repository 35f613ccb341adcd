"""Small pictures for the editing tests."""

import cv2
import numpy as np
import pytest

from eval.drift_model import smaller


@pytest.fixture(scope="session")
def photo(data_samples):
    """(600, 800, 3) uint8 RGB, a real sample scaled down."""
    return smaller(cv2.cvtColor(cv2.imread(str(data_samples / "flatlay.jpg")), cv2.COLOR_BGR2RGB), 800)


@pytest.fixture(scope="session")
def object_alpha(data_samples):
    """(600, 800) float32 alpha of the objects in the left half of `photo`."""
    alpha = smaller(cv2.imread(str(data_samples / "flatlay_alpha.png"), cv2.IMREAD_UNCHANGED).astype(np.float32), 800)
    alpha /= alpha.max()
    alpha[:, 400:] = 0
    return alpha
