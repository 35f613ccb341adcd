"""Tiled editing: a model run over tiles of a picture, and the tiles put together so that nobody can tell.

Calling the package is `segtile.edit.job.edit`.
"""

from segtile._callable import make_callable

make_callable("segtile.edit", "edit", "segtile.edit.job")
