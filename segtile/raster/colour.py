"""From the colours a file stores to the sRGB that models see."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pyvips
from PIL import ImageCms

from segtile.types import Array

_MODES = {"grey": "L", "rgb": "RGB", "cmyk": "CMYK"}
_INTERPRETATIONS = {
    ("grey", 1): "b-w",
    ("grey", 2): "grey16",
    ("rgb", 1): "srgb",
    ("rgb", 2): "rgb16",
    ("cmyk", 1): "cmyk",
    ("cmyk", 2): "cmyk",
}
# A profile that moves no colour by more than half a step of 8 bits is sRGB under one of its many names.
_SAME = 0.5 / 255 * 65535


@dataclass(frozen=True)
class ToSrgb:
    """How one picture's colours become sRGB.

    `space` is "grey", "rgb" or "cmyk". `icc` is the profile to go through, None for values that are sRGB already (or
    grey with its curve). `builtin` names a profile of libvips to go through instead.
    """

    space: str
    icc: bytes | None = None
    builtin: str | None = None

    @property
    def moves_colours(self) -> bool:
        """False where the stored values are the sRGB values, or grey that is only repeated."""
        return self.icc is not None or self.builtin is not None

    def __call__(self, pixels: Array) -> Array:
        """(h, w, 1, 3 or 4) stored colours, uint8 or uint16 -> (h, w, 3) sRGB of the same depth.

        Relative colorimetric with black point compensation, through Little CMS; each pixel by itself, so a window gives
        what the whole picture gives there. The result may be a view of `pixels`.
        """
        if pixels.size == 0:
            return np.zeros((*pixels.shape[:2], 3), pixels.dtype)
        if not self.moves_colours:
            return np.repeat(pixels, 3, axis=2) if self.space == "grey" else pixels
        height, width, bands = pixels.shape
        depth = pixels.dtype.itemsize
        image = pyvips.Image.new_from_memory(
            np.ascontiguousarray(pixels), width, height, bands, "uchar" if depth == 1 else "ushort"
        ).copy(interpretation=_INTERPRETATIONS[self.space, depth])
        options = {"depth": 8 * depth, "intent": "relative", "black_point_compensation": True}
        if self.icc is not None:
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", self.icc)
            result = image.icc_transform("srgb", embedded=True, **options)
        else:
            result = image.icc_transform("srgb", input_profile=self.builtin, **options)
        return np.asarray(result.numpy())


def plan_colour(space: str, icc: bytes | None, name: str) -> tuple[ToSrgb, tuple[str, ...]]:
    """How the colours of a picture become sRGB, and warnings where that had to be assumed.

    `space` is "grey", "rgb" or "cmyk", `icc` the embedded profile, `name` what warnings call the picture. A profile
    that Little CMS cannot use for this kind of picture is passed over with a warning. A profile that means sRGB is not
    applied at all, which keeps such pictures bit for bit.
    """
    warnings: tuple[str, ...] = ()
    if icc is not None:
        problem = _problem(space, icc)
        if problem is None:
            transform = ToSrgb(space, icc)
            return (ToSrgb(space) if _is_srgb(transform) else transform), ()
        warnings = (f"{name} embeds a colour profile that cannot be used ({problem}); ",)
    if space == "cmyk":
        if warnings:
            return ToSrgb(space, builtin="cmyk"), (warnings[0] + "a general CMYK profile is used for the preview.",)
        note = f"{name} is CMYK without a colour profile; a general CMYK profile is used for what the models see."
        return ToSrgb(space, builtin="cmyk"), (note,)
    return ToSrgb(space), tuple(start + "its colours are taken as sRGB." for start in warnings)


def _problem(space: str, icc: bytes) -> str | None:
    """Why Little CMS cannot go from this profile to sRGB for pictures of `space`; None where it can."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        stated = str(profile.profile.xcolor_space).strip()
        if stated != {"grey": "GRAY", "rgb": "RGB", "cmyk": "CMYK"}[space]:
            return f"it is for {stated} pictures, this one is {space}"
        ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), _MODES[space], "RGB")
        ToSrgb(space, icc)(np.zeros((1, 1, {"grey": 1, "rgb": 3, "cmyk": 4}[space]), np.uint8))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, pyvips.Error):
        return "it is damaged"
    return None


def _is_srgb(transform: ToSrgb) -> bool:
    """True where a grid over all colours comes out of the profile as it went in."""
    if transform.space == "cmyk":
        return False
    if transform.space == "grey":
        grid = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(1, -1, 1)
    else:
        steps = np.linspace(0, 65535, 17).round().astype(np.uint16)
        grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(17, -1, 3)
    moved = np.abs(transform(grid).astype(np.int32) - grid.astype(np.int32))
    return bool(moved.max() <= _SAME)


def over_white(rgb: Array, alpha: Array) -> Array:
    """(h, w, 3) colours laid on white by their straight alpha (h, w); both of the same unsigned dtype, result too."""
    top = int(np.iinfo(rgb.dtype).max)
    if alpha.size == 0 or int(alpha.min()) == top:
        return rgb
    a = alpha[..., None].astype(np.uint32)
    return ((rgb * a + top * (top - a) + top // 2) // top).astype(rgb.dtype)
