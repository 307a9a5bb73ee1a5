# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy>=2", "scikit-image>=0.25"]
#
# [tool.opsin]
# name = "Count"
# version = "1.0"
# ///
"""Counts and measures labelled objects."""

import numpy as np
from skimage.measure import regionprops_table

from opsin.types import Image, Labels, Table


def measure(labels: Labels, image: Image | None = None, round_to: int | None = None) -> Table:
    """One row per object: its label, size and middle, in pixels.

    Args:
        labels: the objects.
        image: if there is one, how bright the objects are in it is measured, too.
        round_to: decimal places that are kept; all of them if empty.
    """
    names = {"label": "label", "area": "size", "centroid-0": "y", "centroid-1": "x",
             "intensity_mean": "brightness"}  # fmt: skip
    wanted = ["label", "area", "centroid"] + ["intensity_mean"] * (image is not None)
    table = regionprops_table(labels, image, properties=wanted)
    return {
        names[column]: values if round_to is None else np.round(values, round_to)
        for column, values in table.items()
    }
