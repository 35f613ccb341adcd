"""Results out: files that other programs read."""
