"""Pure functions on arrays: one definition for each figure that a run reports."""
