"""Sprites that need no renderer: discs, rings and bars as sheets, for tests of what is composed of them."""

from pathlib import Path

import numpy as np

KINDS = ("disc", "hoop", "bar")


def layers(kind: str, side: int = 96) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour (side, side, 3), alpha and shadow (side, side), uint8; the shape spans 64 px in the middle."""
    y, x = np.mgrid[0:side, 0:side] + 0.5 - side / 2
    r = np.hypot(x, y)
    inside = {"disc": r < 32, "hoop": (r < 32) & (r > 24), "bar": (abs(x) < 32) & (abs(y) < 6)}[kind]
    alpha = inside.astype(np.uint8) * 255
    tone = {"disc": (40, 60, 160), "hoop": (200, 160, 60), "bar": (60, 60, 60)}[kind]
    colour = np.broadcast_to(np.array(tone, np.uint8), (side, side, 3)).copy()
    return colour, alpha, np.clip(160 + 3 * np.maximum(r - 20, 0), 0, 255).astype(np.uint8)


def write_sheets(folder: Path, count: int) -> None:
    """Sheets as models.training.sprites writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for sheet in range(count):
        arrays: dict[str, np.ndarray] = {"names": np.array(KINDS)}
        for i, kind in enumerate(KINDS):
            colour, alpha, shadow = layers(kind)
            arrays |= {f"rgb{i}": colour, f"alpha{i}": alpha, f"shadow{i}": shadow}
        np.savez_compressed(folder / f"sheet-1-{sheet:03d}.npz", **arrays)
