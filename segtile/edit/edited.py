"""The edited picture: rows when they are wanted, a file that keeps what the original carried, and its seams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segtile.edit.blend import blend_of
from segtile.edit.only_changes import keep_changes
from segtile.edit.plan import EditPlan
from segtile.edit.source import Source, scaled_rows
from segtile.edit.store import TileStore, whole_store
from segtile.edit.tiles import Rows, RowSource
from segtile.edit.written import write_rows
from segtile.errors import BadInput
from segtile.export.options import ExportReport
from segtile.types import Array, Box, Progress, no_progress

if TYPE_CHECKING:
    from segtile.edit.seam_check import SeamCheck

Drift = Literal["auto", "mix", "none"]

_ROWS = 256


@dataclass(frozen=True)
class Choices:
    """How tiles become a picture: see `edit_tiled`; `anchored` is its `reference`."""

    blend: str
    drift: Drift
    linear_light: bool
    only_changes: bool
    anchored: bool


class Edited:
    """What `edit_tiled` made. Tiles are put together when rows are first wanted and then kept in a scratch file.

    `plan` is the tile plan; `tiles` the tiles as the model gave them; `warnings` sentences for the user, more of which
    may come with the rows. Works as a context manager; close it, it holds temporary files.
    """

    def __init__(
        self, source: Source, plan: EditPlan, tiles: TileStore, choices: Choices, notes: tuple[str, ...] = ()
    ) -> None:
        """Takes over `source` and `tiles`, which are closed with it."""
        self.plan, self.tiles, self.warnings = plan, tiles, notes
        self._source, self._choices = source, choices
        self._merged: TileStore | None = None
        self._seams: SeamCheck | None = None

    @property
    def width(self) -> int:
        """Columns of the result."""
        return self.plan.out.width

    @property
    def height(self) -> int:
        """Rows of the result."""
        return self.plan.out.height

    @property
    def original(self) -> RowSource:
        """Rows of the original at the result's size: (y1 - y0, width, bands)."""
        return scaled_rows(self._source.rows, self._source.frame, self.plan.scale)

    def rows(self, on_progress: Progress = no_progress) -> Rows:
        """(y0, (n, width, bands)) from top to bottom, in the picture's dtype; bands is 1 for a grey picture, else 3."""
        merged = self._merge(on_progress)
        for y0 in range(0, self.height, _ROWS):
            y1 = min(y0 + _ROWS, self.height)
            yield y0, merged.read(0, Box(0, y0, self.width, y1))

    @property
    def array(self) -> Array:
        """The whole picture in memory: (H, W, 3), or (H, W) for a grey one."""
        pixels = self._merge(no_progress).read(0)
        return pixels[..., 0] if pixels.shape[2] == 1 else pixels

    def seams(self, on_progress: Progress = no_progress) -> SeamCheck:
        """The seam figures of the result; `.warning` is a sentence where tiles show."""
        if self._seams is None:
            from segtile.edit.seam_check import seam_check

            self._seams = seam_check(self.tiles, self.rows(), self._reference, on_progress=on_progress)
        return self._seams

    def heat_map(self, long_side: int = 1600) -> Array:
        """Where tiles disagree, (h, w, 3) uint8, at most `long_side` px: grey, coloured by delta E, borders drawn."""
        from segtile.edit.seam_check import heat_map

        return heat_map(self.tiles, self.rows(), self._reference, long_side=long_side)

    def save(
        self,
        path: Path | str,
        *,
        format: str | None = None,
        bits: int | None = None,
        overwrite: bool = False,
        on_progress: Progress = no_progress,
    ) -> ExportReport:
        """Write the picture with the original's colour profile, resolution, EXIF and transparency.

        Args:
            path: the file.
            format: "png", "tiff" or "webp"; None takes the name's ending.
            bits: 8 or 16; None for the picture's own.
            overwrite: replace an existing file.
            on_progress: called with the stages "compare", "merge" and "write".

        Raises:
            BadInput: the ending is not known, or the picture is a float array.
            WouldOverwrite: the file exists and `overwrite` is False.
            WriteError: it cannot be written there or the disk is full.
        """
        raster, colours = self._source.raster, self._source.colours
        if raster is None or colours is None:
            raise BadInput("a float array has no file format here: scale the result's array to uint8 or uint16 first")
        return write_rows(
            lambda: self.rows(on_progress),
            raster,
            colours,
            Path(path),
            scale=self.plan.scale,
            kind=format,
            bits=bits,
            overwrite=overwrite,
            on_progress=on_progress,
        )

    def close(self) -> None:
        """Remove the temporary files and let go of the picture."""
        self.tiles.close()
        if self._merged is not None:
            self._merged.close()
            self._merged = None
        self._source.close()

    def __enter__(self) -> Edited:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def _reference(self) -> RowSource | None:
        return self.original if self._choices.anchored else None

    def _merge(self, on_progress: Progress) -> TileStore:
        """The finished picture, as a store of one tile."""
        if self._merged is None:
            self._merged = whole_store(
                self._blended(on_progress), self.plan.out, self._source.bands, self._source.dtype
            )
            if self._choices.only_changes:
                with self._merged as edited:
                    self._merged = None
                    self._merged, notes = keep_changes(self._source, edited, on_progress)
                self.warnings += notes
        return self._merged

    def _blended(self, on_progress: Progress) -> Iterator[tuple[int, Array]]:
        reference = self._reference
        blend = blend_of(self._choices.blend, reference, on_progress, linear_light=self._choices.linear_light)
        if self._choices.drift == "none":
            yield from blend(self.tiles)
            return
        from segtile.edit.harmonise import harmonised

        rows, corrections = harmonised(
            self.tiles, blend, reference, mix=self._choices.drift == "mix", on_progress=on_progress
        )
        self.warnings += corrections.notes
        yield from rows
