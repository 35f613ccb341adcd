"""What stands in for the coarse network in `eval.bench_exact_map` gives the exact alpha, and only there."""

import cv2
import numpy as np
import pytest

import segtile
from eval.bench_exact_map import Oracle, answering
from segtile.coarse import net
from segtile.metrics.matte import measure

pytest.importorskip("onnxruntime")


@pytest.fixture
def comma():
    """A picture that is not its own mirror image, and its alpha."""
    alpha = np.zeros((240, 320), np.float32)
    cv2.circle(alpha, (110, 100), 60, 1.0, -1, cv2.LINE_AA)
    cv2.line(alpha, (150, 130), (260, 200), 1.0, 9, cv2.LINE_AA)
    pixels = np.round(255 * (0.95 - 0.6 * alpha))
    return np.repeat(pixels[..., None], 3, axis=2).astype(np.uint8), alpha


def test_the_map_is_the_exact_alpha(comma):
    pixels, alpha = comma
    real = net._load, net.ask_ways
    with answering(Oracle(alpha, 320)), segtile.cutout(pixels, coarse="net", refine="none") as cut:
        found = cut.alpha / np.float32(255)
    assert (net._load, net.ask_ways) == real
    assert measure(found, alpha, ("biou2",))["biou2"] > 0.98


def test_a_smaller_map_is_only_coarser(comma):
    pixels, alpha = comma
    with answering(Oracle(alpha, 160)), segtile.cutout(pixels, coarse="net", refine="none") as cut:
        assert cut.coarse.prob.shape == (120, 160)
        found = cut.alpha / np.float32(255)
    figures = measure(found, alpha, ("iou", "biou2"))
    assert figures["iou"] > 0.97
    assert figures["biou2"] < 0.98
