# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "scipy"]
#
# [tool.opsin]
# name = "My plugin"
# version = "0.1"
# ///
"""Finds bright objects. Each function here is an operation: change it, and add others."""

from typing import Annotated

import numpy as np
from scipy import ndimage

from opsin.types import Field, Image, Labels


def bright_objects(
    image: Image,
    threshold: Annotated[float, Field(minimum=0, maximum=1, step=0.05)] = 0.5,
    smallest: Annotated[int, Field(minimum=0, unit="px")] = 20,
) -> Labels:
    """Number the objects that are brighter than what is around them.

    Args:
        image: bright objects on a dark ground.
        threshold: how bright, between the darkest (0) and the brightest (1) of the image.
        smallest: pixels of an object; smaller ones are left out.
    """
    low, high = float(image.min()), float(image.max())
    found, count = ndimage.label(image > low + threshold * (high - low))
    sizes = np.bincount(found.ravel(), minlength=count + 1)
    kept = sizes >= smallest
    kept[0] = False
    number = np.where(kept, np.cumsum(kept), 0)
    return np.asarray(number[found], np.uint32)
