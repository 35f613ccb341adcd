"""Tiles reconciled into one answer."""
