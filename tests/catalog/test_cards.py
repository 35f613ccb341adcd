import pytest

from segtile.catalog import cards_folder, list_cards, load_card, read_card
from segtile.errors import ModelError


def test_the_catalogue_reads_and_names_both_licences():
    cards = list_cards()
    assert "u2netp" in [card.id for card in cards]
    for card in cards:
        assert card.code_licence
        assert card.weights_licence
        assert card.data


def test_the_first_card_says_what_its_network_needs():
    card = load_card("u2netp")
    assert card.size == (320, 320)
    assert card.mean == (0.485, 0.456, 0.406)
    assert card.files[0].name == "u2netp.onnx"


def test_a_detector_names_its_classes(tmp_path):
    card = load_card("jewels")
    assert card.task == "detect"
    assert card.classes == ("piece",)
    path = tmp_path / "jewels.toml"
    path.write_text((cards_folder() / "jewels.toml").read_text().replace('classes = ["piece"]', ""))
    with pytest.raises(ModelError, match="0 classes"):
        read_card(path)


def test_an_unknown_model_is_named_with_those_there_are():
    with pytest.raises(ModelError, match=r"'nosuch'.*u2netp"):
        load_card("nosuch")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (('sha256 = "3', 'sha256 = "x'), "hexadecimal"),
        (('activation = "none"', 'activation = "minmax"'), "minmax"),
        (('colour = "rgb"', 'colour = "hsv"'), "hsv"),
        (("size = [320, 320]", "size = [320]"), "not valid"),
        (("weights_licence", "licence"), "weights_licence"),
        (('name = "u2netp.onnx"', 'name = "../u2netp.onnx"'), "folder"),
        (("std = [0.229", "std = [0"), "std"),
        (('id = "u2netp"', 'id = "other"'), "agree"),
        (("[input]", "[input"), "not valid"),
        (("[output]", '[output]\nclasses = ["piece"]'), "detectors alone"),
        (("[output]", "[output]\nclasses = [1]"), "list of names"),
    ],
)
def test_a_wrong_card_is_refused_with_its_fault(tmp_path, change, word):
    text = (cards_folder() / "u2netp.toml").read_text()
    assert change[0] in text
    path = tmp_path / "u2netp.toml"
    path.write_text(text.replace(*change))
    with pytest.raises(ModelError, match=word):
        read_card(path)
