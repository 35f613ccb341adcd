"""The engine's last step where only changes are wanted: what the model changed, laid back on the original."""

from __future__ import annotations

from segtile.edit.diff import diffmerge
from segtile.edit.source import Source
from segtile.edit.store import TileStore, whole_store
from segtile.edit.tiles import Rows
from segtile.errors import BadInput, ModelError
from segtile.types import Progress

_ROWS = 256


def keep_changes(source: Source, edited: TileStore, on_progress: Progress) -> tuple[TileStore, tuple[str, ...]]:
    """Merge a finished edit's changes into the picture that it is an edit of.

    Args:
        source: the picture, uint8 or uint16.
        edited: the edit, a store of one tile over its frame.
        on_progress: called with the stages "compare" and "merge".

    Returns:
        The merged picture, a store like `edited`, and sentences for the user.

    Raises:
        ModelError: the edit does not lie on the picture.
    """
    frame = source.frame

    def rows() -> Rows:
        for y0 in range(0, frame.height, _ROWS):
            yield y0, source.rows(y0, min(y0 + _ROWS, frame.height))

    with (
        whole_store(rows(), frame, source.bands, source.dtype) as original,
        original.mapped() as before,
        edited.mapped() as after,
    ):
        try:
            found = diffmerge(before, after, on_progress=on_progress)
        except BadInput as error:
            raise ModelError(f"what the model made of {source.name} cannot be compared with it: {error}") from error
        with found:
            return whole_store(found.rows(on_progress), frame, source.bands, source.dtype), found.warnings
