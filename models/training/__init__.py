"""Code that made the weights in models/weights. Used from a checkout, not installed."""
