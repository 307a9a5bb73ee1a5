"""A write that is interrupted or killed. Run in processes of its own: imports little."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from opsin.images.image import Image
from opsin.images.memory import MemorySource, image_from_array
from opsin.images.source import Array, Index
from opsin.images.write import write_image

VARIANTS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": 16},
    "shards": {"chunks": 8, "shards": 32},
    "odd shards": {"chunks": 8, "shards": 24, "codec": "zstd"},
    "volume": {"chunks": (2, 16, 16), "halve": "zyx"},
    "volume in shards": {"chunks": (2, 8, 8), "shards": (4, 16, 32), "halve": "zyx"},
    "zarr 2": {"chunks": 16, "ome": "0.4"},
}
PIXELS = np.random.default_rng(4).integers(0, 2000, (4, 75, 101)).astype(np.uint16)
PIXELS[:, :40, :40] = 0


def _nothing(count: int) -> None:
    pass


class Reading(MemorySource):
    """Knows what was read, and does something at each read."""

    def __init__(self, image: Image, pixels: Array, at: Callable[[int], None]) -> None:
        super().__init__(pixels, image.levels[0])
        self.reads: list[Index] = []
        self._at = at

    def direct(self, level: int) -> Any:
        read = super().direct(level)

        assert read is not None

        def noted(index: Index) -> tuple[Array, int]:
            self.reads.append(index)
            self._at(len(self.reads))
            return read(index)

        return noted


def made(pixels: Array = PIXELS, at: Callable[[int], None] = _nothing) -> Image:
    image = image_from_array(pixels, axes="zyx", name="made", chunks=(1, 16, 16))
    return replace(image, source=Reading(image, pixels, at))


def reads_of(image: Image) -> list[Index]:
    assert isinstance(image.source, Reading)
    return image.source.reads


def labels() -> tuple[Image, ...]:
    return (replace(made(PIXELS // 300), name="things", kind="labels"),)


def killed(variant: str, path: str, after: str) -> None:
    """Write, in a process that is killed while it reads."""

    def at(count: int) -> None:
        if count == int(after):
            os.kill(os.getpid(), signal.SIGKILL)

    write_image(made(at=at), path, resume="pixels", labels=labels(), **VARIANTS[variant])
