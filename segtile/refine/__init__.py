"""One tile at native resolution, with no knowledge of its neighbours."""
