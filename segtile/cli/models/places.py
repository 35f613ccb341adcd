"""`segtile models verify` and `path`: where weights lie, and whether they are what they should be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segtile.cli.run import complain, print_line

if TYPE_CHECKING:
    from segtile.catalog import ModelCard

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Models; without any, all installed.")]


def verify(
    models: Names = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a file on stdout.")] = False,
) -> None:
    """Check installed files against their published digests, or against those they had when they were seen first."""
    from segtile.catalog import list_cards, load_card, locate

    if models:
        cards = [load_card(name) for name in models]
    else:
        cards = [card for card in list_cards() if any(locate(file) for file in card.files)]
    failed = False
    for card in cards:
        for row in _checked(card, named=bool(models)):
            failed |= row["error"] is not None
            if as_json:
                print_line(json.dumps(row, ensure_ascii=False))
            elif row["error"] is None:
                print_line(f"{card.id}: {row['file']} is right ({row['by']})")
            if row["error"] is not None:
                complain(row["error"])
    raise typer.Exit(1 if failed else 0)


def path(
    model: Annotated[str, typer.Argument(metavar="NAME", help="A model of the catalogue.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, paths by part.")] = False,
) -> None:
    """Print where the files of an installed model lie, one a line."""
    from segtile.catalog import load_card
    from segtile.catalog.weights import require_present

    card = load_card(model)
    found = {part: str(place) for part, place in require_present(card).items()}
    if as_json:
        print_line(json.dumps({"model": card.id, "parts": found}, ensure_ascii=False))
        return
    for place in found.values():
        print_line(place)


def _checked(card: ModelCard, named: bool) -> list[dict[str, Any]]:
    from segtile.catalog import locate
    from segtile.catalog.trust import check_file, proof
    from segtile.errors import SegtileError

    rows: list[dict[str, Any]] = []
    for file in card.files:
        place = locate(file)
        row: dict[str, Any] = {"model": card.id, "file": file.name, "path": None, "by": None, "error": None}
        if place is None:
            row["error"] = f"{card.id}: {file.name} is not installed; 'segtile models pull {card.id}' brings it"
        else:
            row |= {"path": str(place), "by": proof(file)}
            try:
                check_file(card, file, place)
            except SegtileError as error:
                row["error"] = str(error)
        rows.append(row)
    return rows
