"""The pieces that sprites are rendered of: each lies on the table, centred, as large as it is said to be."""

import numpy as np
import pytest

from models.training.sprites.sheet import COLUMNS, ROWS, arrange, kinds_of
from models.training.sprites.shelf import SHELF, lay


@pytest.mark.parametrize("kind", sorted(SHELF))
def test_a_piece_lies_on_the_table_centred_and_two_centimetres_long(kind):
    for seed in range(3):
        points = np.concatenate([part.points() for part in lay(kind, np.random.default_rng(seed))])
        low, high = points.min(axis=0), points.max(axis=0)
        assert low[2] == pytest.approx(0, abs=1e-9)
        assert (high - low)[:2].max() == pytest.approx(2.0)
        assert np.abs(low + high)[:2].max() < 1e-9


def test_sheets_go_through_the_whole_shelf_and_repeat_by_seed():
    shown = [kind for sheet in range(2) for kind in kinds_of(sheet)]
    assert set(shown) == set(SHELF)
    first, pieces = arrange(1, 5)
    again, _ = arrange(1, 5)
    assert len(pieces) == COLUMNS * ROWS
    assert all((a.points() == b.points()).all() for a, b in zip(first.parts, again.parts, strict=True))
