"""pymatting's closed-form matting from a trimap that is made of the answer: an oracle, and labelled as one.

The unknown band is every pixel within `--radius` px of one that is neither 0 nor 1 in the true alpha, or of the step
between them. What it is given no program can know of a new photograph; it shows what a solver makes of a perfect band.
The answer is the job's `truth`, or STEM_alpha.png beside the photo.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from protocol import Refused, serve


def load() -> None:
    """Import pymatting, which compiles its kernels at the first use, on a picture that does not count."""
    import numpy as np
    from pymatting import estimate_alpha_cf

    trimap = np.full((16, 16), 0.5)
    trimap[:4], trimap[-4:] = 0.0, 1.0
    estimate_alpha_cf(np.random.default_rng(0).random((16, 16, 3)), trimap)


def work(job: dict[str, Any], radius: int, most_megapixels: float) -> None:
    """Matte one picture at its full size."""
    import numpy as np
    from pictures import read_rgb, write_alpha
    from pymatting import estimate_alpha_cf

    path = Path(job["photo"])
    truth = Path(job["truth"]) if "truth" in job else path.with_name(f"{path.stem}_alpha.png")
    if not truth.is_file():
        raise Refused(f"it makes its trimap of the answer, and there is no {truth.name} beside the photo")
    photo = read_rgb(path)
    megapixels = photo.shape[0] * photo.shape[1] / 1e6
    if megapixels > most_megapixels:
        raise Refused(f"{megapixels:.1f} MP is over the {most_megapixels:g} MP that closed-form matting is given here")
    trimap = _trimap(truth, radius)
    if trimap.shape != photo.shape[:2]:
        raise Refused("the truth is not of the picture's size")
    if not ((trimap == 0).any() and (trimap == 1).any()):
        raise Refused(f"a band of {radius} px leaves no sure object or no sure background")
    alpha = estimate_alpha_cf(photo / 255.0, trimap)
    write_alpha(np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8), Path(job["output"]))


def _trimap(truth: Path, radius: int) -> Any:
    """0, 0.5, and 1 as (h, w) float64."""
    import numpy as np
    from PIL import Image
    from scipy.ndimage import distance_transform_edt

    with Image.open(truth) as picture:
        deep = picture.mode.startswith("I")
        levels = np.asarray(picture if deep else picture.convert("L")).astype(np.float64) / (65535 if deep else 255)
    inside, outside = levels >= 1, levels <= 0
    trimap = np.full(levels.shape, 0.5)
    trimap[distance_transform_edt(inside) > radius] = 1.0
    trimap[distance_transform_edt(outside) > radius] = 0.0
    return trimap


def main() -> None:
    """Read the arguments and answer jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--radius", type=int, default=10, help="px on both sides of the true edge that are unknown")
    parser.add_argument("--megapixels", type=float, default=16.0, help="largest picture that is tried")
    options = parser.parse_args()
    serve(load, lambda job: work(job, options.radius, options.megapixels))


if __name__ == "__main__":
    main()
