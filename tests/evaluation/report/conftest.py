from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def run_folder(tmp_path) -> Path:
    from report_runs import make_run

    return make_run(tmp_path / "run")
