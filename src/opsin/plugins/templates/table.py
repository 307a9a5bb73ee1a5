# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy"]
#
# [tool.opsin]
# name = "My plugin"
# version = "0.1"
# ///
"""Measures objects. Each function here is an operation: change it, and add others."""

import numpy as np

from opsin.types import Image, Labels, Table


def measure(labels: Labels, image: Image) -> Table:
    """Measure each object: its size, and how bright it is.

    Args:
        labels: the objects, each with a number of its own.
        image: what is measured, of the same shape.
    """
    numbers, place = np.unique(labels, return_inverse=True)
    sizes = np.bincount(place.ravel())
    sums = np.bincount(place.ravel(), weights=image.ravel())
    objects = numbers > 0
    return {
        "label": numbers[objects],
        "size": sizes[objects],
        "mean": (sums / sizes)[objects],
    }
