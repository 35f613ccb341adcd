"""The log of a run as a picture: the loss above, PSNR of the held-out crops below."""

from __future__ import annotations

from pathlib import Path

from models.training.common.plot import plot_rows
from models.training.common.runs import read_rows


def plot(log: Path, picture: Path) -> None:
    """Draw a log.jsonl into a PNG."""
    plot_rows(read_rows(log), (("loss", "values"), ("psnr_before", "psnr_after", "psnr_clean")), picture)
