"""rembg as `rembg i -m MODEL [-a] PHOTO CUTOUT` runs it: bytes of a picture in, bytes of a cut-out PNG back.

The weights are put where rembg looks for them, so that nothing is downloaded. rembg takes a file that lies there as it
is; `isnet-general-use` runs the 16-bit export of IS-Net, whose input and output are the same floats.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from protocol import Finish, Refused, serve

FILES = {"u2netp": "u2netp.onnx", "isnet-general-use": "isnet_fp16.onnx"}


class Rembg:
    """One model, with or without alpha matting."""

    def __init__(self, model: str, weights: Path, matting: bool, most_megapixels: float) -> None:
        self.model, self.weights, self.matting, self.most = model, weights, matting, most_megapixels
        self.home = tempfile.TemporaryDirectory(prefix="rembg-home-")

    def load(self) -> None:
        """Put the weights into a home of rembg's and open a session."""
        source = self.weights / FILES[self.model]
        if not source.is_file():
            raise Refused(f"{source.name} is not in {source.parent} (set SEGTILE_SHARED)")
        folder = Path(self.home.name) / "models" / self.model
        folder.mkdir(parents=True)
        try:
            (folder / f"{self.model}.onnx").symlink_to(source.resolve())
        except OSError:
            shutil.copyfile(source, folder / f"{self.model}.onnx")
        os.environ["U2NET_HOME"] = self.home.name
        from rembg import new_session

        self.session = new_session(self.model)

    def work(self, job: dict[str, Any]) -> Finish:
        """Cut out; the alpha channel is taken out of the PNG after the clock."""
        from PIL import Image
        from rembg import remove

        Image.MAX_IMAGE_PIXELS = None
        data = _readable(Path(job["photo"]))
        with Image.open(io.BytesIO(data)) as head:
            megapixels = head.width * head.height / 1e6
        if self.matting and megapixels > self.most:
            raise Refused(f"{megapixels:.1f} MP is over the {self.most:g} MP that closed-form matting is given here")
        cutout = remove(data, session=self.session, alpha_matting=self.matting)

        def finish() -> None:
            with Image.open(io.BytesIO(cutout)) as picture:
                picture.getchannel("A").save(job["output"], format="PNG", compress_level=1)

        return finish


def _readable(path: Path) -> bytes:
    """The file as it is, or as an 8-bit PNG where it is a TIFF: Pillow, thus rembg, reads no 16-bit RGB."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return path.read_bytes()
    from pictures import read_rgb
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(read_rgb(path)).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def main() -> None:
    """Read the arguments and answer jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(FILES), required=True)
    parser.add_argument("--weights", type=Path, required=True, help="folder of u2netp.onnx and isnet_fp16.onnx")
    parser.add_argument("--matting", action="store_true", help="alpha matting with rembg's defaults")
    parser.add_argument("--megapixels", type=float, default=16.0, help="largest picture that is given to the matting")
    options = parser.parse_args()
    peer = Rembg(options.model, options.weights, options.matting, options.megapixels)
    serve(peer.load, peer.work)


if __name__ == "__main__":
    main()
