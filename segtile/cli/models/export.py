"""`segtile models export`: a checkpoint of SAM or its relatives as the two ONNX graphs that run without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from segtile.cli import options as o
from segtile.cli.progress import shown
from segtile.cli.run import print_line

_ENDINGS = (".pth", ".pt", ".safetensors")


def export(
    model: Annotated[str, typer.Argument(metavar="NAME|CHECKPOINT", help="A catalogue name, or a file of weights.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", show_default="for a NAME, where --refine NAME looks"),
    ] = None,
    overwrite: o.Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line on stdout.")] = False,
    quiet: o.Quiet = False,
) -> None:
    """Make encoder.onnx and decoder.onnx from a checkpoint of SAM, MobileSAM or SAM-HQ.

    Needs the extra torch; the graphs run without it, and are compared with it before they are kept.
    """
    from segtile.backends.sam_export import export_sam

    checkpoint, folder, family = _source(model, output)
    with shown(checkpoint.name, quiet) as progress:
        made = export_sam(checkpoint, folder, family=family, overwrite=overwrite, on_progress=progress)
    row = {
        "checkpoint": str(checkpoint),
        "checkpoint_sha256": made.checkpoint_sha256,
        "family": made.family,
        "encoder": str(made.encoder),
        "decoder": str(made.decoder),
        "image_size": made.image_size,
        "embedding_error": made.embedding_error,
        "logits_error": made.logits_error,
    }
    if as_json:
        print_line(json.dumps(row, ensure_ascii=False))
        return
    print_line(
        f"{made.encoder} and {made.decoder}: pictures of {made.image_size} px; against torch, embeddings differ by at "
        f"most {made.embedding_error:.1e}, mask logits by {made.logits_error:.1e}"
    )


def _source(model: str, output: Path | None) -> tuple[Path, Path, str | None]:
    """The checkpoint, the folder that the graphs go to, and the family that the checkpoint has to be of.

    Raises:
        BadInput: the card's model is not one that is exported, or a file was given without a folder.
    """
    from segtile.backends.open_promptable import export_folder
    from segtile.backends.sam_network import PACKAGES
    from segtile.catalog import find_weights, load_card
    from segtile.errors import BadInput

    path = Path(model)
    if path.suffix in _ENDINGS or path.is_file():
        if output is None:
            raise BadInput(f"{path}: say where the graphs belong with -o DIR")
        return path, output, None
    card = load_card(model)
    if card.family not in PACKAGES or card.files[0].part != "checkpoint":
        raise BadInput(f"{card.id} has no checkpoint of SAM, MobileSAM or SAM-HQ, and no other is exported here")
    return find_weights(card)[0], output or export_folder(card), card.family
