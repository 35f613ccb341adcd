"""A checkpoint of SAM, MobileSAM or SAM-HQ as two ONNX graphs: an encoder for pictures and a decoder for prompts.

The decoder is the export model of the family's own package with its names and shapes; the encoder, which has no
official export, takes "image" (1, 3, side, side) float32, normalised and padded, and gives "image_embeddings". SAM-HQ's
gives "interm_embeddings" too, (1, 1, side / 16, side / 16, channels): the first of its early features, which is all
that the decoder looks at. Both carry the sha256 of the checkpoint they were made from, so that a run without torch can
tell whose weights they hold.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segtile.backends.onnx import OnnxGraph
from segtile.backends.sam_network import SamNetwork, load_network
from segtile.backends.torch_weights import torch_module
from segtile.catalog.content import digest
from segtile.errors import BackendMissing, ModelError, WouldOverwrite, WriteError
from segtile.types import FloatArray, Progress, no_progress

#: Names of the two graphs in their folder, and of the file beside one that is too large to hold its own weights.
ENCODER, DECODER, WEIGHTS = "encoder.onnx", "decoder.onnx", "encoder.onnx.data"
#: Metadata of both graphs.
SOURCE_KEY, FAMILY_KEY, SIDE_KEY = "checkpoint_sha256", "family", "image_size"

_OPSET = 17
# A graph of protobuf ends at 2 GB; weights beyond this go into a file of their own.
_LARGEST = 1_800_000_000
# How far onnxruntime may be from torch, as a share of the largest value: both compute in float32.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class SamExport:
    """What was written, and how far it is from torch: the largest differences of embeddings and of mask logits."""

    encoder: Path
    decoder: Path
    image_size: int
    checkpoint_sha256: str
    family: str
    embedding_error: float
    logits_error: float


def export_sam(
    checkpoint: Path,
    folder: Path,
    *,
    family: str | None = None,
    overwrite: bool = False,
    on_progress: Progress = no_progress,
    largest: int = _LARGEST,
) -> SamExport:
    """Write encoder.onnx and decoder.onnx of a checkpoint into a folder, once both give what torch gives.

    Args:
        checkpoint: .pth, .pt or .safetensors, of any dimensions.
        folder: made where it is missing.
        family: "sam", "mobile-sam" or "sam-hq" where it has to be one of these; None for what the weights are.
        overwrite: whether files of an earlier export may be replaced.
        on_progress: called with the stages "load", "encoder", "decoder" and "compare".
        largest: bytes of weights above which the encoder's go into a file beside it.

    Raises:
        BackendMissing: torch, a package of the family, onnx or onnxruntime is not installed.
        ReadError: the checkpoint cannot be read.
        ModelError: it is of none of these families or of another than asked for, or the graphs do not give what torch
            gives.
        WouldOverwrite: the folder holds an export already.
        WriteError: the folder cannot be written to.
    """
    onnx = _onnx()
    _check_targets(folder, overwrite)
    on_progress(0, 1, "load")
    source = digest(checkpoint, "sha256")
    network = load_network(checkpoint, family)
    on_progress(1, 1, "load")
    with _scratch(folder) as scratch, torch_module().inference_mode():
        entries = {FAMILY_KEY: network.family, SOURCE_KEY: source, SIDE_KEY: str(network.side)}
        on_progress(0, 1, "encoder")
        _write_encoder(network, scratch / ENCODER)
        _finish(onnx, scratch / ENCODER, entries, largest)
        on_progress(1, 1, "encoder")
        on_progress(0, 1, "decoder")
        _write_decoder(network, scratch / DECODER)
        _finish(onnx, scratch / DECODER, entries, _LARGEST)
        on_progress(1, 1, "decoder")
        on_progress(0, 1, "compare")
        embedding, logits = _compare(network, scratch)
        on_progress(1, 1, "compare")
        _move(scratch, folder)
    found = (network.side, source, network.family, embedding, logits)
    return SamExport(folder / ENCODER, folder / DECODER, *found)


def _write_encoder(network: SamNetwork, file: Path) -> None:
    example = torch_module().zeros(1, 3, network.side, network.side)
    _trace(network.model.image_encoder, (example,), file, ["image"], list(network.features), {})


def _write_decoder(network: SamNetwork, file: Path) -> None:
    torch = torch_module()
    model, mask = network.model, network.mask_side
    grid = model.prompt_encoder.image_embedding_size[0]
    example = {"image_embeddings": torch.zeros(1, model.prompt_encoder.embed_dim, grid, grid)}
    if network.family == "sam-hq":
        from segment_anything_hq.utils import onnx as high

        # with the choices of `SamNetwork.answer`
        decoder = high.SamOnnxModel(model, hq_token_only=False, multimask_output=False)
        width = model.mask_decoder.compress_vit_feat[0].in_channels
        example["interm_embeddings"] = torch.zeros(1, 1, grid, grid, width)
    else:
        from segment_anything.utils import onnx as plain

        decoder = plain.SamOnnxModel(model, return_single_mask=False)
    example |= {
        "point_coords": torch.full((1, 5, 2), 4.0),
        "point_labels": torch.ones(1, 5),
        "mask_input": torch.zeros(1, 1, mask, mask),
        "has_mask_input": torch.ones(1),
        "orig_im_size": torch.tensor([1500.0, 2250.0]),
    }
    axes = {"point_coords": {1: "num_points"}, "point_labels": {1: "num_points"}}
    outputs = ["masks", "iou_predictions", "low_res_masks"]
    # the exporter brings back the mode that it found, and a fresh module would be left in training with all its parts
    _trace(decoder.eval(), tuple(example.values()), file, list(example), outputs, axes)


def _trace(
    module: Any,
    example: tuple[Any, ...],
    file: Path,
    inputs: list[str],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
) -> None:
    """Torch's older exporter: the newer one refuses the decoder's slices by a tensor's value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every shape that these networks compute with
        torch_module().onnx.export(
            module,
            example,
            str(file),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )


def _finish(onnx: Any, file: Path, entries: dict[str, str], largest: int) -> None:
    """Write metadata, gather weights that the exporter spread over files, and have onnx check what came of it."""
    graph = onnx.load(str(file))
    for other in file.parent.iterdir():
        if other.name not in (file.name, ENCODER, WEIGHTS):
            other.unlink()  # one file a weight, where the whole is too large; they are in memory now
    graph.producer_name, graph.producer_version = "segtile", ""
    del graph.metadata_props[:]
    for key, value in entries.items():
        graph.metadata_props.add(key=key, value=value)
    weights = sum(len(t.raw_data) for t in graph.graph.initializer)
    if weights > largest:
        onnx.save_model(graph, str(file), save_as_external_data=True, all_tensors_to_one_file=True, location=WEIGHTS)
    else:
        onnx.save_model(graph, str(file))
    onnx.checker.check_model(str(file), full_check=True)


def _compare(network: SamNetwork, folder: Path) -> tuple[float, float]:
    """Run both graphs and the checkpoint on a seeded picture and prompts of each kind.

    Returns:
        The largest difference of features, and of low-resolution logits over the whole way.

    Raises:
        ModelError: one is beyond the tolerance.
    """
    torch = torch_module()
    encoder, decoder = (OnnxGraph(folder / name, "cpu") for name in (ENCODER, DECODER))
    side, mask_side = network.side, network.mask_side
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, 3, side, side)).astype(np.float32)
    expected = network.look(torch.from_numpy(image))
    found = dict(zip(expected, encoder.run({"image": image}, list(expected)), strict=True))
    embedding = max(_difference("embeddings", found[name], expected[name].numpy()) for name in expected)
    worst = 0.0
    mask = (8 * rng.standard_normal((1, 1, mask_side, mask_side))).astype(np.float32)
    for labels, with_mask in (([1, -1], False), ([2, 3], False), ([1, 0, 2, 3], True)):
        points = (side * rng.random((1, len(labels), 2))).astype(np.float32)
        feeds = {
            **found,
            "point_coords": points,
            "point_labels": np.array([labels], np.float32),
            "mask_input": mask if with_mask else np.zeros_like(mask),
            "has_mask_input": np.array([with_mask], np.float32),
            "orig_im_size": np.array([side, side], np.float32),
        }
        answer, scores = decoder.run(feeds, ["low_res_masks", "iou_predictions"])
        wanted, sure = _decode(network, expected, points, labels, mask if with_mask else None)
        worst = max(worst, _difference("masks", answer, wanted), _difference("scores", scores, sure))
    return embedding, worst


def _decode(
    network: SamNetwork, features: Any, points: FloatArray, labels: list[int], mask: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """What the real prompt encoder and mask decoder say: masks and scores."""
    torch = torch_module()
    at, kind = torch.from_numpy(points), torch.tensor([labels], dtype=torch.float32)
    boxed = 2 in labels
    single = kind[0] < 2 if boxed else kind[0] >= 0
    given = (at[:, single], kind[:, single]) if bool(single.any()) else None
    boxes = at[:, -2:].reshape(1, 4) if boxed else None
    masks, scores = network.answer(features, given, boxes, None if mask is None else torch.from_numpy(mask))
    return masks.numpy(), scores.numpy()


def _difference(what: str, found: Any, wanted: FloatArray) -> float:
    off = float(np.abs(found - wanted).max()) if found.shape == wanted.shape else float("inf")
    if not off <= _TOLERANCE * max(1.0, float(np.abs(wanted).max())):
        raise ModelError(
            f"the exported graphs do not give what the checkpoint gives: {what} differ by {off:.2g}; nothing was kept"
        )
    return off


def _check_targets(folder: Path, overwrite: bool) -> None:
    for name in (ENCODER, DECODER):
        if (folder / name).exists() and not overwrite:
            raise WouldOverwrite(f"{folder / name} exists already: use --overwrite or choose another folder")
    if folder.exists() and not folder.is_dir():
        raise WriteError(f"{folder} is a file; the export needs a folder")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder within the target folder, gone at the end: what is renamed out of it stays on its disk."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".segtile-", dir=folder) as scratch:
            yield Path(scratch)
    except OSError as error:
        if isinstance(error, WriteError | WouldOverwrite):
            raise
        raise WriteError(f"{folder}: the export cannot be written: {error.strerror or error}") from None


def _move(scratch: Path, folder: Path) -> None:
    """Rename what was made into the folder, weights before the graph that names them."""
    for name in (WEIGHTS, ENCODER, DECODER):
        made = scratch / name
        if made.exists():
            with made.open("rb") as stream:
                os.fsync(stream.fileno())
            made.replace(folder / name)
        elif name == WEIGHTS:
            (folder / name).unlink(missing_ok=True)


def _onnx() -> Any:
    try:
        import onnx
        import onnx.checker
    except ImportError as error:
        raise BackendMissing("the export needs onnx, which is not installed: pip install segtile[torch]") from error
    return onnx
