"""Kernels of pymatting, loaded file by file: importing the whole package compiles some thirty functions first.

On a fresh environment ``import pymatting`` spends about a minute compiling; the few files segtile uses take a tenth
of that. Compiled code is kept by numba beside the file, or in the user's cache where that folder is read-only, so
every later process loads it in a fraction of a second.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType

from segtile.errors import BackendMissing

_lock = threading.Lock()


def load_kernel(relative_path: str) -> ModuleType:
    """Load one file of the installed pymatting distribution as a module, without importing the package.

    Only files that import nothing of pymatting itself can be loaded this way. The module is loaded once a process,
    under its real name (e.g. ``pymatting.laplacian.cf_laplacian``): numba writes that name into its cache files and
    imports it when it reads them, so any other name would make the cache unreadable for programs that import
    pymatting in the usual way, and the other way round. Safe to call from several threads.

    Args:
        relative_path: the file, below the package's folder, with forward slashes, e.g. "laplacian/cf_laplacian.py".

    Returns:
        The module.

    Raises:
        BackendMissing: pymatting is not installed, lacks that file, or the file does not import.
    """
    name = f"pymatting.{relative_path.removesuffix('.py').replace('/', '.')}"
    with _lock:
        if name in sys.modules:
            return sys.modules[name]
        path = _package_folder() / relative_path
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise BackendMissing(f"the installed pymatting has no {relative_path}; install pymatting>=1.1.13,<1.2")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # before it runs: reading numba's cache looks it up
        try:
            spec.loader.exec_module(module)
        except ImportError as error:
            del sys.modules[name]
            raise BackendMissing(f"pymatting's {relative_path} does not load: {error}; reinstall segtile") from error
        except BaseException:
            del sys.modules[name]
            raise
        return module


def _package_folder() -> Path:
    """The folder of the installed pymatting package; finding a top-level package does not import it."""
    spec = importlib.util.find_spec("pymatting")
    if spec is None or not spec.submodule_search_locations:
        raise BackendMissing("pymatting is not installed; reinstall segtile, it is one of its requirements")
    return Path(next(iter(spec.submodule_search_locations)))
