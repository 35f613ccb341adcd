"""Write pictures and alphas as photographers have them: profile, resolution, and no half-written file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

DPI = 300.0


def write(file: Path, pixels: NDArray[Any], profile: str = "srgb", quality: int = 95) -> None:
    """Write (H, W, 3) or (H, W), uint8 or uint16, by the file's suffix: .jpg (4:4:4), .png or .tif (deflate).

    Args:
        file: the target; replaced whole.
        pixels: values encoded as the profile says.
        profile: 'srgb' or 'p3', embedded in colour pictures.
        quality: of JPEG.

    Raises:
        ValueError: a suffix that is not written here.
    """
    import pyvips  # type: ignore[import-untyped, unused-ignore]

    file.parent.mkdir(parents=True, exist_ok=True)
    image = pyvips.Image.new_from_array(pixels)
    deep = str(pixels.dtype) == "uint16"
    kind = ("rgb16" if deep else "srgb") if pixels.ndim == 3 else ("grey16" if deep else "b-w")
    image = image.copy(interpretation=kind, xres=DPI / 25.4, yres=DPI / 25.4)
    colour = {"profile": profile} if pixels.ndim == 3 else {}
    part = file.with_name(file.name + ".part")
    try:
        if file.suffix == ".jpg":
            image.jpegsave(str(part), Q=quality, subsample_mode="off", optimize_coding=True, **colour)
        elif file.suffix == ".png":
            image.pngsave(str(part), compression=9, bitdepth=16 if deep else 8, **colour)
        elif file.suffix == ".tif":
            image.tiffsave(str(part), compression="deflate", predictor="horizontal", level=9, resunit="inch", **colour)
        else:
            raise ValueError(f"{file.name}: only .jpg, .png and .tif are written")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
