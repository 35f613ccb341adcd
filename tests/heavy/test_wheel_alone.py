"""A wheel, alone with what it asks for, does the main job: no requirement is missing."""

import pytest
from wheel_checks import check_wheel, wheel_python

pytest.importorskip("torch", reason="what takes minutes is run with the heavy extras: pip install torch")


def test_a_wheel_brings_all_that_it_needs(repo, tmp_path, ring_scene):
    check_wheel(wheel_python(repo, tmp_path, alone=True), repo, tmp_path, ring_scene)
