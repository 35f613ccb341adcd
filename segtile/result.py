"""A finished cut-out: what `segtile.cutout` returns."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from segtile.export import ExportOptions, ExportReport, with_existing, write_cutout, write_mask
from segtile.grid import GridStats
from segtile.merge import AlphaStore
from segtile.recipe import Recipe
from segtile.resources import peak_rss_mb
from segtile.types import Array, CoarseMap, CutoutResult, Grid, Progress, Raster, no_progress


@dataclass(frozen=True)
class Cutout:
    """A finished cut-out; the picture itself is read again, strip by strip, when it is saved."""

    raster: Raster
    coarse: CoarseMap
    grid: Grid
    stats: GridStats
    store: AlphaStore
    recipe: Recipe
    result: CutoutResult

    @property
    def alpha(self) -> Array:
        """(H, W) uint8 or uint16 as the picture's depth, a copy in memory."""
        rows = self.store.rows(0, self.store.frame.height)
        return rows.copy() if self.raster.info.bits == 16 else ((rows.astype(np.uint32) + 128) // 257).astype(np.uint8)

    @property
    def rgba(self) -> Array:
        """(H, W, 4) sRGB, straight alpha, uint8 or uint16, the whole picture in memory; the colours are the input's."""
        colour = self.raster.window(self.raster.info.frame)
        return np.dstack([colour, self.alpha])

    def save(self, path: str | Path, *, overwrite: bool = False, on_progress: Progress = no_progress) -> ExportReport:
        """Write the cut-out; the format follows the name's ending, everything else the recipe.

        Raises:
            WouldOverwrite: the file exists and `overwrite` is False.
            WriteError: the file cannot be written.
        """
        path = Path(path)
        return write_cutout(
            self.raster, self.store, path, _options(self.recipe, path), overwrite=overwrite, on_progress=on_progress
        )

    def save_mask(
        self, path: str | Path, *, overwrite: bool = False, on_progress: Progress = no_progress
    ) -> ExportReport:
        """Write the alpha alone as 8 or 16 bit grey; raises as `save`."""
        path = Path(path)
        return write_mask(
            with_existing(self.raster, self.store),
            self.raster.info,
            path,
            _options(self.recipe, path),
            overwrite=overwrite,
            on_progress=on_progress,
        )

    def finished(self) -> CutoutResult:
        """The result with the peak memory as it is now, after writing."""
        return dataclasses.replace(self.result, peak_rss_mb=peak_rss_mb())

    def preview(self, long_side: int = 1024) -> Array:
        """The cut-out over a checkerboard, (h, w, 3) uint8, for looking at."""
        import cv2

        rgb = self.raster.preview(long_side)
        h, w = rgb.shape[:2]
        alpha = np.empty((h, w), np.float32)
        edges = np.linspace(0, self.store.frame.height, h + 1).round().astype(int)
        for row in range(h):
            strip = self.store.rows(edges[row], max(edges[row] + 1, edges[row + 1]))
            alpha[row] = cv2.resize(strip.mean(0, dtype=np.float32)[None] / 65535, (w, 1), interpolation=cv2.INTER_AREA)
        yy, xx = np.mgrid[:h, :w] // 16
        checker = np.where((yy + xx) % 2, 0.8, 0.95).astype(np.float32)[..., None]
        blended: Array = (rgb * alpha[..., None] + checker * (1 - alpha[..., None])) * 255
        return blended.round().astype(np.uint8)

    def _repr_png_(self) -> bytes:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(self.preview(768)).save(buffer, "PNG")
        return buffer.getvalue()

    def close(self) -> None:
        """Free the alpha's temporary file and the picture's."""
        self.store.close()
        self.raster.close()

    def __enter__(self) -> Cutout:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _options(recipe: Recipe, path: Path) -> ExportOptions:
    kinds = {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".webp": "webp"}
    export = recipe.export
    return ExportOptions(
        format=kinds.get(path.suffix.lower(), export.format),
        bits=export.bits,
        crop=export.crop,
        background=export.background,
    )
