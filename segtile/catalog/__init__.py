"""Model cards and where their weights are."""
