# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "scipy"]
#
# [tool.opsin]
# name = "My plugin"
# version = "0.1"
# ///
"""Finds spots. Each function here is an operation: change it, and add others."""

from typing import Annotated

import numpy as np
from scipy import ndimage

from opsin.types import Field, Image, Points


def spots(
    image: Image,
    radius: Annotated[float, Field(minimum=0.5, maximum=50, step=0.5, unit="px")] = 3,
    threshold: Annotated[float, Field(minimum=0, maximum=1, step=0.05)] = 0.3,
) -> Points:
    """Find the places that are the brightest around.

    Args:
        image: bright spots on a dark ground.
        radius: of a spot, about.
        threshold: how bright, between the darkest (0) and the brightest (1) place.
    """
    smooth = ndimage.gaussian_filter(image.astype(np.float32), radius / 2)
    low, high = float(smooth.min()), float(smooth.max())
    highest = ndimage.maximum_filter(smooth, size=2 * int(radius) + 1) == smooth
    return np.argwhere(highest & (smooth > low + threshold * (high - low))).astype(float)
