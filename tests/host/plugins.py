"""Plugins for jobs."""

from __future__ import annotations

from pathlib import Path

SOURCE = '''
import time
from typing import Annotated

import numpy as np

from opsin.types import Axes, Image, Labels, LazyImage, Metadata, Points, Table, progress


def bright(image: Image, threshold: float = 100.0) -> Labels:
    return (image > threshold).astype(np.int32)


def middle(stack: Annotated[Image, Axes("zyx")]) -> Annotated[Image, Axes("yx")]:
    return stack[len(stack) // 2]


def turned(image: Annotated[Image, Axes("xy")]) -> Annotated[Image, Axes("xy")]:
    return image + 1


def inside(image: Image, mask: Labels) -> Image:
    return np.where(mask > 0, image, 0)


def parts(image: Image) -> tuple[Labels, Image, Table]:
    return (image > 9).astype(np.uint8), image * 2, {"sum": [int(image.sum())]}


def spots(image: Image) -> Points:
    return np.argwhere(image == image.max())


def corner(image: LazyImage) -> Image:
    result = np.zeros(image.shape, image.dtype)
    result[:8, :8] = image[:8, :8]
    return result


def placed(image: Image, metadata: Metadata) -> Table:
    return {"y": [metadata.translation[0]], "scale": [metadata.scale[0]], "level": [metadata.level]}


def small(image: Image) -> Labels:
    return np.zeros((2, 2), np.int32)


def fails(image: Image) -> Labels:
    raise FileNotFoundError("no model")


def late(image: Image) -> Labels:
    """Fails on the second plane."""
    if image.min() > 0:
        raise ValueError("second plane")
    return (image > 0).astype(np.int32)


def slow(image: Image) -> Labels:
    for _ in progress(range(1000)):
        time.sleep(0.01)
    return (image > 0).astype(np.int32)


def chatty(image: Image) -> Image:
    for number in range(2000):
        print("line", number)
    return image


def noise(image: Image) -> Image:
    return np.random.default_rng(0).integers(0, 2**31, image.shape)
'''


def write_plugin(folder: Path, source: str = SOURCE, name: str = "trial.py") -> Path:
    path = folder / name
    path.write_text(source)
    return path
