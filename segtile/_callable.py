"""Makes a module callable, for `segtile.cutout(...)` beside `segtile/cutout.py`."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def make_callable(module_name: str, function_name: str, home: str | None = None) -> None:
    """Let calling the module call a function: one of its own, or one of the module `home`, imported when called.

    The import system binds a submodule to its package under its own name, over whatever the package had there. So
    `segtile.cutout` is the function or the module, depending on who imported what first; with this both can be called.
    """

    class CallableModule(ModuleType):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            owner = self if home is None else importlib.import_module(home)
            return getattr(owner, function_name)(*args, **kwargs)

    sys.modules[module_name].__class__ = CallableModule
