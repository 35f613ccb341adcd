"""Vendors that change the process they are loaded into, and how it is put back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
from PIL import Image


@contextmanager
def kept_state(**environment: str) -> Iterator[None]:
    """Let vendor code run, then put back what it changed for everybody else in the process.

    Put back are the environment (SAHI sets CUDA_VISIBLE_DEVICES to -1 for a model on the CPU, which blinds every later
    session on the card; ultralytics sets thread and log variables), OpenCV's threads and its reading and writing
    functions (ultralytics sets them to one thread and replaces them), and PIL's limit against decompression bombs
    (SAHI removes it). Not for several threads at once: what they set in the meantime is put back, too.

    Args:
        environment: variables to set meanwhile, where the user has not set them.
    """
    variables = dict(os.environ)
    functions = {name: getattr(cv2, name, None) for name in ("imread", "imwrite", "imshow")}
    threads, limit = cv2.getNumThreads(), Image.MAX_IMAGE_PIXELS
    for name, value in environment.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        for name, value in variables.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        for name, function in functions.items():
            if function is not None:
                setattr(cv2, name, function)
        cv2.setNumThreads(threads)
        Image.MAX_IMAGE_PIXELS = limit
