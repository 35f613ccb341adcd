"""Pictures in memory and coarse maps made from exact alphas."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
