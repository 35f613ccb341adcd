"""The program: verbs, and one way in which errors leave it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from segtile import __version__
from segtile.cli.cutout import cutout, mask
from segtile.cli.detect import detect
from segtile.cli.diffmerge import diffmerge
from segtile.cli.edit import edit
from segtile.cli.evaluate import app as evaluate
from segtile.cli.grid import grid
from segtile.cli.info import info
from segtile.cli.models import app as models
from segtile.cli.run import complain
from segtile.cli.segment import segment
from segtile.cli.solar import solar
from segtile.errors import BadInput, SegtileError, WouldOverwrite
from segtile.resources import share_arena

# typer brings its own click since 0.26 and used the installed one before: the public name of its errors leads to both
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

_INTERRUPTED = 130

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"max_content_width": 110})

_EXAMPLES: dict[Callable[..., None], tuple[str, str]] = {
    cutout: ("cutout ring.jpg -o out", "cutout shoot/ -o out --format tiff --crop 40"),
    mask: ("mask ring.jpg -o masks", "mask shoot/ -o masks --bits 16 --skip-existing"),
    detect: ("detect flatlay.jpg -o found", "detect aerial.tif -o found --model yolo11n.onnx --scale 1 --scale full"),
    segment: ("segment flatlay.jpg -o found", "segment shoot/ -o found --model seg.onnx --refine auto --format yolo"),
    grid: ("grid ring.jpg -o plan.png", "grid necklace.tif -o plan.png --tile 512 --json"),
    solar: ("solar cup.jpg -o view.png --curve adaptive --side-by-side", "solar --save solar4.acv --curve solar4"),
    edit: (
        "edit ring.jpg -o ring_edited.png --model denoise.onnx",
        "edit ring.tif -o out.tif --model relight.onnx --context sequential --blend poisson",
    ),
    diffmerge: (
        "diffmerge ring.jpg ring_edited.png -o ring_merged.png",
        "diffmerge ring.tif edit.png -o merged.tif --align --json",
    ),
    info: ("info", "info --json"),
}
for _verb, _examples in _EXAMPLES.items():
    _epilog = "\b\nExamples:\n" + "\n".join(f"  segtile {line}" for line in _examples)
    app.command(epilog=_epilog)(_verb)
app.add_typer(evaluate, name="eval")
app.add_typer(models, name="models")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"segtile {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Cut objects out of very large photographs, right to the pixel."""


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit: 0 done, 1 something failed, 2 wrong use, 130 interrupted."""
    share_arena()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        code = app(given or ["--help"], prog_name="segtile", standalone_mode=False) or 0
    except _UsageError as e:
        if type(e).__name__ == "NoArgsIsHelpError":  # a group without a verb: its help, as it stands
            sys.stderr.write(str(getattr(e, "message", e)).rstrip() + "\n")
            sys.exit(2)
        complain(str(getattr(e, "format_message", e.__str__)()))
        code = 2
    except (BadInput, WouldOverwrite) as e:
        complain(str(e))
        code = 2
    except SegtileError as e:
        complain(str(e))
        code = 1
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED:  # typer turns the interrupt into this code by itself
        complain("interrupted")
    sys.exit(code)


if __name__ == "__main__":
    main()
