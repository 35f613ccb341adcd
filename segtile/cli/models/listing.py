"""`segtile models list` and `info`: what the catalogue says."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segtile.cli.run import print_line

if TYPE_CHECKING:
    from segtile.catalog import ModelCard


class Role(StrEnum):
    """Values of --role, in the order in which a picture meets them."""

    coarse = "coarse"
    refine = "refine"
    detect = "detect"
    edit = "edit"


_HEADINGS = {
    Role.coarse: "coarse: look at the whole picture (--coarse NAME)",
    Role.refine: "refine: look at each tile (--refine NAME)",
    Role.detect: "detect: find pieces (detect and segment, --model NAME)",
    Role.edit: "edit: change the picture (edit, --model NAME)",
}
_USES = {"yes": "yes", "no": "NO", "unclear": "unclear (see info)"}


def list_models(
    role: Annotated[Role | None, typer.Option(help="Only models of this role.", show_default="all")] = None,
    installed: Annotated[bool, typer.Option("--installed", help="Only models that are here.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a model on stdout.")] = False,
) -> None:
    """Show all models: installed or not, what they cost to pull, and what their licence allows."""
    from segtile.catalog import list_cards

    cards = [card for card in list_cards() if role is None or card.role == role]
    rows = [(card, _state(card)) for card in cards]
    rows = [(card, state) for card, state in rows if not installed or state in ("yes", "comes with segtile")]
    if as_json:
        for card, _ in rows:
            print_line(json.dumps(facts(card), ensure_ascii=False))
        return
    if not rows:
        print_line("no model of that kind")
        return
    name, state = (max(len(text) for text in column) for column in (_ids(rows), [s for _, s in rows] + ["installed"]))
    licence = max(len(card.weights_licence) for card, _ in rows)
    for kind in Role:
        some = [(card, here) for card, here in rows if card.role == kind]
        if not some:
            continue
        print_line(_HEADINGS[kind])
        print_line(
            f"  {'name':{name}}  {'installed':{state}}  {'to pull':>8}  {'licence of weights':{licence}}  business use"
        )
        for card, here in some:
            size = "-" if here in ("yes", "comes with segtile") else megabytes(card.bytes)
            use = _USES[card.commercial] + _acceptance(card)
            print_line(f"  {card.id:{name}}  {here:{state}}  {size:>8}  {card.weights_licence:{licence}}  {use}")
    print_line(
        "'segtile models info NAME' says more, 'segtile models pull NAME' brings it; ?: nobody published its size"
    )


def info(
    model: Annotated[str, typer.Argument(metavar="NAME", help="A model of the catalogue.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show one card: what the model is, its files, its licences, what it was trained on, what it takes."""
    from segtile.catalog import load_card
    from segtile.catalog.content import published

    card = load_card(model)
    found = facts(card)
    if as_json:
        print_line(json.dumps(found, ensure_ascii=False))
        return
    print_line(f"{card.id}: {card.title}")
    lines = {
        "role": f"{card.role} (family {card.family})",
        "installed": found["installed"],
        "to pull": megabytes(card.bytes),
        "source": card.source,
        "licence of code": card.code_licence,
        "licence of weights": card.weights_licence,
        "business use": _USES[card.commercial].removesuffix(" (see info)") + _acceptance(card),
        "trained on": card.data,
        "input": _taken(card),
        "prompts": ", ".join(card.prompts),
        "classes": ", ".join(card.classes),
    }
    for what, text in lines.items():
        if text:
            print_line(f"  {what}: {text}")
    for file, row in zip(card.files, found["files"], strict=True):
        digest = published(file)
        hashed = f"{digest[0]} {digest[1]}" if digest else "no published hash, trusted when it is seen first"
        print_line(f"  {file.part}: {file.name} ({hashed})")
        for place in [row["path"]] if row["path"] else file.urls:
            print_line(f"    {place}")


def facts(card: ModelCard) -> dict[str, Any]:
    """A card and its state as plain values."""
    from segtile.catalog import accepted, locate

    found = asdict(card)
    for row, file in zip(found["files"], card.files, strict=True):
        path = locate(file)
        row["path"] = str(path) if path else None
    found |= {"bytes": card.bytes, "installed": _state(card)}
    found["licence_accepted"] = accepted(card) if card.commercial == "no" else None
    return found


def megabytes(size: int | None) -> str:
    """A size for people: "4.6 MB", "?" where it is not known."""
    return "?" if size is None else f"{size / 1e6:.1f} MB" if size < 1e7 else f"{size / 1e6:.0f} MB"


def _state(card: ModelCard) -> str:
    from segtile.catalog import locate

    here = [locate(file) is not None for file in card.files]
    if all(here):
        return "comes with segtile" if card.shipped else "yes"
    return "in part" if any(here) else "no"


def _acceptance(card: ModelCard) -> str:
    from segtile.catalog import accepted

    if card.commercial != "no":
        return ""
    return " (accepted)" if accepted(card) else " (to be accepted once)"


def _taken(card: ModelCard) -> str:
    size = f"{card.size[0]} x {card.size[1]}"
    if card.multiple_of:
        sides = "any size" if card.multiple_of == 1 else f"any multiple of {card.multiple_of}"
        size = f"{sides}, trained at {size}"
    extra = f" and the solar channels {', '.join(card.channels)}" if card.channels else ""
    return f"{size}, {card.colour}{extra}"


def _ids(rows: list[tuple[ModelCard, str]]) -> list[str]:
    return [card.id for card, _ in rows]
