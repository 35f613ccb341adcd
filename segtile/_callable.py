"""Makes a module callable, for `segtile.cutout(...)` beside `segtile/cutout.py`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def make_callable(module_name: str, function_name: str) -> None:
    """Let calling the module call one of its functions.

    The import system binds a submodule to its package under its own name, over whatever the package had there. So
    `segtile.cutout` is the function or the module, depending on who imported what first; with this both can be called.
    """

    class CallableModule(ModuleType):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return getattr(self, function_name)(*args, **kwargs)

    sys.modules[module_name].__class__ = CallableModule
