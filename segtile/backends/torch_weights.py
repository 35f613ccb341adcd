"""Tensors out of checkpoint files, and nothing else out of them: no object of a pickle is ever built."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segtile.errors import BackendMissing, ModelError, ReadError

if TYPE_CHECKING:
    from torch import Tensor

#: Keys under which training code keeps a network's weights beside other things.
_WRAPPERS = ("model", "state_dict")
#: How torch's restricted unpickler says that it met something it does not build.
_WANTS_MORE = re.compile(r"unsupported (global|class)|can only (build|create|call)|is blocked", re.IGNORECASE)


def torch_module() -> Any:
    """The torch module.

    Raises:
        BackendMissing: torch is not installed, or does not import.
    """
    try:
        import torch
    except (ImportError, OSError) as error:
        raise BackendMissing(f"torch does not import ({_line(error)}): pip install segtile[torch]") from error
    return torch


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint by name, on the CPU, each float tensor as float32.

    Args:
        path: .safetensors, or what torch.save wrote (.pth, .pt): a dict of tensors, or one under "model" or
            "state_dict".

    Raises:
        BackendMissing: torch (or safetensors, for such a file) is not installed.
        ReadError: there is no such file, or it cannot be read.
        ModelError: it is no checkpoint, is damaged, or is a pickle that wants more than tensors.
    """
    torch = torch_module()
    try:
        size = path.stat().st_size
        found = _safetensors(path) if path.suffix == ".safetensors" else _pickled(torch, path)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read: {error.strerror or error}") from None
    for key in _WRAPPERS:
        inner = found.get(key) if isinstance(found, Mapping) else None
        found = inner if isinstance(inner, Mapping) else found
    if not isinstance(found, Mapping) or not found:
        raise ModelError(f"{path} holds no weights by name: a dict of tensors is expected")
    strange = [key for key, value in found.items() if not isinstance(key, str) or not isinstance(value, torch.Tensor)]
    if strange:
        raise ModelError(f"{path} holds something else than tensors under the name {str(strange[0])!r}")
    # a view may claim any shape over few bytes, and would be laid out in full once it is used
    claimed = sum(value.numel() * value.element_size() for value in found.values())
    if claimed > 2 * size + 2**20:
        raise ModelError(f"{path} is not sound: its tensors claim {claimed} bytes, the file has {size}")
    return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


def _pickled(torch: Any, path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols other than torch's own
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if _WANTS_MORE.search(str(error)):
            raise ModelError(
                f"{path} is a pickle that wants more than tensors, and could run code of its maker's while it is "
                "loaded; it is not opened: save its state_dict alone, or as .safetensors"
            ) from None
        raise ModelError(f"{path} is damaged or no checkpoint of torch") from None
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError, AttributeError, IndexError) as error:
        raise ModelError(f"{path} is damaged or no checkpoint of torch: {_line(error)}") from None


def _safetensors(path: Path) -> Any:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise BackendMissing(
            "safetensors files need the package of that name, which is not installed: pip install segtile[torch]"
        ) from error
    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelError(f"{path} is damaged or no safetensors file: {_line(error)}") from None


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
