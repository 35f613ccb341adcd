"""Written files as libvips reads them."""

import pyvips


def load(path):
    """(image, pixels (h, w, bands))."""
    image = pyvips.Image.new_from_file(str(path))
    pixels = image.numpy()
    return image, pixels if pixels.ndim == 3 else pixels[..., None]
