"""A plugin for the scenes: what its functions give is easily worked out."""

TRIAL = '''
# /// script
# dependencies = ["numpy>=2"]
# [tool.opsin]
# name = "Trial"
# ///
import time
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from opsin.types import Axes, Field, Image, Labels, Points, Table, progress


class Edge(Enum):
    MIRROR = 1
    NEAREST = 2


def doubled(image: Image) -> Image:
    """Twice the image."""
    return image * 2.0


def sides(image: Image) -> Image:
    """How many axes each call gets."""
    return np.full(image.shape, image.ndim, np.uint8)


def highest(stack: Annotated[Image, Axes("zyx")]) -> Annotated[Image, Axes("yx")]:
    return stack.max(0)


def inside(image: Image, mask: Labels) -> Image:
    return np.where(mask > 0, image, 0).astype(image.dtype)


def brighter(image: Image, threshold: float = 30.0) -> Labels:
    return (image > threshold).astype(np.int32)


def counted(mask: Labels) -> Table:
    if not mask.any():
        raise ValueError("there are no labels")
    return {"label": [1], "pixels": [int(mask.sum())]}


def fails(image: Image) -> Labels:
    """Always."""
    print("I am about to fail")
    raise FileNotFoundError("no model")


def slow(image: Image) -> Labels:
    for _ in progress(range(2000), description="turns"):
        time.sleep(0.01)
    return (image > 0).astype(np.int32)


def steady(image: Image, factor: float = 2.0) -> Image:
    for _ in progress(range(100)):
        time.sleep(0.02)
    return image * factor


def bounded(
    image: Image, name: str = "", most: Annotated[int, Field(minimum=1)] | None = 2
) -> Image:
    if most is None:
        raise ValueError(f"most is empty, {name}")
    return image


def told(
    image: Image,
    sigma: Annotated[float, Field(minimum=0, maximum=20, step=0.25, unit="px")] = 2.0,
    tiny: float = 1e-6,
    count: int = 3,
    tidy: bool = False,
    note: str = "one",
    file: Path = Path("model.onnx"),
    method: Literal["otsu", "li"] = "otsu",
    edge: Edge = Edge.NEAREST,
    limit: int | None = None,
) -> Table:
    """What it was given.

    Args:
        sigma: how much.
    """
    given = (sigma, tiny, count, tidy, note, file, method, edge, limit)
    return {f"column {number}": [repr(one)] for number, one in enumerate(given)}


def spots(image: Image) -> Points:
    return np.argwhere(image == image.max())


def measured(image: Image) -> tuple[Labels, Table]:
    labels = (image > 0).astype(np.int32)
    return labels, {"label": [1], "sum": [int(image.sum())]}
'''

LONG = (
    """from opsin.types import Image
def long(image: Image, """
    + ", ".join(f"parameter_{number}: float = {number}.5" for number in range(30))
    + """) -> Image:
    '''A form with thirty parameters, and a description that takes two lines or more of it.'''
    return image * parameter_29
"""
)
"""A plugin whose form is higher than the screen."""
