from models.table import README, with_table
from segtile.catalog import list_cards


def test_the_readme_shows_the_cards_as_they_are():
    text = README.read_text("utf-8")
    assert with_table(text, list_cards()) == text, "run python -m models.table"


def test_every_model_has_its_row():
    text = README.read_text("utf-8")
    for card in list_cards():
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{card.id}` |"))
        assert card.weights_licence in row
        assert ("**no**" in row) == (card.commercial == "no")
