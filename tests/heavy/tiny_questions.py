"""What a prompted network makes of tiles whose objects are known exactly, question by question; nothing is matted."""

from dataclasses import replace

import cv2
import numpy as np

from models.training.sam_tiny.asked import as_logits
from segtile.backends.promptable import Prompt

LEAST = 400  # px; smaller objects are not asked about
LEAST_HOLE = 200  # px


def tiles_of(picture, alpha, side):
    """Tiles beside each other, (rgb float32, objects bool (k, side, side)), that hold an object each.

    Parts less than 5 px apart are one object.
    """
    found = []
    for y in range(0, picture.shape[0] - side + 1, side):
        for x in range(0, picture.shape[1] - side + 1, side):
            part = alpha[y : y + side, x : x + side] >= 0.5
            near = cv2.dilate(part.astype(np.uint8), np.ones((5, 5), np.uint8))
            count, labels = cv2.connectedComponents(near, connectivity=8)
            objects = [part & (labels == i) for i in range(1, count)]
            objects = [mask for mask in objects if np.count_nonzero(mask) >= LEAST]
            if objects:
                found.append((picture[y : y + side, x : x + side].astype(np.float32) / 255, np.array(objects)))
    return found


def points(network, tiles):
    """A point on one of several objects and nothing else: [IoU with it, most with another] for each."""
    return _chosen(network, tiles, lambda mask: _at([_deepest(mask)], [True]))


def boxes(network, tiles):
    """A box around one of several objects and nothing else: the same."""
    return _chosen(network, tiles, lambda mask: Prompt(box=_box(mask)))


def told_wrong(network, tiles):
    """A point on the object and one on the background beside it, no mask: IoU [told right, labels swapped, x and y]."""
    rows = []
    for rgb, objects in tiles:
        embedding = network.embed(rgb)
        for mask in objects:
            away = cv2.distanceTransform((~objects.any(axis=0)).astype(np.uint8), cv2.DIST_L2, 5)
            beside = cv2.dilate(mask.astype(np.uint8), np.ones((65, 65), np.uint8)) > 0
            off = _first(np.where(beside, np.minimum(away, 24), 0))
            right = _at([_deepest(mask), off], [True, False])
            swapped = replace(right, inside=~right.inside)
            mirrored = replace(right, points=np.ascontiguousarray(right.points[:, ::-1]))
            rows.append([iou(found, mask) for found in _masks(network, embedding, [right, swapped, mirrored])])
    return np.array(rows)


def holes(network, tiles):
    """A mask with a hole filled, a point on the object: share of the hole opened [so, with a point in it too]."""
    rows = []
    for rgb, objects in tiles:
        embedding = network.embed(rgb)
        for mask in objects:
            filled = _filled(mask)
            count, labels, stats, _ = cv2.connectedComponentsWithStats(
                (filled & ~mask).astype(np.uint8), connectivity=4
            )
            told = as_logits(embedding.square.from_picture(filled.astype(np.float32), network.mask_side, 0.0))
            for i in range(1, count):
                if stats[i, cv2.CC_STAT_AREA] < LEAST_HOLE:
                    continue
                hole = labels == i
                plain = replace(_at([_deepest(mask)], [True]), mask=told)
                pointed = replace(_at([_deepest(mask), _deepest(hole)], [True, False]), mask=told)
                rows.append(
                    [(hole & ~found).sum() / hole.sum() for found in _masks(network, embedding, [plain, pointed])]
                )
    return np.array(rows)


def iou(a, b):
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def _chosen(network, tiles, prompt):
    rows = []
    for rgb, objects in tiles:
        if len(objects) > 1:
            masks = _masks(network, network.embed(rgb), [prompt(mask) for mask in objects])
            for i, found in enumerate(masks):
                each = [iou(found, mask) for mask in objects]
                rows.append([each[i], max(each[:i] + each[i + 1 :])])
    return np.array(rows)


def _masks(network, embedding, prompts):
    """Of each answer the mask that the network itself scores best."""
    answers = network.answer(embedding, prompts)
    return [embedding.square.to_picture(one.logits[int(one.scores.argmax())]) > 0 for one in answers]


def _at(where, inside):
    return Prompt(np.array(where, np.float32), np.array(inside))


def _deepest(mask):
    return _first(cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1])


def _first(values):
    row, column = divmod(int(values.argmax()), values.shape[1])
    return column, row


def _box(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _filled(mask):
    _, labels = cv2.connectedComponents((~np.pad(mask, 1)).astype(np.uint8), connectivity=4)
    return mask | ((labels > 0) & (labels != labels[0, 0]))[1:-1, 1:-1]
