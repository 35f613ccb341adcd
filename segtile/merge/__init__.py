"""Tiles reconciled into one answer."""

from segtile.merge.alpha import AlphaStore

__all__ = ["AlphaStore"]
