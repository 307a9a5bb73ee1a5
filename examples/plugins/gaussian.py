# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy>=2", "scipy>=1.15"]
#
# [tool.opsin]
# name = "Gaussian"
# version = "1.0"
# ///
"""Smooths images; a small plugin that shows every kind of parameter."""

from enum import Enum
from typing import Annotated, Literal

import numpy as np
from scipy import ndimage

from opsin.types import Field, Image, Metadata


class Edge(Enum):
    """What lies beyond the edge of the image."""

    MIRROR = "mirror"
    NEAREST = "nearest"
    NOTHING = "constant"


def smooth(
    image: Image,
    sigma: Annotated[float, Field(minimum=0, maximum=50, step=0.5, unit="px")] = 2.0,
    edge: Edge = Edge.NEAREST,
    result: Literal["smooth", "detail"] = "smooth",
    keep_type: bool = False,
) -> Image:
    """Smooth an image with a Gaussian.

    Args:
        image: any image.
        sigma: standard deviation of the Gaussian.
        edge: what lies beyond the edge of the image.
        result: the smooth image, or what was lost in it: the image minus the smooth image.
        keep_type: round to the type of the image instead of giving 32-bit floats.
    """
    pixels = image.astype(np.float32)
    blurred = ndimage.gaussian_filter(pixels, sigma, mode=edge.value)
    made = blurred if result == "smooth" else pixels - blurred
    if keep_type and np.issubdtype(image.dtype, np.integer):
        limits = np.iinfo(image.dtype)
        made = np.clip(np.rint(made), limits.min, limits.max)
    return made.astype(image.dtype if keep_type else np.float32)


def smooth_in_world(
    image: Image, metadata: Metadata, width: Annotated[float, Field(exclusive_minimum=0)] = 1.0
) -> Image:
    """Smooth an image over a width in world units, such as micrometres, along every axis.

    Args:
        image: any image.
        metadata: how large its pixels are.
        width: standard deviation of the Gaussian.
    """
    sigma = [width / scale for scale in metadata.scale]
    return ndimage.gaussian_filter(image.astype(np.float32), sigma)
