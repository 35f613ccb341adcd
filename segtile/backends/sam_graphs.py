"""The two graphs of a prompted network: which is which, what feeds what, and whether both are what they should be."""

from __future__ import annotations

from dataclasses import dataclass

from segtile.backends.onnx import ELEMENT, OnnxGraph, Port
from segtile.errors import ModelError

#: Inputs of a decoder that are no features of the picture, under all the names that exporters give them.
COORDS = ("point_coords", "batched_point_coords")
LABELS = ("point_labels", "batched_point_labels")
MASK, HAS_MASK, SIZE, ATTENTION = "mask_input", "has_mask_input", "orig_im_size", "attn_mask"
_PROMPTS = {*COORDS, *LABELS, MASK, HAS_MASK, SIZE, ATTENTION}
#: Outputs, the best first: masks at the network's own resolution before those that the graph enlarges.
_MASKS = ("low_res_masks", "masks", "output_masks")
_SCORES = ("iou_predictions", "scores")


@dataclass(frozen=True)
class Wiring:
    """Names in the two graphs.

    `picture` is the encoder's input. `features` are the decoder's inputs for what the encoder says, each with the
    output that feeds it; `kept` is True where those may go from graph to graph as they are. `mask`, `has_mask`, `size`
    and `attention` are the decoder's further inputs, None where it has none of that kind.
    """

    picture: Port
    features: dict[str, str]
    kept: bool
    coords: Port
    labels: Port
    mask: Port | None
    has_mask: Port | None
    size: Port | None
    attention: Port | None
    masks: str
    scores: str


def sort_graphs(graphs: list[OnnxGraph], model: str) -> tuple[OnnxGraph, OnnxGraph]:
    """Encoder and decoder, whichever came first.

    Raises:
        ModelError: not one of each.
    """
    decoders = [g for g in graphs if _PROMPTS & {port.name for port in g.inputs}]
    encoders = [g for g in graphs if g not in decoders]
    if len(encoders) != 1 or len(decoders) != 1:
        raise ModelError(
            f"{model} needs an encoder that takes a picture and a decoder that takes points; of "
            f"{', '.join(g.path.name for g in graphs)}, {len(decoders)} take points"
        )
    return encoders[0], decoders[0]


def wire(encoder: OnnxGraph, decoder: OnnxGraph) -> Wiring:
    """Find out what feeds what.

    Raises:
        ModelError: an input or output that such a network has to have is missing, or one is there that nothing feeds.
    """
    inputs = {port.name: port for port in decoder.inputs}
    picture = encoder.picture_input()
    coords, labels = (_one_of(names, inputs, decoder, "input") for names in (COORDS, LABELS))
    if len(coords.shape) not in (3, 4) or len(labels.shape) != len(coords.shape) - 1:
        raise ModelError(f"{decoder.path} takes {coords} and {labels}: (1, n, 2) and (1, n) are expected")
    mask = inputs.get(MASK)
    if mask is not None and (len(mask.shape) != 4 or mask.shape[-1] != mask.shape[-2]):
        raise ModelError(f"{decoder.path} takes {mask}: a square mask (1, 1, n, n) is expected")
    if mask is not None and HAS_MASK not in inputs:
        raise ModelError(f"{decoder.path} takes {MASK} without {HAS_MASK}: it could not be asked without a mask")
    features = _match([p for p in decoder.inputs if p.name not in _PROMPTS], encoder, decoder)
    outputs = {port.name: port for port in decoder.outputs}
    given = {port.name: port for port in encoder.outputs}
    return Wiring(
        picture,
        features,
        all(inputs[taken].kind == given[name].kind for taken, name in features.items()),
        coords,
        labels,
        mask,
        inputs.get(HAS_MASK),
        inputs.get(SIZE),
        inputs.get(ATTENTION),
        _one_of(_MASKS, outputs, decoder, "output").name,
        _one_of(_SCORES, outputs, decoder, "output").name,
    )


def _one_of(names: tuple[str, ...], ports: dict[str, Port], graph: OnnxGraph, what: str) -> Port:
    for name in names:
        if name in ports:
            return ports[name]
    has = ", ".join(str(port) for port in ports.values())
    raise ModelError(f"{graph.path} has no {what} {' or '.join(names)}; its {what}s are {has}")


def _match(wanted: list[Port], encoder: OnnxGraph, decoder: OnnxGraph) -> dict[str, str]:
    """For each input of the decoder the encoder's output: of the same name, else the only one of the same shape."""
    free = {port.name: port for port in encoder.outputs if port.kind in ELEMENT}
    found = {port.name: port.name for port in wanted if port.name in free}
    for port in wanted:
        if port.name in found:
            continue
        taken = set(found.values())
        same = [p.name for p in free.values() if p.name not in taken and p.shape and p.shape == port.shape]
        if len(same) != 1 or None in port.shape:
            given = ", ".join(str(p) for p in encoder.outputs)
            raise ModelError(f"{decoder.path} takes {port}, and {encoder.path} gives {given}: nothing feeds it")
        found[port.name] = same[0]
    if not found:
        raise ModelError(f"{decoder.path} takes nothing that {encoder.path} gives")
    return found
