"""What one who knows both colours makes of a photograph: all of it where they differ, and no more than shows."""

import cv2
import numpy as np
import pytest

from eval.bench_visible import METRICS, STEPS, answers, layers_of, lost, main, table
from eval.synth import composite
from eval.synth.composite import Encoded
from eval.synth.spec import Look
from segtile.errors import ReadError
from segtile.evaluation.config import RendersData
from segtile.metrics.matte import measure

SIDE = 96


def disc(contrast, alike_below=None):
    """A grey disc on white paper; below a row it has the paper's own colour."""
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(drawn, (48 * 16, 48 * 16), 30 * 16, 255, -1, cv2.LINE_AA, 4)
    alpha = drawn / np.float32(255)
    background = np.full((SIDE, SIDE, 3), 0.94, np.float32)
    foreground = background * np.float32(1 - contrast)
    if alike_below is not None:
        foreground[alike_below:] = background[alike_below:]
    return Encoded(foreground, background, alpha, background[0, 0])


def biou2(alpha, layers):
    return measure(alpha, layers.alpha, ("biou2",))["biou2"]


def test_without_noise_all_of_it_is_found():
    layers = disc(0.5)
    for alpha in answers(composite.compose(layers), layers).values():
        assert np.abs(alpha - layers.alpha).max() < 1e-4


def test_noise_costs_more_where_the_contrast_is_low_and_neighbours_give_some_of_it_back():
    found = []
    for contrast in (0.5, 0.02):
        layers = disc(contrast)
        noisy = composite.add_noise(composite.compose(layers), 0.008, 1)
        found.append([biou2(alpha, layers) for alpha in answers(noisy, layers).values()])
    (told, *_, shown), (faint_told, faint_neighbours, *_) = found
    assert told > 0.95
    assert shown == pytest.approx(told, abs=0.01)
    assert faint_told < 0.85
    assert faint_neighbours > faint_told


def test_what_has_the_papers_colour_is_given_to_those_that_are_told_and_lost_by_what_differs():
    layers = disc(0.5, alike_below=60)
    found = answers(composite.compose(layers), layers)
    assert biou2(found["told"], layers) == 1
    for n in STEPS:
        assert not found[f"differs by over {n}"][62:].any()
        assert np.array_equal(found[f"differs by over {n}"][:58], found["told"][:58])


def test_a_faint_part_is_lost_by_the_rows_that_take_its_difference_for_none():
    layers = disc(0.5)
    layers.foreground[60:] = layers.background[60:] - np.float32(2.5 / 255)
    found = answers(composite.compose(layers), layers)
    kept = {n: bool(found[f"differs by over {n}"][62:].any()) for n in STEPS}
    assert kept == {1: True, 2: True, 3: False}


def test_what_is_alike_but_enclosed_is_not_lost():
    layers = disc(0.5)
    alike = np.zeros((SIDE, SIDE), bool)
    alike[44:52, 44:52] = True
    assert not lost(layers.alpha, alike)[44:52, 44:52].any()
    alike[44:52, 44:] = True
    assert lost(layers.alpha, alike).sum() > 64


@pytest.fixture
def cache(tmp_path):
    """Passes of one scene in two qualities of the same name, and the photograph of the second."""
    cover = disc(0.5).alpha
    for name, grey in (("ring_7-aaaa", 0.1), ("ring_7-bbbb", 0.3)):
        folder = tmp_path / "passes-1234" / name
        folder.mkdir(parents=True)
        np.save(folder / "alpha.npy", cover if grey == 0.3 else cover[::-1] * np.float32(0.5))
        np.save(folder / "background.npy", np.full((24, 24, 3), 0.8, np.float16))
        beauty = np.dstack([np.repeat(cover[..., None] * np.float32(grey), 3, axis=2), cover]).astype(np.float16)
        np.save(folder / "beauty-10-12-90-88.npy", beauty[12:88, 10:90])
    return tmp_path


def test_layers_are_known_by_truth_and_picture(cache):
    data = RendersData(kind="renders", name="some", scenes=("ring",), size=SIDE)
    cover = disc(0.5).alpha
    truth = composite.quantise(cover, 8)
    folder = cache / "passes-1234" / "ring_7-bbbb"
    beauty = np.zeros((SIDE, SIDE, 4), np.float16)
    beauty[12:88, 10:90] = np.load(folder / "beauty-10-12-90-88.npy")
    made = composite.develop(cover, beauty, np.load(folder / "background.npy"), Look(background=0.94))
    pixels = composite.compose(made)
    found = layers_of(data, "ring_7", truth, pixels, cache)
    assert np.allclose(composite.compose(found), pixels)
    with pytest.raises(ReadError, match="passes of ring_7"):
        layers_of(data, "ring_7", truth, 1 - pixels, cache)
    with pytest.raises(ReadError, match="passes of ring_8"):
        layers_of(data, "ring_8", truth, pixels, cache)


def test_pictures_that_are_not_rendered_are_refused_in_one_sentence(tmp_path):
    from eval.bench_cutout import SAMPLES

    file = tmp_path / "samples.yaml"
    text = f"datasets: [{{kind: samples, name: samples, table: {SAMPLES / 'samples.json'}}}]\n"
    file.write_text(text + "systems: [{kind: segtile, name: segtile}]\n")
    with pytest.raises(SystemExit, match=r"^error: the data set samples is not rendered"):
        main([str(file)])


def test_the_table_has_means_by_row_and_slice():
    from eval.bench_visible import Line

    values = dict.fromkeys(METRICS, 0.5)
    found = [Line("told", ("all",), values), Line("told", ("all", "thin"), values | {"biou2": 1.0})]
    rows = table(found, ("all", "thin", "holes"))
    assert rows[2].startswith("| all | told | 2 | 0.750 | 0.500 ")
    assert rows[3].startswith("| thin | told | 1 | 1.000 ")
    assert len(rows) == 4
