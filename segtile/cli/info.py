"""`segtile info`: versions, providers, folders, what is missing and how to install it."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from typing import Any

from segtile import __version__
from segtile.cli import options as o
from segtile.cli.run import print_line

#: Distribution -> the extra that brings it; None: it comes with segtile itself.
_PARTS: dict[str, str | None] = {
    "numpy": None,
    "scipy": None,
    "opencv-python": None,
    "pyvips": None,
    "pyvips-binary": None,
    "pymatting": None,
    "pillow": None,
    "pycocotools": None,
    "onnxruntime": "cpu",
    "onnxruntime-gpu": "gpu",
    "torch": "torch",
    "segment-anything": "torch",
    "ultralytics": "torch",
    "ray": "ray",
    "nicegui": "review",
    "ultrafast-pycocotools": "fastcoco",
}


def info(as_json: o.Json = False) -> None:
    """Versions, providers, folders, and what is missing with how to install it."""
    found = gather()
    if as_json:
        print_line(json.dumps(found, ensure_ascii=False))
        return
    print_line(f"segtile {found['segtile']}, Python {found['python']}, {found['platform']}")
    for name, version in found["installed"].items():
        print_line(f"  {name} {version}")
    print_line(f"providers: {', '.join(found['providers']) or 'none (no onnxruntime)'}")
    print_line(f"cards: {found['folders']['cards']}")
    print_line(f"weights: {found['folders']['weights']}")
    print_line(f"licences and hashes: {found['folders']['data']}")
    print_line(f"models: {', '.join(found['models']) or 'none'} ('segtile models list' shows all {found['catalogue']})")
    for name, how in found["missing"].items():
        print_line(f"missing: {name} - {how}")


def gather() -> dict[str, Any]:
    """All of it as plain values."""
    from segtile.backends.onnx import available_providers
    from segtile.catalog import cards_folder, data_folder, installed, list_cards, weights_folder

    there: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name, extra in _PARTS.items():
        try:
            there[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing[name] = f"pip install segtile[{extra}]" if extra else "reinstall segtile"
    if "onnxruntime" in there or "onnxruntime-gpu" in there:  # the two exclude each other
        missing.pop("onnxruntime", None)
        missing.pop("onnxruntime-gpu", None)
    cards = list_cards()
    return {
        "segtile": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "installed": there,
        "missing": missing,
        "providers": available_providers(),
        "folders": {"cards": str(cards_folder()), "weights": str(weights_folder()), "data": str(data_folder())},
        "models": [card.id for card in cards if installed(card)],
        "catalogue": len(cards),
    }
