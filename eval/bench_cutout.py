"""Seconds per stage, peak memory and tiles of the main job at 2000, 6000 and 12000 px.

    python -m eval.bench_cutout [--sizes 2000 6000 12000] [--repeats 3]

Every run is a process of its own, so that its peak memory is its own. The last column is the whole run's time against
the limit that no cut-out can beat: decoding the same JPEG and writing it again as the same kind of PNG.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from eval.canvas import median, place

SAMPLES = Path(__file__).resolve().parents[1] / "data_samples"
STAGES = ("coarse", "plan", "refine", "write", "total")

_LIMIT = (
    "import pyvips, sys; pyvips.Image.new_from_file(sys.argv[1], access='sequential')"
    ".bandjoin(255).pngsave(sys.argv[2], compression={level}, filter='sub')"
)


def main() -> None:
    """Make the pictures, run the program, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 6000, 12000], help="canvas sides in px")
    parser.add_argument("--repeats", type=int, default=3, help="runs per size; medians are printed")
    parser.add_argument("--sample", default=None, help="stem in data_samples; default: the largest")
    parser.add_argument("--threads", type=int, default=0, help="as --threads of the program")
    options = parser.parse_args()
    photo, alpha = find_sample(options.sample)
    print(f"{photo.name} placed on a sweep; medians of {options.repeats} runs")
    head = ["px", *(f"{s} s" for s in STAGES), "peak MB", "tiles", "uniform", "refined %", "x decode+write"]
    print("| " + " | ".join(head) + " |\n|" + "---:|" * len(head))
    with tempfile.TemporaryDirectory() as folder:
        for side in options.sizes:
            print(measure(photo, alpha, side, Path(folder), options.repeats, options.threads), flush=True)


def find_sample(stem: str | None) -> tuple[Path, Path]:
    """A sample and its alpha; the one with the most pixels where no stem is given."""
    rows = json.loads((SAMPLES / "samples.json").read_text())
    rows = rows["samples"] if isinstance(rows, dict) else rows
    rows = [r for r in rows if stem is None or Path(r["file"]).stem == stem]
    if not rows:
        sys.exit(f"no sample {stem!r} in {SAMPLES.name}")
    row = max(rows, key=lambda r: r["width"] * r["height"])
    return SAMPLES / row["file"], SAMPLES / row["alpha"]


def measure(photo: Path, alpha: Path, side: int, folder: Path, repeats: int, threads: int) -> str:
    """One row of the table."""
    canvas = place(photo, alpha, side, folder / f"{side}.jpg")
    runs: list[dict[str, Any]] = []
    limits: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", _LIMIT.format(level=1), canvas, folder / "limit.png"], check=True)
        limits.append(time.perf_counter() - start)
        command: list[str | Path] = [sys.executable, "-m", "segtile", "cutout", canvas, "-o", folder / "out"]
        command += ["--json", "-q", "--overwrite", "--threads", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        runs.append(json.loads(done.stdout))
    row = [str(side)]
    row += [f"{median([r['seconds'][stage] for r in runs]):.1f}" for stage in STAGES]
    row += [f"{median([r['peak_rss_mb'] for r in runs]):.0f}"]
    row += [str(runs[0]["tiles"]["planned"]), str(runs[0]["tiles"]["uniform"])]
    row += [f"{100 * runs[0]['share_refined']:.2f}"]
    row += [f"{median([r['seconds']['total'] for r in runs]) / median(limits):.1f}"]
    canvas.unlink()
    return "| " + " | ".join(row) + " |"


if __name__ == "__main__":
    main()
