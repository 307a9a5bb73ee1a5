"""Canvas: what one view holds and draws without a screen, filled by a loader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from opsin.chunks.brick import Assembly, ChunkKey
from opsin.chunks.loader import Loader
from opsin.errors import OpsinError
from opsin.images.image import Image
from opsin.images.source import Array, Index

B = TypeVar("B")
C_contra = TypeVar("C_contra", contravariant=True)

Picture: TypeAlias = "npt.NDArray[np.uint8]"
"""Of shape (height, width, 3): red, green, blue."""


class Held(Protocol[B, C_contra]):
    """Bricks of one kind, under a bound of bytes: which are wanted and here, and how they look."""

    def want(self, camera: C_contra) -> Sequence[B]:
        """The bricks to draw for a camera, most urgent first; makes room for those not here."""

    def first(self) -> int:
        """How many of the wanted ones, from the first on, cover all that is visible."""

    def image(self, brick: B) -> Image:
        """The image that a brick is of."""

    def level(self, brick: B) -> int:
        """The level that it is of."""

    def chunks(self, brick: B) -> Iterable[Index]:
        """Grid indices of the chunks that it is made of."""

    def assembly(self, brick: B) -> Assembly:
        """An empty brick."""

    def put(self, brick: B, values: Array) -> None:
        """A brick is here."""

    @property
    def here(self) -> Container[B]:
        """The bricks that are here."""

    def frame(self) -> Callable[[], Picture]:
        """What draws the bricks that are here now, whatever comes meanwhile; on any thread."""


class Canvas(Generic[B, C_contra]):
    """One view of images, which looks somewhere, loads what it sees and can be drawn at any time.

    A chunk is copied into all bricks that it is a part of as soon as it comes, and needs not stay
    in the cache until they are complete: so each is loaded once, whatever its shape. All but
    frames belongs to the loop of the loader.
    """

    def __init__(self, loader: Loader, held: Held[B, C_contra]) -> None:
        """A canvas of what `held` draws. The loader gets the images, and does not close them."""
        self._loader = loader
        self._held = held
        self._client = loader.client(self._came)
        self._numbers: dict[int, int] = {}
        self._wants: Sequence[B] = ()
        self._parts: dict[B, Assembly] = {}
        self._waiting: dict[ChunkKey, list[B]] = {}
        self._missing: dict[B, set[ChunkKey]] = {}
        self._consumed = 0
        self._changed = asyncio.Event()
        self.failures: dict[B, OpsinError] = {}
        """Why bricks that are wanted cannot be had."""

    def look(self, camera: C_contra) -> None:
        """Want what a camera sees, instead of what was wanted before."""
        self._wants = self._held.want(camera)
        self.failures.clear()
        self._waiting.clear()
        missing: dict[B, set[ChunkKey]] = {}
        for brick in self._wants:
            if brick not in self._held.here:
                part = self._parts.get(brick)
                chunks = self._held.chunks(brick) if part is None else part.missing
                missing[brick] = {self._key(brick, index) for index in chunks}
                for key in missing[brick]:
                    self._waiting.setdefault(key, []).append(brick)
        self._parts = {brick: part for brick, part in self._parts.items() if brick in missing}
        self._missing = missing
        for key in list(self._waiting):
            self._came(key)
        self._ask()
        self._changed.set()

    @property
    def settled(self) -> bool:
        """Whether all that is wanted is here, or has failed."""
        return not self._missing

    @property
    def covered(self) -> bool:
        """Whether something is here, or has failed, for every place that is visible."""
        return not any(brick in self._missing for brick in self._wants[: self._held.first()])

    @property
    def counts(self) -> tuple[int, int]:
        """How many bricks are wanted, and how many of them are here."""
        return len(self._wants), sum(brick in self._held.here for brick in self._wants)

    async def changed(self, patience: float | None = None) -> None:
        """Wait until a brick comes or fails, or for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._changed.wait()
        self._changed.clear()

    def frame(self) -> Callable[[], Picture]:
        """What draws the canvas as it is now; to be called on any thread."""
        return self._held.frame()

    def close(self) -> None:
        """Want nothing any more."""
        self._client.close()
        self._parts.clear()

    def _key(self, brick: B, index: Index) -> ChunkKey:
        image = self._held.image(brick)
        number = self._numbers.get(id(image))
        if number is None:
            number = self._numbers[id(image)] = self._loader.add(image, lent=True)
        return ChunkKey(number, self._held.level(brick), index)

    def _ask(self) -> None:
        self._consumed = 0
        self._client.want(sorted(keys) for keys in self._missing.values())

    def _came(self, key: ChunkKey) -> None:
        """If a chunk is here or has failed, give it to the bricks that wait for it."""
        chunk = self._loader.get(key)
        error = self._loader.failure(key)
        if chunk is None and error is None:
            return
        for brick in self._waiting.pop(key, ()):
            if brick not in self._missing:
                continue
            if chunk is not None:
                self._add(brick, key, chunk)
            elif error is not None:
                self.failures[brick] = error
                del self._missing[brick]
                self._parts.pop(brick, None)
                self._changed.set()
        if chunk is not None:
            # What was used is wanted no more, so that it makes room.
            self._consumed += chunk.nbytes
            if self._consumed > self._loader.cache.budget / 4:
                self._ask()

    def _add(self, brick: B, key: ChunkKey, chunk: Array) -> None:
        part = self._parts.get(brick)
        if part is None:
            part = self._parts[brick] = self._held.assembly(brick)
        part.add(key.grid, chunk)
        self._missing[brick].discard(key)
        if not part.missing:
            del self._parts[brick], self._missing[brick]
            self._held.put(brick, part.finish())
            self._changed.set()
