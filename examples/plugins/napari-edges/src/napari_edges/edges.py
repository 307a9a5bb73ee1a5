"""How steep an image is, and squares to try it on. Nothing here is of Opsin."""

from typing import Annotated, Literal

import numpy as np
from napari.types import ImageData, LayerDataTuple
from scipy import ndimage


def edges(
    image: ImageData,
    sigma: Annotated[float, {"min": 0, "max": 20, "step": 0.5}] = 1.0,
    kind: Literal["strength", "zero crossings"] = "strength",
) -> ImageData:
    """Find edges at a scale.

    Parameters
    ----------
    image
        Any image.
    sigma
        Standard deviation of the Gaussian that smooths it, in pixels.
    kind
        The magnitude of the gradient, or where the Laplacian changes its sign.
    """
    pixels = image.astype(np.float32)
    if kind == "strength":
        return ndimage.gaussian_gradient_magnitude(pixels, sigma)
    curved = ndimage.gaussian_laplace(pixels, sigma) > 0
    return (curved != ndimage.binary_erosion(curved)).astype(np.float32)


def squares() -> list[LayerDataTuple]:
    """Squares of growing size and brightness."""
    image = np.zeros((256, 256), np.float32)
    for number in range(1, 6):
        start, side = number * 40, number * 6
        image[start : start + side, start : start + side] = number
    return [(image, {"name": "Squares"}, "image")]
