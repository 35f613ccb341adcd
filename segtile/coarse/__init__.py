"""Where are the things: passes over the whole picture at low resolution."""
