"""Pictures and profiles made by code, and a switch that sends even small pictures through the scratch file."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
import pyvips

from segtile.raster import vips


@pytest.fixture
def make_pixels() -> Callable[..., np.ndarray]:
    """(h, w, channels) of a smooth colour field with noise, using the dtype's whole range."""

    def make(height: int, width: int, channels: int, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:height, :width]
        phases = rng.uniform(0, 6.28, channels)
        field = 0.5 + 0.42 * np.sin(x[..., None] / 17 + phases) * np.cos(y[..., None] / 23 - phases)
        field += rng.normal(0, 0.04, field.shape)
        top = np.iinfo(dtype).max
        return (np.clip(field, 0, 1) * top).round().astype(dtype)

    return make


@pytest.fixture(params=["memory", "scratch"])
def kept_in(request, monkeypatch) -> str:
    """Run the test twice: decoded pixels in memory, decoded pixels in a scratch file."""
    if request.param == "scratch":
        monkeypatch.setattr(vips, "IN_MEMORY", 0)
    return request.param


@pytest.fixture(scope="session")
def p3_profile() -> bytes:
    """Display P3: sRGB's white and curve, wider primaries."""
    return bytes(pyvips.Image.profile_load("p3"))


@pytest.fixture(scope="session")
def cmyk_profile() -> bytes:
    return bytes(pyvips.Image.profile_load("cmyk"))


@pytest.fixture(scope="session")
def linear_grey_profile() -> bytes:
    """A grey profile of version 2 whose curve is the identity: stored values are linear light."""

    def tag(signature: bytes, body: bytes) -> tuple[bytes, bytes]:
        return signature, body + b"\0" * (-len(body) % 4)

    d50 = struct.pack(">3i", round(0.9642 * 65536), 65536, round(0.8249 * 65536))
    text = b"linear grey\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78
    tags = [
        tag(b"desc", description),
        tag(b"cprt", b"text\0\0\0\0none\0"),
        tag(b"wtpt", b"XYZ \0\0\0\0" + d50),
        tag(b"kTRC", b"curv\0\0\0\0" + struct.pack(">I", 0)),
    ]
    offset = 128 + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for signature, body in tags:
        table += signature + struct.pack(">II", offset + len(bodies), len(body))
        bodies += body
    size = offset + len(bodies)
    header = struct.pack(">I", size) + b"\0\0\0\0" + bytes([2, 0x40, 0, 0]) + b"mntrGRAYXYZ " + b"\0" * 12
    header += b"acsp" + b"\0" * 28 + d50 + b"\0" * 48
    assert len(header) == 128
    return header + table + bodies


@pytest.fixture
def save_vips() -> Callable[..., None]:
    """Write an (h, w, c) array through libvips; `interpretation` where the band count does not say it."""

    def save(
        path, pixels: np.ndarray, *, icc: bytes | None = None, interpretation: str | None = None, **options
    ) -> None:
        deep = pixels.dtype == np.uint16
        usual = {1: ("b-w", "grey16"), 2: ("b-w", "grey16"), 3: ("srgb", "rgb16"), 4: ("srgb", "rgb16")}
        kind = interpretation or usual[pixels.shape[2]][deep]
        image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels), interpretation=kind)
        if icc is not None:
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
        image.write_to_file(str(path), **options)

    return save
