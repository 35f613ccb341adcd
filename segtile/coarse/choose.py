"""Which coarse pass looks at a picture, and why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from segtile.backends.onnx import available_providers
from segtile.catalog import ModelCard, find_weights, graph_path, installed, list_cards, load_card
from segtile.coarse.band import doubt_slits
from segtile.coarse.net import net_pass
from segtile.coarse.network import network_pass
from segtile.coarse.rembg import rembg_pass
from segtile.coarse.studio import PLAIN_ENOUGH, studio_pass
from segtile.coarse.together import AGREE, agreement, together
from segtile.errors import BadInput
from segtile.types import Box, CoarseMap, FloatArray, Raster

#: The catalogue's role whose models can look at a whole picture without being told what to look for.
_ROLE = "coarse"

#: Pixels of a picture per cell of our network's map beyond which it can tell what is an object, but not where thin
#: parts end: a studio map that it agrees with stays as it is.
COARSEST = 4.0

#: The catalogue's name of our own coarse network, and the family of all that see solar channels as it does.
OWN, FAMILY = "net-coarse", "segtile"


def look(preview: FloatArray, frame: Box, name: str = "auto", device: str = "auto") -> CoarseMap:
    """Look at a whole picture: where are the things, and where may their edges lie.

    Args:
        preview: (h, w, 3) float32 sRGB-encoded in [0, 1], the whole picture scaled down; at most some 2048 px a side.
        frame: the box of the picture that the preview shows, in its own pixels.
        name: "studio" (models a plain background, needs no weights), "net" (our own network) or the path of another
            such one (.onnx), a catalogue name ("u2netp"), or "auto": our network and studio together where the
            background is plain (`segtile.coarse.together`; where they do not agree the network, said in the notes; over
            4096 px studio alone where they do),
            else the best network that is installed, said in the notes; without onnxruntime studio alone.
        device: for networks: "auto", "cpu", "cuda" or "cuda:N".

    Returns:
        The map. Where nothing was found `prob` and `labels` are 0 throughout; where no background was found `prob` is 1
        and the band empty. `notes` say what was chosen and what it could not do.

    Raises:
        BadInput: the preview is not such an array, or there is no pass of this name.
        BackendMissing: a network was asked for by name and onnxruntime is not installed.
        ModelError: a network was asked for by name and its weights are missing or wrong.
    """
    if preview.ndim != 3 or preview.shape[2] != 3 or preview.dtype != np.float32 or 0 in preview.shape:
        raise BadInput(f"a preview is (h, w, 3) float32, this is {preview.shape} {preview.dtype}")
    if name == "studio":
        found = studio_pass(preview, frame)[0]
    elif name == "auto":
        found = _choose(preview, frame, device)
    elif name == "net" or name.endswith(".onnx"):
        found = net_pass(preview, frame, graph_path(name, OWN), name if name == "net" else Path(name).stem, device)
    else:
        found = _by_card(preview, frame, _card(name), device)
    h, w = found.prob.shape
    seen = preview if preview.shape[:2] == (h, w) else cv2.resize(preview, (w, h), interpolation=cv2.INTER_AREA)
    return replace(found, unsure=doubt_slits(seen, found.prob, found.unsure))


def is_ours(name: str) -> bool:
    """Whether a pass of this name gives maps of the kinds that our refinement network has learnt to correct."""
    return name in ("auto", "studio", "net", OWN) or name.endswith(".onnx")


def look_as_rembg(raster: Raster, size: tuple[int, int], name: str, device: str = "auto") -> CoarseMap:
    """Look at a whole picture with a network exactly as rembg does; see `rembg_pass`.

    Args:
        raster: the picture.
        size: (width, height) of the map.
        name: a network of the catalogue.
        device: as of `look`.

    Raises:
        BadInput: the name is no network's, or rembg does not run it.
        BackendMissing: onnxruntime is not installed.
        ModelError: the weights are missing or wrong.
    """
    if name in ("auto", "studio"):
        raise BadInput(f"rembg has no pass named '{name}': --as-rembg needs --coarse with the name of a network")
    return rembg_pass(raster, size, _card(name), device)


def _choose(preview: FloatArray, frame: Box, device: str) -> CoarseMap:
    cards = _installed() if available_providers() else []
    own = next((card for card in cards if card.id == OWN), None)
    with ThreadPoolExecutor(1) as pool:
        # The best network is heard whatever the background is like, so it looks while the studio pass does.
        studio = pool.submit(studio_pass, preview, frame)
        first = _by_card(preview, frame, own, device) if own is not None and own is cards[0] else None
    found, plain = studio.result()
    share = f"only {100 * plain:.0f} % of the picture's margin looks like one smooth surface"
    if plain >= PLAIN_ENOUGH:
        if own is not None:
            return _both(preview, first or _by_card(preview, frame, own, device), found)
        note = f"The network {OWN} cannot be run here (pip install segtile[cpu]): the studio pass looked alone."
        return replace(found, notes=(*found.notes, note))
    if not cards:
        note = (
            f"The background is not plain ({share}) and no network can be run here (pip install segtile[cpu]), so the "
            "studio pass was used all the same: check the result."
        )
        return replace(found, notes=_without_plain_note(found.notes, note))
    note = f"The background is not plain ({share}), so the network {cards[0].id} was used instead of the studio pass."
    chosen = first or _by_card(preview, frame, cards[0], device)
    return replace(chosen, notes=(note, *chosen.notes))


def _both(preview: FloatArray, seen: CoarseMap, studio: CoarseMap) -> CoarseMap:
    """What our network and the studio pass see together, or one of them where the other is no help."""
    if not seen.labels.any():
        return studio
    if not studio.labels.any():
        note = f"The studio pass found nothing on this background, the network {OWN} did: check the result."
        return replace(seen, notes=(note, *seen.notes))
    common = agreement(seen, studio)
    if common >= AGREE and seen.scale > COARSEST:
        return studio
    if common >= AGREE:
        return replace(together(seen, studio, preview), notes=_unique((*studio.notes, *seen.notes)))
    note = (
        f"The network {OWN} and the studio pass agree on {100 * common:.0f} % of what either found; the network's "
        "answer was taken: check the result, or try --coarse studio."
    )
    return replace(seen, notes=(note, *seen.notes))


def _unique(notes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))


def _by_card(preview: FloatArray, frame: Box, card: ModelCard, device: str) -> CoarseMap:
    if card.family == FAMILY:
        return net_pass(preview, frame, find_weights(card)[0], card.id, device)
    return network_pass(preview, frame, card, device)


def _installed() -> list[ModelCard]:
    """The networks that may be taken without being named, the best first."""
    cards = [card for card in list_cards() if card.role == _ROLE and card.auto and installed(card)]
    return sorted(cards, key=lambda card: -card.auto)


def _without_plain_note(notes: tuple[str, ...], note: str) -> tuple[str, ...]:
    return (note, *(n for n in notes if not n.startswith("The background is not plain")))


def _card(name: str) -> ModelCard:
    known = [card.id for card in list_cards() if card.role == _ROLE]
    if name not in known:
        raise BadInput(f"there is no coarse pass named '{name}'; use auto, studio, net or one of: {', '.join(known)}")
    return load_card(name)
