# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy"]
#
# [tool.opsin]
# name = "My plugin"
# version = "0.1"
# ///
"""Brightens what is dark. Each function here is an operation: change it, and add others."""

from typing import Annotated

from opsin.types import Field, Image


def brighten(
    image: Image,
    gamma: Annotated[float, Field(minimum=0.1, maximum=10, step=0.1)] = 0.5,
) -> Image:
    """Brighten what is dark, and leave black and white as they are.

    Args:
        image: any image.
        gamma: below 1 brightens, above 1 darkens.
    """
    low, high = float(image.min()), float(image.max())
    if low == high:
        return image
    share = (image - low) / (high - low)
    return (low + (high - low) * share**gamma).astype(image.dtype)
