"""A wheel, installed where the checkout cannot be seen, does the main job with its cards and weights inside."""

from wheel_checks import check_wheel, wheel_python


def test_an_installed_wheel_cuts_out_and_finds_its_cards(repo, tmp_path, ring_scene):
    # one test, since workers would not share the environment; what the wheel asks for: tests/heavy/test_wheel_alone.py
    check_wheel(wheel_python(repo, tmp_path, alone=False), repo, tmp_path, ring_scene)
