"""The two networks of the cut-out: one that finds objects in the whole picture, one that finds their edges in tiles."""
