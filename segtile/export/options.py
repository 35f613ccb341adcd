"""What a written cut-out looks like, what was written, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath

from segtile.errors import BadInput
from segtile.types import Box

#: File ending of each format.
ENDINGS = {"png": ".png", "tiff": ".tif", "webp": ".webp"}


@dataclass(frozen=True)
class ExportOptions:
    """How a cut-out or a mask is written.

    `format` is "png", "tiff" or "webp". `bits` is 8, 16 or None for the input's depth. `crop` trims to the object's box
    with that margin in px; None keeps the frame. `background` is an 8-bit sRGB colour the object is laid on, and then
    there is no alpha in the file. `decontaminate` replaces the colours under the soft edge by the object's own; without
    it every stored colour stays as it is, also where alpha is 0. `compression` is the deflate level 1 .. 9 of PNG and
    TIFF.

    Raises:
        BadInput: a value is out of range or the format is not known.
    """

    format: str = "png"
    bits: int | None = None
    crop: int | None = None
    background: tuple[int, int, int] | None = None
    decontaminate: bool = True
    compression: int = 1

    def __post_init__(self) -> None:
        """Check every value once, so that nothing fails after the work is done."""
        if self.format not in ENDINGS:
            raise BadInput(f"format {self.format!r} cannot be written; choose one of {', '.join(ENDINGS)}")
        if self.bits not in (None, 8, 16):
            raise BadInput(f"bits must be 8, 16 or left open (as the input), not {self.bits}")
        if self.crop is not None and self.crop < 0:
            raise BadInput(f"the margin around the object must be 0 px or more, not {self.crop}")
        if self.background is not None and (
            len(self.background) != 3 or not all(0 <= value <= 255 for value in self.background)
        ):
            raise BadInput(f"a background is three values from 0 to 255, not {self.background}")
        if not 1 <= self.compression <= 9:
            raise BadInput(f"compression goes from 1 (fast) to 9 (small), not {self.compression}")


@dataclass(frozen=True)
class ExportReport:
    """What was written: the file, the frame box in it, its depth, and sentences about what could not be kept."""

    path: Path
    box: Box
    bits: int
    warnings: tuple[str, ...] = ()


def target_name(source: str | PurePath, options: ExportOptions) -> str:
    """The file name of a result: the source's stem with the format's ending ("ring 1.tif" as PNG: "ring 1.png").

    `source` may be a whole path, a file name, or a stem; only a known picture ending is taken off, so that a stem like
    "No. 5" stays whole.
    """
    name = PurePath(source).name
    stem = PurePath(name).stem if PurePath(name).suffix.lower() in _PICTURE_ENDINGS else name
    return stem + ENDINGS[options.format]


_PICTURE_ENDINGS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".btf", ".tf8", ".webp", ".bmp"}
