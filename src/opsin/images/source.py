"""Source: where the chunks of an image come from. The one interface that a reader implements."""

from __future__ import annotations

import atexit
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Index: TypeAlias = tuple[int, ...]
"""Position of a chunk in the chunk grid of its level: one integer per axis of the image."""

Array: TypeAlias = npt.NDArray[Any]
Encoded: TypeAlias = "bytes | bytearray | memoryview | Array"
Provenance: TypeAlias = Literal["memory", "disk", "network", "computed"]
"""Where chunks come from: an array here, this computer, another one, or a formula."""

Direct: TypeAlias = Callable[[Index], tuple[Array, int]]
"""index → the chunk, as `Source.decode` gives it, and how many stored bytes it took."""


class Source(Protocol):
    """Chunks of one image, by level and chunk index.

    Reading is two steps, so that a loader can cancel the first and run the second on a pool:
    `fetch` waits for bytes and is cancelled by cancelling its task; `decode` only computes.
    Where there is nothing to wait for, `direct` does both at once, which costs less.
    """

    @property
    def provenance(self) -> Provenance:
        """Where the chunks come from."""

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        """The stored bytes of a chunk; None for a chunk that is not stored (all fill value).

        Raises:
            Unreachable: the source did not answer or failed in a way that may pass.
            Corrupt: what is stored cannot be the chunk.
        """

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        """The chunk as an array, clipped to the level's shape, in native byte order.

        Pure computing: no I/O, safe on any thread. The result may be a view of `encoded`.

        Raises:
            Corrupt: `encoded` is not a chunk of this image.
        """

    def direct(self, level: int) -> Direct | None:
        """Both steps as one call for the chunks of a level, safe on any thread.

        None where chunks have to be waited for. It raises what `fetch` and `decode` do.
        """
        return None

    def transient_bytes(self, level: int, index: Index) -> int:
        """Memory that fetching and decoding this chunk needs at most beside its result."""

    def codec(self, level: int) -> str:
        """How the chunks of a level are stored, for people: `raw`, `blosc`; '' where unknown."""
        return ""

    async def identity(self, level: int) -> str | None:
        """What is another text whenever the stored chunks of a level are others; None if unknown.

        By it chunks from another computer may be kept on the disk.
        """
        return None

    def close(self) -> None:
        """Let go of files and connections. Idempotent."""


@dataclass(frozen=True, slots=True)
class Reopening:
    """How another process gets at a source that cannot be sent there: by opening its file again.

    A `__reduce__` may return `(reopened, (this,))`. What was opened is kept there, to be used for
    the next chunk.
    """

    reader: str
    """Name of a module with `open(Address)`."""
    path: str
    """Of the file, and behind it what was named inside."""
    number: int
    """Of the image among those that are opened."""


@lru_cache(maxsize=16)
def reopened(how: Reopening) -> Source:
    """The source, opened again in this process."""
    address = importlib.import_module("opsin.images.readers.address").Address
    images = importlib.import_module(how.reader).open(address.parse(Path(how.path)))
    found: Source = images[how.number].source
    return found


atexit.register(reopened.cache_clear)  # files are closed while there are still modules to do so


def contiguous(array: Array) -> Array:
    """`array` in C order and native byte order, copied only where it is not so already."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
