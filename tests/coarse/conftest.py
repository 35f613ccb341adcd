import sys
from pathlib import Path

import numpy as np
import pytest

from segtile.types import Box

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def frame_of():
    """The frame that a preview stands for, at so many frame px per map px."""

    def make(preview: np.ndarray, scale: int = 1) -> Box:
        return Box.frame(preview.shape[1] * scale, preview.shape[0] * scale)

    return make
