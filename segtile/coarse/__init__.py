"""Where are the things: passes over the whole picture at low resolution."""

from segtile.coarse.choose import is_ours, look, look_as_rembg

__all__ = ["is_ours", "look", "look_as_rembg"]
