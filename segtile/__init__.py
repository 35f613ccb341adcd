"""segtile cuts objects out of very large photographs, right to the pixel."""

import logging

__version__ = "0.1.0"

logging.getLogger("segtile").addHandler(logging.NullHandler())
