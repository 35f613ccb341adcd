"""Runs, not metrics: benchmarks and the makers of test pictures. Used from a checkout, not installed."""
