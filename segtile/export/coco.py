"""Detections as COCO JSON: masks always as compressed run lengths, so that holes stay holes; never a crowd."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from segtile.detected import Instance
from segtile.errors import BadInput
from segtile.export.found import Found, file_name, json_text, write_texts
from segtile.masks.rle import encode

_ABOUT = {"info": {"description": "Detections by segtile"}, "licenses": []}


def coco_dataset(found: Found, image_id: int = 1) -> dict[str, Any]:
    """One picture's detections as a whole COCO dataset, scores included.

    An annotation's id is its instance's; a class's id is its index + 1, since some readers take 0 for no class. `bbox`
    is [x, y, width, height] in float px, `area` the mask's px (without a mask the box's), `iscrowd` 0. Instances
    without a mask have an empty `segmentation`, for readers that insist on the key.

    Raises:
        BadInput: the frame is too large for run lengths.
    """
    return {
        **_ABOUT,
        "images": [_image(found, image_id)],
        "annotations": [_annotation(i, int(i.id), image_id) for i in found.instances],
        "categories": _categories(found.names),
    }


def coco_results(
    found: Found,
    image_id: int,
    *,
    category_ids: Sequence[int] | None = None,
    kind: Literal["segm", "bbox"] | None = None,
) -> list[dict[str, Any]]:
    """One picture's detections as the list that pycocotools' `loadRes` and COCO's servers take.

    Args:
        found: the detections.
        image_id: the picture's id in the dataset they are compared with.
        category_ids: that dataset's id of each class, in the order of `found.names`; default index + 1.
        kind: "segm" leaves the boxes out, because `loadRes` would take their areas for the masks', which moves
            instances between COCO's size ranges; "bbox" leaves the masks out; by default masks where all have one.

    Raises:
        BadInput: masks are asked for and an instance has none, or `category_ids` are not one for each class.
    """
    if category_ids is not None and len(category_ids) != len(found.names):
        raise BadInput(f"there are {len(found.names)} classes and {len(category_ids)} category ids: one each is needed")
    masked = [i.mask is not None for i in found.instances]
    kind = kind or ("segm" if masked and all(masked) else "bbox")
    if kind == "segm" and not all(masked):
        raise BadInput(f"{masked.count(False)} of {len(masked)} instances have no mask; ask for kind='bbox'")
    results = []
    for i in found.instances:
        category = int(i.label) + 1 if category_ids is None else category_ids[i.label]
        row: dict[str, Any] = {"image_id": image_id, "category_id": category, "score": float(i.score)}
        if kind == "segm" and i.mask is not None:
            row["segmentation"] = encode(i.mask)
        else:
            row["bbox"] = _bbox(i)
        results.append(row)
    return results


def write_coco(
    pictures: Iterable[Found], names: Sequence[str], path: Path, *, first_image_id: int = 1, overwrite: bool = False
) -> int:
    """Write one COCO dataset of many pictures, instance by instance; the number of annotations comes back.

    Images are numbered from `first_image_id` and annotations from 1, both in the order given, so the same detections
    give the same file.

    Raises:
        BadInput: a picture's classes are not `names`, or a number is not finite.
        WouldOverwrite: the file exists and `overwrite` is False.
        WriteError: it cannot be written there or the disk is full.
    """
    written = 0

    def texts() -> Iterator[str]:
        nonlocal written
        images: list[dict[str, Any]] = []
        yield json_text(_ABOUT, "the header")[:-1] + ', "annotations": ['
        for image_id, found in enumerate(pictures, start=first_image_id):
            if tuple(found.names) != tuple(names):
                raise BadInput(f"{file_name(found.info) or f'image {image_id}'} was searched for other classes")
            images.append(_image(found, image_id))
            for instance in found.instances:
                row = _annotation(instance, written + 1, image_id)
                yield (",\n" if written else "\n") + json_text(row, f"instance {instance.id} of image {image_id}")
                written += 1
        yield '\n], "images": ' + json.dumps(images, ensure_ascii=False)
        yield ', "categories": ' + json.dumps(_categories(names), ensure_ascii=False) + "}\n"

    write_texts(path, texts(), overwrite=overwrite)
    return written


def _image(found: Found, image_id: int) -> dict[str, Any]:
    info = found.info
    return {"id": image_id, "file_name": file_name(info), "width": info.width, "height": info.height}


def _categories(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"id": index + 1, "name": name, "supercategory": ""} for index, name in enumerate(names)]


def _annotation(instance: Instance, id_: int, image_id: int) -> dict[str, Any]:
    box = _bbox(instance)
    return {
        "id": id_,
        "image_id": image_id,
        "category_id": int(instance.label) + 1,
        "bbox": box,
        "area": box[2] * box[3] if instance.mask is None else instance.mask.area,
        "segmentation": [] if instance.mask is None else encode(instance.mask),
        "iscrowd": 0,
        "score": float(instance.score),
    }


def _bbox(instance: Instance) -> list[float]:
    x0, y0, x1, y1 = (float(v) for v in instance.box)
    return [x0, y0, x1 - x0, y1 - y0]
