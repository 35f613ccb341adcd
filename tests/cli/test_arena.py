"""The program's threads share one arena of the C library."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")

# What threads that each hold and give back a few megabytes in small pieces leave behind.
_BUSY = """
import ctypes, sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from segtile.cli.main import main
try:
    main(["--version"])
except SystemExit:
    pass
together = Barrier(4)
def work(_):
    held = [bytes(30_000) for _ in range(100)]
    together.wait()
with ThreadPoolExecutor(4) as pool:
    list(pool.map(work, range(4)))
ctypes.CDLL(None).malloc_stats()
"""


def _arenas(**environment):
    kept = {key: value for key, value in os.environ.items() if key != "MALLOC_ARENA_MAX"}
    command = [sys.executable, "-c", _BUSY]
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=True)
    return done.stderr.count("Arena")


def test_threads_of_the_program_take_memory_from_one_arena():
    assert _arenas() == 1


def test_what_the_environment_says_of_arenas_goes_before():
    assert _arenas(MALLOC_ARENA_MAX="3") == 3
