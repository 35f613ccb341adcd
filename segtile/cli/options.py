"""The options that several verbs share, spelt once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class GridKind(StrEnum):
    """Values of --grid."""

    aligned = "aligned"
    uniform = "uniform"


class Format(StrEnum):
    """Values of --format."""

    png = "png"
    tiff = "tiff"
    webp = "webp"


class Bits(StrEnum):
    """Values of --bits."""

    auto = "auto"
    eight = "8"
    sixteen = "16"

    @property
    def depth(self) -> int | None:
        """8, 16, or None for the input's."""
        return None if self is Bits.auto else int(self.value)


class LookTimes(StrEnum):
    """Values of --looks."""

    auto = "auto"
    one = "1"
    two = "2"
    three = "3"

    @property
    def times(self) -> int | str:
        """1 to 3, or "auto"."""
        return self.value if self is LookTimes.auto else int(self.value)


Photos = Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Pictures, or folders of them.")]
Photo = Annotated[Path, typer.Argument(metavar="PHOTO", help="A picture.")]
OutputDir = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the results; it is made.")]
Coarse = Annotated[str, typer.Option(help="Look at the whole: auto, studio, net, a model, FILE.onnx.")]
AsRembg = Annotated[bool, typer.Option("--as-rembg", help="Run --coarse as rembg does, to compare.")]
Refine = Annotated[str, typer.Option(help="Look at each tile: auto, matting, net, none, a model, FILE.onnx, FILE.pth.")]
Looks = Annotated[LookTimes, typer.Option(help="Times that net looks at a tile; auto: again where it changed much.")]
SecondLook = Annotated[bool, typer.Option("--second-look", help="Show networks the solar view of a tile too.")]
SolarEdges = Annotated[bool, typer.Option("--solar-edges", help="Draw networks' contours to edges that solar shows.")]
Device = Annotated[str, typer.Option(help="Where networks run: auto, cpu, cuda, cuda:N, tensorrt.")]
TileSide = Annotated[
    int | None,
    typer.Option(help="Tile side in px as the refiner sees it.", show_default="its own"),
]
Halo = Annotated[int | None, typer.Option(help="Context around a core in px.", show_default="its own")]
GridChoice = Annotated[GridKind, typer.Option("--grid", help="The tile plan.")]
Solar = Annotated[bool, typer.Option("--solar/--no-solar", help="Solar channels for the refiner.")]
Threads = Annotated[int, typer.Option(min=0, help="Tiles at once; 0: as cores and memory allow.")]
FormatChoice = Annotated[Format, typer.Option("--format", help="File format.")]
FileFormat = Annotated[Format | None, typer.Option("--format", help="File format.", show_default="by the ending")]
BitsChoice = Annotated[Bits, typer.Option("--bits", help="Bits per channel; auto: as input.")]
Crop = Annotated[
    int | None,
    typer.Option(min=0, metavar="PX", help="Trim to the object with this margin.", show_default="off"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace targets that exist.")]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Leave targets that exist.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON line a picture on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what is decided.")]
