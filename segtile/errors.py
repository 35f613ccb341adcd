"""The errors segtile raises.

Each one is also a fitting builtin, so callers may catch either. A message is one sentence that names the file or value,
the limit it met and the way out; the command line prints it as it stands.
"""


class SegtileError(Exception):
    """Root of everything segtile raises on purpose."""


class ReadError(SegtileError, OSError):
    """A picture, mask or weights file is missing, truncated, hostile or of an unknown format."""


class WriteError(SegtileError, OSError):
    """A result cannot be written: read-only folder, full disk, a format that cannot hold it."""


class WouldOverwrite(SegtileError, FileExistsError):
    """A target exists already and neither overwriting nor skipping was asked for."""


class BadInput(SegtileError, ValueError):
    """An argument or a setting has a wrong type, shape, range or combination."""


class BackendMissing(SegtileError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class ModelError(SegtileError, RuntimeError):
    """Weights are unknown, not installed, not what their card says, or failed to run."""


class LicenceError(ModelError, PermissionError):
    """The licence of a model's weights forbids commercial use, and nobody has accepted that yet."""


class NothingFound(SegtileError, LookupError):
    """The coarse pass found no object in the picture."""


class OverLimit(SegtileError, MemoryError):
    """The run would need more memory than its recipe allows; refused before it starts."""
