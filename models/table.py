"""The table of models/README.md, made from the cards: python -m models.table writes it, a test keeps it in step."""

from __future__ import annotations

from pathlib import Path

from segtile.catalog import ModelCard, list_cards

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- begin: python -m models.table -->", "<!-- end -->"
_ROLES = {"coarse": "the whole picture", "refine": "each tile", "detect": "pieces", "edit": "edits"}
_BUSINESS = {"yes": "yes", "no": "**no**", "unclear": "unclear"}


def table(cards: list[ModelCard]) -> str:
    """The cards as a Markdown table, by role and id."""
    rows = ["| model | looks at | MB | weights | business use | hash | trained on |", "|---|---|---|---|---|---|---|"]
    for role, looks in _ROLES.items():
        for card in (card for card in cards if card.role == role):
            size = (
                ""
                if card.bytes is None
                else f"{card.bytes / 1e6:.3g}"
                if card.bytes < 1e7
                else f"{card.bytes / 1e6:.0f}"
            )
            hashed = "pinned" if all(file.pinned for file in card.files) else "as first seen"
            cells = [f"`{card.id}`", looks, size, card.weights_licence, _BUSINESS[card.commercial], hashed, card.data]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def with_table(text: str, cards: list[ModelCard]) -> str:
    """The README's text with the table as the cards are now.

    Raises:
        ValueError: the text has no place for it.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"models/README.md lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n{table(cards)}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text("utf-8"), list_cards()), "utf-8")
