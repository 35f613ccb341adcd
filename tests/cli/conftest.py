from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segtile.cli.main import main


@pytest.fixture
def run(capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the program in this process: (exit code, stdout, stderr)."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return call


@pytest.fixture
def run_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the program as its own process."""

    def call(*arguments: str | Path, **kwargs: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "segtile", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, **kwargs)

    return call
