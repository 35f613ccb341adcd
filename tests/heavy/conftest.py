"""What the tests of heavy networks share."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # small_sam

# ultralytics reads these when it is imported, by whichever test does so first: nothing is fetched, no pickle runs code
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="ultralytics-"))
os.environ |= {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "ULTRALYTICS_SAFE_LOAD": "true"}


@pytest.fixture(scope="module")
def one_thread():
    """Torch on one thread: small networks are faster so, and sums come in one order."""
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install segtile[torch]")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
