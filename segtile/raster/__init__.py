"""Pictures in: windows, strips and previews of files that may be larger than memory."""

from segtile.raster.open import MAX_PIXELS, open_raster

__all__ = ["MAX_PIXELS", "open_raster"]
