"""Graphs with the exact names, shapes and types of the prompted families, that say something simple of what they see.

The encoders average 16 x 16 px and know one thing: how much redder a pixel is than it is green (normalised values).
The decoders' first mask is that, enlarged; the others are its negative and constants. So they find red objects whatever
they are asked, which is enough to see that pictures go in right and masks come out right.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from segtile.catalog import ModelCard, ModelFile, load_card, weights_folder

#: Family -> the card of the catalogue that such graphs are made for.
CARDS = {
    "sam": "sam-vit-b-int8",
    "mobile-sam": "mobile-sam",
    "sam-hq": "sam-hq-tiny",
    "sam2": "sam2.1-tiny",
    "efficient-sam": "efficient-sam-ti",
    "edge-sam": "edge-sam-3x",
    "zim": "zim-vit-b",
}
SCORES = np.array([[0.9, 0.5, 0.4, 0.3]], np.float32)


class Builder:
    """Collects nodes, inputs, outputs and constants of one graph."""

    def __init__(self, onnx):
        self._onnx, self._nodes, self._in, self._out, self._stored = onnx, [], [], [], []

    def take(self, name, shape, kind="FLOAT"):
        self._in.append(self._onnx.helper.make_tensor_value_info(name, getattr(self._onnx.TensorProto, kind), shape))
        return name

    def give(self, name, shape):
        self._out.append(self._onnx.helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, shape))

    def store(self, value, name):
        self._stored.append(self._onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind, inputs, output, **settings):
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [output], **settings))
        return output

    def bytes(self):
        graph = self._onnx.helper.make_graph(self._nodes, "prompted", self._in, self._out, self._stored)
        opsets = [self._onnx.helper.make_opsetid("", 17)]
        return self._onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def features(b, picture, name, pool, channels):
    """Redness, averaged over `pool` px, as the first of some channels."""
    weight = np.zeros((channels, 3, 1, 1), np.float32)
    weight[0, 0], weight[0, 1] = 1.0, -1.0
    small = b.node("AveragePool", [picture], f"{name}_small", kernel_shape=[pool] * 2, strides=[pool] * 2)
    return b.node("Conv", [small, b.store(weight, f"{name}_w")], name)


def make_encoder(onnx, family, side, names):
    b = Builder(onnx)
    cells = side // 16
    where = ["n", 3, "height", "width"] if family == "efficient-sam" else [1, 3, side, side]
    picture = b.take(names["picture"], where)
    if family == "efficient-sam":
        # brought to the network's square and normalised inside the graph, whatever comes
        sizes = b.store(np.array([1, 3, side, side], np.int64), "sizes")
        square = b.node("Resize", [picture, "", "", sizes], "square", mode="linear")
        picture = b.node("Div", [square, b.store(np.float32(0.226), "deviation")], "normal")
    features(b, picture, names["embedding"], 16, 256)
    b.give(names["embedding"], [1, 256, cells, cells])
    if family == "sam-hq":
        features(b, picture, "flat", 16, 160)
        b.node("Transpose", ["flat"], "last", perm=[0, 2, 3, 1])
        b.node("Unsqueeze", ["last", b.store(np.array([0], np.int64), "axis")], "interm_embeddings")
        b.give("interm_embeddings", [1, 1, cells, cells, 160])
    if family == "sam2":
        for name, pool, channels in ((names["fine"], 4, 32), (names["middle"], 8, 64)):
            features(b, picture, name, pool, channels)
            b.give(name, [1, channels, side // pool, side // pool])
    if family == "zim":
        for name, pool, channels in (("feat_D0", 8, 4), ("feat_D1", 4, 4), ("feat_D2", 2, 4)):
            features(b, picture, name, pool, channels)
            b.give(name, [1, channels, side // pool, side // pool])
    return b.bytes()


def _prompt_inputs(b, family, side, shift):
    """The inputs that say what is asked; all of them are summed up, so that none is left out of the graph."""
    cells = side // 16
    n, points = ("batch", "points") if family in ("zim", "sam2") else (1, "points")
    taken = []
    if family == "efficient-sam":
        taken.append(b.take("batched_point_coords", [1, "queries", 6, 2]))
        taken.append(b.take("batched_point_labels", [1, "queries", 6]))
    else:
        taken += [b.take("point_coords", [n, points, 2]), b.take("point_labels", [n, points])]
    if family in ("sam", "mobile-sam", "sam-hq", "sam2"):
        taken += [b.take("mask_input", [n, 1, side // 4, side // 4]), b.take("has_mask_input", [1])]
    if family == "zim":
        taken.append(b.take("attn_mask", ["batch", cells, cells]))
    if family in ("sam", "mobile-sam", "sam-hq"):
        taken.append(b.take("orig_im_size", [2]))
    if family == "efficient-sam" or shift:
        size = b.take("orig_im_size", [2], "INT64")
        taken.append(b.node("Cast", [size], "size_float", to=1))
    sums = [b.node("ReduceSum", [name], f"{name}_sum", keepdims=0) for name in taken]
    return b.node("Mul", [b.node("Sum", sums, "told"), b.store(np.float32(0), "nothing")], "zero")


def make_decoder(onnx, family, side, names):
    b = Builder(onnx)
    cells, low = side // 16, side // (2 if family == "zim" else 4)
    taken = {names["embedding_in"]: [1, 256, cells, cells]}
    if family == "sam-hq":
        taken["interm_embeddings"] = [1, 1, cells, cells, 160]
    if family == "sam2":
        taken |= {names["fine_in"]: [1, 32, side // 4, side // 4], names["middle_in"]: [1, 64, side // 8, side // 8]}
    if family == "zim":
        taken |= {f"feat_D{k}": [1, 4, side // pool, side // pool] for k, pool in enumerate((8, 4, 2))}
    for name, shape in taken.items():
        b.take(name, shape)
    zero = _prompt_inputs(b, family, side, names["shift"])
    base = b.node("Gather", [names["embedding_in"], b.store(np.array([0], np.int64), "first")], "redness", axis=1)
    sizes = b.store(np.array([1, 1, low, low], np.int64), "low")
    large = b.node("Resize", [base, "", "", sizes], "large", mode="linear")
    logits = b.node(
        "Sub",
        [b.node("Mul", [large, b.store(np.float32(8), "gain")], "gained"), b.store(np.float32(8), "bias")],
        "only",
    )
    masks = [logits, b.node("Neg", [logits], "negative")]
    for k, value in enumerate((-3.0, 3.0)):
        masks.append(
            b.node(
                "Add",
                [b.node("Mul", [logits, "nothing"], f"flat{k}"), b.store(np.float32(value), f"level{k}")],
                f"all{k}",
            )
        )
    count = 1 if family == "sam-hq" else 3 if family in ("sam2", "efficient-sam") else 4
    four = b.node("Concat", masks[:count], "stacked", axis=1)
    four = b.node("Add", [four, zero], "asked")
    # one answer for each prompt
    scores = b.node("Add", [b.store(SCORES[:, :count], "quality"), zero], "rated")
    repeat = _repeats(b, family)
    if repeat:
        four = b.node(
            "Expand",
            [four, b.node("Concat", [repeat, b.store(np.array([1, 1, 1], np.int64), "ones3")], "to4", axis=0)],
            "four_n",
        )
        scores = b.node(
            "Expand",
            [scores, b.node("Concat", [repeat, b.store(np.array([1], np.int64), "ones1")], "to2", axis=0)],
            "scores_n",
        )
    _outputs(b, family, four, scores, count, low, side)
    return b.bytes()


def _repeats(b, family):
    if family not in ("sam2", "zim", "efficient-sam"):
        return None
    source = "batched_point_labels" if family == "efficient-sam" else "point_labels"
    shape = b.node("Shape", [source], "label_shape")
    at = np.array([1 if family == "efficient-sam" else 0], np.int64)
    return b.node("Gather", [shape, b.store(at, "batch_axis")], "prompts", axis=0)


def _outputs(b, family, masks, scores, count, low, side):
    if family == "efficient-sam":
        lead = b.store(np.array([0], np.int64), "lead")
        b.node("Unsqueeze", [masks, lead], "output_masks")
        b.node("Unsqueeze", [scores, lead], "iou_predictions")
        b.node("Identity", [masks], "low_res_masks")
        b.give("output_masks", [1, "queries", count, "h", "w"])
        b.give("iou_predictions", [1, "queries", count])
        b.give("low_res_masks", ["queries", count, low, low])
        return
    score = "scores" if family == "edge-sam" else "iou_predictions"
    first = "batch" if family in ("sam2", "zim") else 1
    if family == "edge-sam":  # their order
        b.node("Identity", [scores], score)
        b.give(score, [first, count])
    if family in ("sam", "mobile-sam", "sam-hq"):
        sizes = b.store(np.array([1, count, side, side], np.int64), "full")
        b.node("Resize", [masks, "", "", sizes], "masks", mode="linear")
        b.give("masks", [1, count, "h", "w"])
    else:
        b.node("Identity", [masks], "masks")
        b.give("masks", [first, count, low, low])
    if family != "edge-sam":
        b.node("Identity", [scores], score)
        b.give(score, [first, count])
    if family in ("sam", "mobile-sam", "sam-hq"):
        b.node("Identity", [masks], "low_res_masks")
        b.give("low_res_masks", [1, count, low, low])


def names_of(family, **changes):
    names = {
        "picture": {"efficient-sam": "batched_images", "sam": "x"}.get(family, "image"),
        "embedding": "image_embed" if family == "sam2" else "image_embeddings",
        "fine": "high_res_feats_0",
        "middle": "high_res_feats_1",
        "shift": False,
    }
    names |= {f"{k}_in": names[k] for k in ("embedding", "fine", "middle")}
    return names | changes


def make_pair(onnx, folder, family, side=1024, **changes):
    """Write a family's two graphs: (card, [encoder, decoder]); the card is the catalogue's, but for files and size."""
    names = names_of(family, **changes)
    folder.mkdir(parents=True, exist_ok=True)
    paths, files = [], []
    for part, make in (("encoder", make_encoder), ("decoder", make_decoder)):
        content = make(onnx, family, side, names)
        path = folder / f"{family}-{part}.onnx"
        path.write_bytes(content)
        paths.append(path)
        files.append(ModelFile(name=path.name, part=part, sha256=hashlib.sha256(content).hexdigest()))
    card: ModelCard = dataclasses.replace(load_card(CARDS[family]), files=tuple(files), size=(side, side))
    return card, paths


def install(onnx, family, side):
    """Put a family's graphs where weights belong; returns their card."""
    return make_pair(onnx, weights_folder(), family, side)[0]
