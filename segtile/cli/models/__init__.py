"""`segtile models`: what the catalogue has, and bringing it. One file a sub-verb."""

from __future__ import annotations

from collections.abc import Callable

import typer

from segtile.cli.models.listing import info, list_models
from segtile.cli.models.places import path, verify
from segtile.cli.models.pull import pull

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="The catalogue: what is installed, what the rest costs to pull, and what its licence allows.",
)

_EXAMPLES: dict[str, tuple[Callable[..., None], tuple[str, str]]] = {
    "list": (list_models, ("list", "list --role refine --json")),
    "info": (info, ("info birefnet-general", "info zim-vit-b --json")),
    "pull": (pull, ("pull mobile-sam", "pull u2net isnet-general-use --from /mnt/usb")),
    "verify": (verify, ("verify", "verify sam-vit-b --json")),
    "path": (path, ("path u2netp", "path sam2.1-tiny --json")),
}
for _name, (_verb, _examples) in _EXAMPLES.items():
    _epilog = "\b\nExamples:\n" + "\n".join(f"  segtile models {line}" for line in _examples)
    app.command(_name, epilog=_epilog)(_verb)
