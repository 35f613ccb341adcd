"""Where are the things: passes over the whole picture at low resolution."""

from segtile.coarse.choose import look, look_as_rembg

__all__ = ["look", "look_as_rembg"]
