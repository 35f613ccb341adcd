"""The seeded set, small truths made of squares, and the program in this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from eval.coco_set import make_set


@pytest.fixture(scope="session")
def full_set():
    """200 pictures of 1000 px, 3000 objects, crowd and tied scores: (truth, results)."""
    return make_set()


@pytest.fixture(scope="session")
def small_set():
    """The same at 160 px, for what costs time by the pixel."""
    return make_set(side=160)
