"""Images that are wider than what may be in memory. Run in processes of its own: imports little."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from opsin.images.image import Image, Level
from opsin.images.memory import image_from_array
from opsin.images.source import Array, Index, Source
from opsin.images.write import write_image


class Plain(Source):
    """A wide image out of nothing."""

    def __init__(self, image: Image) -> None:
        self._level = image.levels[0]
        count = int(np.prod(self._level.chunks))
        self._noise = np.random.default_rng(0).integers(0, 9, count).astype(image.dtype)

    @property
    def provenance(self) -> Literal["memory"]:
        return "memory"

    async def fetch(self, level: int, index: Index) -> None:
        return None

    def decode(self, level: int, index: Index, encoded: object) -> Array:
        shape = self._level.chunk_shape(index)
        return np.array(self._noise[: int(np.prod(shape))].reshape(shape))

    def transient_bytes(self, level: int, index: Index) -> int:
        return 0

    def close(self) -> None:
        pass


WIDE: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "tiles": ((1024, 1 << 16), (512, 4096), {}),
    "strips": ((1024, 1 << 16), (8, 1 << 16), {}),
    "shards": ((1 << 13, 1 << 13), (512, 512), {"shards": 4096, "codec": "none"}),
    "planes": ((64, 1024, 1024), (1, 1024, 1024), {"halve": "zyx", "shards": 256}),
}


def write_wide(case: str, path: Path) -> None:
    """Print the highest memory of this process, above what it had before, in MiB."""
    shape, chunks, options = WIDE[case]
    axes = "zyx"[-len(shape) :]
    image = image_from_array(np.zeros([2] * len(shape), np.uint16), axes=axes)
    level = Level(shape, chunks, *[tuple(map(float, [one] * len(shape))) for one in (1, 0)])
    image = replace(image, levels=(level,))
    small = image_from_array(np.ones([64, 64, 64][: len(shape)], np.uint16), axes=axes)
    write_image(small, path.with_suffix(".first"), **{**options, "chunks": 32})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write_image(replace(image, source=Plain(image)), path, **options)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
