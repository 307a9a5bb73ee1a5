# /// script
# requires-python = ">=3.11"
# dependencies = ["scikit-image>=0.25"]
#
# [tool.opsin]
# name = "Objects of scikit-image"
# version = "1.0"
# module = "skimage.segmentation"
# functions = { measure = "skimage.measure:regionprops_table" }
# ///
"""Two functions of scikit-image as operations; the library itself is as it was."""

from typing import Annotated

from opsin.types import Field, Image, Labels, Table

def expand_labels(
    label_image: Labels,
    distance: Annotated[float, Field(minimum=0, maximum=1000, unit="px")] = 1,
) -> Labels:
    """Let labelled objects grow, but not into each other.

    Args:
        label_image: the objects.
        distance: how far.
    """

def measure(label_image: Labels, intensity_image: Image | None = None) -> Table:
    """Say where each object lies: the first and last rows and columns of it.

    Args:
        label_image: the objects.
        intensity_image: an image, which need not be given.
    """
