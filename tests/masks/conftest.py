"""Lets the mask tests import the shapes they share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
