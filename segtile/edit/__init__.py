"""Tiled editing: a model run over tiles of a picture, and the tiles put together so that nobody can tell."""
