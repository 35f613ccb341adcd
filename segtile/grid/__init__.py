"""Which windows: tile plans over the frame."""
