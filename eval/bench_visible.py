"""What rendered photographs show of their exact alpha: the table of a run, asked of one who knows both colours.

    python -m eval.bench_visible eval/configs/cutout.yaml [--run runs/cutout]

Where the object has the paper's colour no pixel tells its edge, and elsewhere noise and JPEG move it. The rows say by
how much; all are given the exact foreground and background of every pixel, which no matting has:

- `told`: alpha is solved in each edge pixel for itself; where the colours differ by 1/255 at most it is given, too;
- `told, of neighbours`: the same, averaged over about a pixel where that, picture by picture, is nearer to the truth;
- `differs by over N`: the same again, but what differs from the background by N/255 at most, in each channel, and
  touches the background counts as background. How small a difference can be told is left open: that is why N varies.

None is a bound: a shape that is known may be drawn on where nothing shows it. With `--run` the systems of a finished
run stand below, on the same pictures. The layers are those that the pictures were rendered from, in the cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from eval.synth import composite
from eval.synth.composite import Encoded
from eval.synth.published import published
from eval.synth.spec import Look, Quality
from segtile.errors import BadInput, ReadError, SegtileError
from segtile.evaluation.alphas import read_alpha
from segtile.evaluation.config import EvalConfig, RendersData, load_config
from segtile.evaluation.datasets import Item, items_of
from segtile.evaluation.measuring import figures
from segtile.evaluation.results import read_results
from segtile.evaluation.runner import cache_folder
from segtile.evaluation.slices import facts_of
from segtile.raster import open_raster
from segtile.types import Array, BoolArray, FloatArray

METRICS = ("biou2", "mae", "mse", "iou", "holes")
STEPS = (
    1,
    2,
    3,
)  # of 255, in each channel: colours that differ by no more are alike; below the first nothing is solved
NEAR = 2  # px beside mixed pixels that are solved too
BLURS = (0.5, 0.7)  # sigma in px
MOST_OFF = 0.01  # mean difference of a photograph from its layers put together: noise and JPEG make less
WHOLE = "all"
Answers = dict[str, FloatArray]


@dataclass(frozen=True)
class Line:
    """One picture's figures by one row of the table, and the slices that the picture belongs to."""

    row: str
    slices: tuple[str, ...]
    values: Mapping[str, float]


def answers(pixels: FloatArray, layers: Encoded) -> Answers:
    """The alphas (H, W) of the rows, by name.

    Args:
        pixels: (H, W, 3) float32 0..1, the photograph.
        layers: what it was made of.

    Source: the linear model of matting, alpha = (C - B) (F - B) / |F - B|^2 (Smith and Blinn, Blue screen matting,
    1996).
    """
    truth = layers.alpha
    line = layers.foreground - layers.background
    length = np.square(line).sum(axis=2)
    place = ((pixels - layers.background) * line).sum(axis=2) / np.maximum(length, 1e-9)
    apart = 255 * np.abs(line).max(axis=2)
    mixed = ((truth > 0) & (truth < 1)).astype(np.uint8)
    solved = (cv2.dilate(mixed, np.ones((2 * NEAR + 1,) * 2, np.uint8)) > 0) & (apart > STEPS[0])
    alone = np.where(solved, np.clip(place, 0, 1), truth).astype(np.float32)
    found = [alone]
    held, weight = np.clip(place, -0.5, 1.5).astype(np.float32), (length + 1e-7).astype(np.float32)
    for sigma in BLURS:
        mean = cv2.GaussianBlur(held * weight, (0, 0), sigma) / cv2.GaussianBlur(weight, (0, 0), sigma)
        found.append(np.where(solved, np.clip(mean, 0, 1), truth).astype(np.float32))
    best = max(found, key=lambda alpha: float(figures(alpha, truth, ["biou2"])["metrics"]["biou2"]))
    seen = {f"differs by over {n}": np.where(lost(best, apart <= n), 0, best).astype(np.float32) for n in STEPS}
    return {"told": alone, "told, of neighbours": best} | seen


def lost(alpha: FloatArray, alike: BoolArray) -> BoolArray:
    """Pixels that look like background and hang together with what is known as such, (H, W)."""
    outside = alpha < 0.5
    count, parts = cv2.connectedComponents((outside | alike).astype(np.uint8), connectivity=4)
    background = np.zeros(count, np.bool_)
    background[parts[outside]] = True
    return np.asarray(background[parts] & alike, np.bool_)


def layers_of(data: RendersData, name: str, truth: Array, pixels: FloatArray, cache: Path) -> Encoded:
    """The layers that a rendered photograph was made of.

    Args:
        data: its data set.
        name: SCENE_SEED.
        truth: (H, W) uint8, its exact alpha.
        pixels: (H, W, 3) float32 0..1, itself; by both the right passes are known.
        cache: folder of rendered scenes.

    Raises:
        ReadError: the passes are no longer there.
    """
    for folder in sorted(cache.glob(f"passes-*/{name}-*")):
        if not (folder / "alpha.npy").is_file() or not (folder / "background.npy").is_file():
            continue
        alpha = np.load(folder / "alpha.npy", allow_pickle=False)
        if alpha.shape != truth.shape or not np.array_equal(composite.quantise(alpha, 8), truth):
            continue
        beauty = np.zeros((*alpha.shape, 4), np.float16)
        for file in folder.glob("beauty-*.npy"):
            x0, y0, x1, y1 = (int(v) for v in file.stem.split("-")[1:])
            beauty[y0:y1, x0:x1] = np.load(file, allow_pickle=False)
        background = np.load(folder / "background.npy", allow_pickle=False)
        layers = composite.develop(alpha, beauty, background, _look(data, name), 8)
        if np.abs(composite.compose(layers) - pixels).mean() < MOST_OFF:
            return layers
    raise ReadError(f"{cache}: the passes of {name} are not there; remove its picture, and they are rendered again")


def _look(data: RendersData, name: str) -> Look:
    """As `eval.synth` has it."""
    scene, seed = name.rsplit("_", 1)
    if data.stage == "varied":
        return published(scene, int(seed), data.size, Quality(), data.background, data.contrast).look
    return Look(background=data.background, contrast=data.contrast, shadow=1.0 if data.contrast is None else 0.5)


def lines(config: EvalConfig, cache: Path) -> Iterator[tuple[Item, list[Line]]]:
    """What the rows make of each picture.

    Raises:
        BadInput: a data set is not rendered.
    """
    sets = {data.name: data for data in config.datasets}
    for item in items_of(config, cache):
        data = sets[item.dataset]
        if not isinstance(data, RendersData):
            raise BadInput(f"the data set {data.name} is not rendered: nobody knows what its pictures are made of")
        yield item, _of_picture(config, data, item, cache)


def _of_picture(config: EvalConfig, data: RendersData, item: Item, cache: Path) -> list[Line]:
    truth = read_alpha(item.truth)
    with open_raster(item.photo) as raster:
        slices = (WHOLE, *facts_of(raster, truth, config.slice_settings).slices(config.slice_settings))
        pixels = raster.window(raster.info.frame).astype(np.float32) / np.float32(255)
    found = answers(pixels, layers_of(data, item.picture, truth, pixels, cache))
    return [Line(row, slices, figures(alpha, truth, METRICS)["metrics"]) for row, alpha in found.items()]


def table(found: Sequence[Line], names: Sequence[str]) -> list[str]:
    """Markdown: for each slice and row the means, and of how many pictures."""
    out = ["| pictures | row | n | " + " | ".join(METRICS) + " |", "|---" * (3 + len(METRICS)) + "|"]
    for name in names:
        for row in dict.fromkeys(line.row for line in found):
            some = [line.values for line in found if line.row == row and name in line.slices]
            if some:
                means = [float(np.nanmean([v[m] for v in some])) for m in METRICS]
                out.append(f"| {name} | {row} | {len(some)} | " + " | ".join(f"{v:.3f}" for v in means) + " |")
    return out


def beside(run: Path, pictures: Collection[tuple[str, str]]) -> list[Line]:
    """The lines of a run's systems, of those pictures; a failed picture counts as an empty answer."""
    rows, _ = read_results(run)
    out = []
    for row in rows:
        if (row.dataset, row.picture) in pictures:
            values = row.stand_in if row.error else row.metrics
            if lacking := [name for name in METRICS if name not in values]:
                raise BadInput(f"{run}: the run lacks the figure {lacking[0]}")
            out.append(Line(row.system, (WHOLE, *row.slices), values))
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="configuration of a run on rendered pictures")
    parser.add_argument("--run", type=Path, help="folder of such a run, for the rows of its systems")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
        found: list[Line] = []
        pictures: set[tuple[str, str]] = set()
        for item, some in lines(config, cache_folder()):
            found += some
            pictures.add((item.dataset, item.picture))
        if options.run is not None:
            found += beside(options.run, pictures)
    except SegtileError as error:
        raise SystemExit(f"error: {error}") from None
    print("\n".join(table(found, (WHOLE, *config.slices))))


if __name__ == "__main__":
    main()
