from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def run_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the program as its own process."""

    def call(*arguments: str | Path, **kwargs: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "segtile", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, **kwargs)

    return call
