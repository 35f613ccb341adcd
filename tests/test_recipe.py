import pytest

from segtile.errors import BadInput, ReadError
from segtile.recipe import Recipe, build_recipe, load_recipe, parse_colour


def test_none_takes_the_default():
    assert build_recipe(grid={"tile": None, "kind": None}) == Recipe()


def test_digest_follows_every_setting():
    digests = {
        build_recipe(**{section: {key: value}}).digest
        for section, key, value in [
            ("coarse", "name", "studio"),
            ("grid", "tile", 512),
            ("grid", "halo", 96),
            ("refine", "name", "none"),
            ("export", "bits", 16),
            ("limits", "memory_mb", 3000),
        ]
    }
    assert len(digests | {Recipe().digest}) == 7
    assert Recipe().digest == build_recipe().digest


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"grid": {"tile": 3}}, "grid.tile"),
        ({"grid": {"kind": "hex"}}, "grid.kind"),
        ({"grid": {"tyle": 512}}, "grid.tyle"),
        ({"export": {"bits": 12}}, "export.bits"),
        ({"export": {"background": (0, 0, 300)}}, "export.background"),
    ],
)
def test_wrong_settings_are_one_sentence(sections, says):
    with pytest.raises(BadInput, match=says) as caught:
        build_recipe(**sections)
    assert "\n" not in str(caught.value)


def test_toml_file(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('[grid]\ntile = 512\n[export]\nbackground = "#fff"\n')
    recipe = load_recipe(path)
    assert recipe.grid.tile == 512
    assert recipe.export.background == (255, 255, 255)


@pytest.mark.parametrize("text", ["[grid\n", "\x00\x01", ""])
def test_toml_that_is_none(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    if text == "":
        assert load_recipe(path) == Recipe()
    else:
        with pytest.raises(ReadError, match=r"recipe\.toml"):
            load_recipe(path)


def test_bare_settings_and_missing_file(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("tile = 512\n")
    with pytest.raises(BadInput, match="sections"):
        load_recipe(path)
    with pytest.raises(ReadError):
        load_recipe(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "colour"),
    [("#ff8000", (255, 128, 0)), ("#f80", (255, 136, 0)), ("White", (255, 255, 255)), ("1, 2,3", (1, 2, 3))],
)
def test_colours(text, colour):
    assert parse_colour(text) == colour


@pytest.mark.parametrize("text", ["", "#12", "#gggggg", "1,2", "1,2,256", "mauve", "#ff80000"])
def test_no_colours(text):
    with pytest.raises(BadInput, match="colour"):
        parse_colour(text)
