"""One row of the merging benchmark by a peer: cut, copy every tile as a model would, merge, in the way its makers show.

python peer.py JOB      JOB as `eval.merge_timing.Job` in JSON; prints the row as JSON. PYTHONPATH is the checkout.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from eval.merge_timing import Array, Job, make_canvas, measured


def monai(canvas: Array, tile: int, overlap: int) -> Array:
    """Sliding-window inference with its gaussian window."""
    import torch
    from monai.inferers import sliding_window_inference

    with torch.inference_mode():
        merged = sliding_window_inference(
            _planes(torch, canvas), (tile, tile), 1, _copied, overlap=overlap / tile, mode="gaussian", progress=False
        )
        return _pixels(torch, merged, canvas)


def tiler(canvas: Array, tile: int, overlap: int) -> Array:
    """Its plain mean of what overlaps, the fastest of its windows."""
    from tiler import Merger, Tiler

    shape, channel = ((tile, tile, 3), 2) if canvas.ndim == 3 else ((tile, tile), None)
    cutter = Tiler(data_shape=canvas.shape, tile_shape=shape, overlap=overlap, channel_dimension=channel)
    merger = Merger(cutter, window="boxcar", save_visits=False)
    for index, pixels in cutter(canvas, progress_bar=False):
        merger.add(index, np.array(pixels))
    merged = merger.merge(unpad=True)
    return np.rint(merged).astype(np.uint8) if canvas.dtype == np.uint8 else merged


def blended_tiling(canvas: Array, tile: int, overlap: int) -> Array:
    """Linear ramps; all tiles at once."""
    import torch
    from blended_tiling import TilingModule

    with torch.inference_mode():
        share = overlap / tile
        module = TilingModule(tile_size=[tile, tile], tile_overlap=[share, share], base_size=list(canvas.shape[:2]))
        tiles = module.split_into_tiles(_planes(torch, canvas))
        return _pixels(torch, module.rebuild_with_masks(_copied(tiles)), canvas)


def toolbelt(canvas: Array, tile: int, overlap: int) -> Array:
    """One tile at a time into its merger, with its pyramid window."""
    import torch
    from pytorch_toolbelt.inference.tiles import ImageSlicer, TileMerger

    with torch.inference_mode():
        slicer = ImageSlicer(canvas.shape, tile_size=tile, tile_step=tile - overlap, weight="pyramid")
        merger = TileMerger(slicer.target_shape, 1 if canvas.ndim == 2 else 3, slicer.weight)
        for pixels, place in slicer.iter_split(canvas):
            merger.accumulate_single(_copied(_planes(torch, np.ascontiguousarray(pixels))[0]), place)
        merged = slicer.crop_to_orignal_size(merger.merge_().permute(1, 2, 0).numpy())
    return np.rint(merged).astype(np.uint8) if canvas.dtype == np.uint8 else np.ascontiguousarray(merged[..., 0])


METHODS: dict[str, Callable[[Array, int, int], Array]] = {
    "MONAI, gaussian": monai,
    "tiler, boxcar": tiler,
    "blended-tiling": blended_tiling,
    "pytorch-toolbelt, pyramid": toolbelt,
}


def _planes(torch: Any, pixels: Array) -> Any:
    planes = torch.from_numpy(pixels)
    return planes[None, None] if pixels.ndim == 2 else planes.permute(2, 0, 1).float()[None]


def _copied(planes: Any, *_: Any) -> Any:
    return planes.clone()


def _pixels(torch: Any, planes: Any, canvas: Array) -> Array:
    if canvas.ndim == 2:
        return planes[0, 0].numpy()
    return planes[0].permute(1, 2, 0).round().to(torch.uint8).contiguous().numpy()


def main() -> None:
    """Measure the row that is asked for."""
    job = Job(**json.loads(sys.argv[1]))
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not get between
    if job.method != "tiler, boxcar":
        import torch

        torch.set_num_threads(job.threads)
    canvas = make_canvas(job.kind, job.size)
    row = measured(job, canvas, lambda: METHODS[job.method](canvas, job.tile, job.overlap))
    print(json.dumps(asdict(row)), file=replies, flush=True)


if __name__ == "__main__":
    main()
