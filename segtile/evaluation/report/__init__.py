"""One HTML page of a finished run: tables, curves, and every picture with its error maps, worst first."""

from segtile.evaluation.report.write import write_report

__all__ = ["write_report"]
