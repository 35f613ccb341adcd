import pytest

from segtile.catalog import cards_folder, list_cards, load_card, read_card
from segtile.errors import ModelError


def test_the_catalogue_reads_and_names_licences_data_and_size():
    cards = list_cards()
    ids = {card.id for card in cards}
    assert {"u2netp", "birefnet-general", "inspyrenet", "sam-vit-b", "mobile-sam", "zim-vit-b", "jewels"} <= ids
    for card in cards:
        assert card.code_licence
        assert card.weights_licence
        assert card.data
        assert card.shipped or all(url.startswith("https://") for file in card.files for url in file.urls)


def test_no_two_models_share_a_file_name():
    names = [file.name.lower() for card in list_cards() for file in card.files]
    assert len(names) == len(set(names))


def test_what_is_not_free_to_use_is_marked_and_never_taken_by_itself():
    closed = {card.id for card in list_cards() if card.commercial == "no"}
    assert {"zim-vit-b", "zim-vit-l", "edge-sam-3x", "bria-rmbg-2.0"} == closed
    for card in list_cards():
        assert card.commercial == "no" or "NC" not in card.weights_licence
        assert not (card.id in closed and card.auto)


def test_the_first_card_says_what_its_network_needs():
    card = load_card("u2netp")
    assert card.size == (320, 320)
    assert card.mean == (0.485, 0.456, 0.406)
    assert card.files[0].name == "u2netp.onnx"
    assert card.bytes == 4574861


def test_a_promptable_model_names_its_parts_and_prompts():
    card = load_card("zim-vit-b")
    assert [file.part for file in card.files] == ["encoder", "decoder"]
    assert card.file("decoder").urls[0].endswith("/zim_vit_b_2043/decoder.onnx")
    assert card.prompts == ("box", "points")
    assert card.fit == "longest"
    assert not card.files[0].pinned


def test_a_detector_names_its_classes(tmp_path):
    card = load_card("jewels")
    assert card.role == "detect"
    assert card.classes == ("piece",)
    path = tmp_path / "jewels.toml"
    path.write_text((cards_folder() / "jewels.toml").read_text().replace('classes = ["piece"]', ""))
    with pytest.raises(ModelError, match="0 classes"):
        read_card(path)


def test_an_unknown_model_is_named_with_those_there_are():
    with pytest.raises(ModelError, match=r"'nosuch'.*u2netp"):
        load_card("nosuch")


URL = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/u2netp.onnx"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (('sha256 = "3', 'sha256 = "x'), "hexadecimal"),
        (('md5 = "8e', 'md5 = "'), "32"),
        (('activation = "none"', 'activation = "minmax"'), "minmax"),
        (('colour = "rgb"', 'colour = "hsv"'), "hsv"),
        (("size = [320, 320]", "size = [320]"), "size.1"),
        (("size = [320, 320]", "size = [320, 0]"), "at least 1"),
        (("size = [320, 320]", "size = [320, 320]\nmultiple_of = 32\nmean = 3"), "not valid"),
        (("size = [320, 320]", "size = [320, 320]\nmultiple_of = 33"), "multiple of 33"),
        (("size = [320, 320]", 'size = [320, 320]\nprompts = ["box"]'), "refiners alone"),
        (("size = [320, 320]", 'size = [320, 320]\nchannels = ["lunar"]'), "lunar"),
        (("size = [320, 320]", "size = [320, 320]\nscales = [0]"), "scales"),
        (("size = [320, 320]", 'size = [320, 320]\nid = "x"'), "twice"),
        (("weights_licence", "licence"), "weights_licence"),
        (('data = "', 'data = ""\n#'), "data is empty"),
        (('commercial = "yes"', 'commercial = "no"'), "never taken by itself"),
        (('commercial = "yes"', 'commercial = "maybe"'), "maybe"),
        (('role = "coarse"', 'role = "saliency"'), "saliency"),
        (('name = "u2netp.onnx"', 'name = "../u2netp.onnx"'), "folder"),
        (('name = "u2netp.onnx"', 'name = "u2netp.exe"'), "exe"),
        (('name = "u2netp.onnx"', 'name = "u2netp.onnx"\npart = "wheel"'), "wheel"),
        (('name = "u2netp.onnx"', 'name = "u2netp.onnx"\nshipped = true'), "not both"),
        (("bytes = 4574861", "bytes = 0"), "0 bytes"),
        ((URL, "http://example.org/u2netp.onnx"), "https alone"),
        ((URL, "file:///etc/passwd.onnx"), "https alone"),
        ((URL, "https://user:word@example.org/u2netp.onnx"), "password"),
        (("std = [0.229", "std = [0"), "std"),
        (("std = [0.229", "std = [nan"), "std"),
        (('id = "u2netp"', 'id = "other"'), "agree"),
        (("[input]", "[input"), "not valid"),
        (("[input]", "[inputs]"), "lacks size"),
        (("title = ", 'titel = "x"\ntitle = '), "titel"),
        (("[output]", '[output]\nclasses = ["piece"]'), "detectors alone"),
        (("[output]", "[output]\nclasses = [1]"), "classes.0"),
        (("[output]", '[output]\nname = "x"'), "both a name and an index"),
    ],
)
def test_a_wrong_card_is_refused_with_its_fault(tmp_path, change, word):
    text = (cards_folder() / "u2netp.toml").read_text()
    assert change[0] in text
    path = tmp_path / "u2netp.toml"
    path.write_text(text.replace(*change))
    with pytest.raises(ModelError, match=word) as error:
        read_card(path)
    assert "\n" not in str(error.value)
