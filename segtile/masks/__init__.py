"""Representations of one object's mask: crop bits, run lengths, polygons with holes."""
