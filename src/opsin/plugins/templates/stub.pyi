# /// script
# requires-python = ">=3.11"
# dependencies = ["scipy"]
#
# [tool.opsin]
# name = "My plugin"
# version = "0.1"
# module = "scipy.ndimage"
# ///
"""A function of a library as an operation. Name others with the arguments that users shall see."""

from typing import Annotated

from opsin.types import Field, Image

def gaussian_filter(
    input: Image,
    sigma: Annotated[float, Field(minimum=0, maximum=100, step=0.5, unit="px")] = 2.0,
) -> Image:
    """Smooth an image.

    Args:
        input: any image.
        sigma: how much.
    """
