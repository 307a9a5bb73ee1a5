"""Feed: what one layer of napari gets to draw. At once the best that is here, then what is better.

napari asks on its own thread and gets an answer within milliseconds; all else happens on the loop
of the loader. Where chunks can be there very soon the answer waits for them a little: a picture
that is drawn once is on the screen earlier than one that is drawn twice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, replace

import numpy as np

from opsin.chunks.brick import ChunkKey
from opsin.chunks.loader import Client
from opsin.errors import OpsinError, UsageError
from opsin.images.layer import Layer
from opsin.images.source import Array, Index
from opsin.napari.loading import Loading
from opsin.napari.region import Region
from opsin.napari.tile import Tile
from opsin.napari.wants import Chunk, Motion, followed, wanted, wanted_ahead

PATIENCE = 0.04
"""Seconds that an answer waits for chunks which may come in that time."""
STALLED = 1.0
"""Seconds after which an answer is empty because the loop did not get to it."""
INTERVAL = 0.12
"""Seconds between two pictures of what is not complete yet; each costs a redraw."""
AHEAD = 0.125
"""The share of the memory budget that a layer may fill ahead of time."""
CONSUMED = 16
"""The part of the memory budget after which what has been used is let go of."""
RETRY = 5.0
"""Seconds after which what could not be read is tried again, if it is looked at."""


@dataclass(frozen=True)
class Shown:
    """A picture that napari got, or is about to get."""

    key: tuple[object, ...]
    picture: Array
    complete: bool


class Feed:
    """The chunks of one layer, for as long as it is in a viewer."""

    def __init__(self, layer: Layer, interval: float = INTERVAL) -> None:
        """A feed that is closed: it reads what it is asked for, and waits for it.

        Args:
            layer: that it is of.
            interval: seconds between two pictures of what is not complete yet.
        """
        self.layer = layer
        self._interval = interval
        self.stale_thumbnail = False
        """Whether a thumbnail was made of less than all of the coarsest level."""
        self.hits = self.misses = 0
        """Chunks of what was looked at that were here then, and that were not."""
        self._loading: Loading | None = None
        self._client: Client | None = None
        self._number = -1
        self._changed: Callable[[], None] = _nobody
        self._failed: Callable[[str], None] = _told_nobody
        self._told = False
        self._shown: Shown | None = None
        self._base: Shown | None = None
        self._base_tile: Tile | None = None
        self._tile: Tile | None = None
        self._wants: list[Chunk] = []
        self._ticket: Future[Array] | None = None
        self._looked = -math.inf
        self._retried = -math.inf
        self._motion: Motion | None = None
        self._ringing = False
        self._refill = False
        self._consumed = 0

    # On any thread

    @property
    def open(self) -> bool:
        """Whether there is somebody to tell of what is better."""
        return self._loading is not None

    def start(
        self,
        loading: Loading,
        changed: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        """Begin to load; the feed leaves `loading` when it stops.

        Args:
            changed: called on the loop when there is a better picture of what is looked at.
            failed: called on the loop, once, with a sentence, when a chunk cannot be read.
        """
        self._changed, self._failed = changed, failed
        self._loading = loading
        loading.result(self._start(loading))

    def stop(self) -> None:
        """Load nothing any more, and keep nothing. Idempotent."""
        loading, self._loading = self._loading, None
        if loading is None:
            return
        loading.soon(self._stop, loading)
        self._shown = self._base = None
        loading.leave()

    @property
    def settled(self) -> bool:
        """Whether all has come of what is looked at, or nothing more will."""
        if self._loading is not None and self._loading.frozen:
            return True
        tile, shown = self._tile, self._shown
        if tile is not None:
            return shown is not None and shown.complete and shown.key == tile.region.key
        return self._base is None or self._base.complete

    @property
    def base_complete(self) -> bool:
        """Whether all is here of the plane of the coarsest level that was asked for last."""
        return self._base is not None and self._base.complete

    def rest(self) -> None:
        """Nothing of the layer is looked at now."""
        if self._loading is not None:
            self._shown = None
            self._loading.soon(self._rest)

    def look(self, region: Region) -> Array:
        """What there is of what napari draws from now on, axes in the image's order."""
        shown = self._shown
        if shown is not None and shown.key == region.key:
            return shown.picture
        return self._ask(self._look, region)

    def follow(self, region: Region) -> None:
        """Load a region, without waiting: `changed` is called for each picture of it, in `shown`.

        As soon as the loop gets to it there is one of what is here.
        """
        ticket: Future[Array] = Future()
        ticket.add_done_callback(lambda done: None if done.cancelled() else self._changed())
        if self._loading is not None:
            self._loading.soon(self._look, region, ticket)

    @property
    def shown(self) -> Shown | None:
        """The last picture."""
        return self._shown

    def plane(self, region: Region) -> Array:
        """What there is of a plane of the coarsest level, as for a thumbnail."""
        base = self._base
        if base is not None and base.key == region.key and base.complete:
            return base.picture
        return self._ask(self._look_at_base, region)

    def peek(self, region: Region) -> Array:
        """What there is of a region that may never be looked at again: nothing is loaded for it."""
        return self._ask(self._peek, region)

    def want_base(self) -> None:
        """Load the plane of the coarsest level that was asked for last, if it is not here."""
        if self._loading is not None and not self.base_complete:
            self._loading.soon(self._want_base)

    def hold(self) -> None:
        """Loading was frozen, or goes on now."""
        if self._loading is not None:
            self._loading.soon(self._hold)

    def read(self, region: Region) -> Array:
        """The pixels of a region, all of them, however long it takes.

        Raises:
            ReadError: some of them cannot be read.
            BudgetExceeded: a chunk of them is larger than the memory budget.
            UsageError: they are more than a computer can hold.
        """
        image, (start, stop) = self.layer.image, region.box(region.level)
        size = math.prod(region.shape) * image.dtype.itemsize
        if size > 1 << 40:
            raise UsageError(
                f"These are {size / 2**40:.0f} TiB of {image.name}: take a part of them, or read "
                "a coarser level."
            )
        box = self.box(region.level, start, stop)
        own = [p - first for p, first in zip(region.pixels(region.level), start, strict=True)]
        if region.shape == box.shape and all(_rises(p) for p in own):
            return box
        found: Array = box[np.ix_(*own)]
        return found

    def box(self, level: int, start: Index, stop: Index) -> Array:
        """A box of a level, axes in the image's order; all of it.

        Raises:
            ReadError: some of it cannot be read.
            BudgetExceeded: a chunk of it is larger than the memory budget.
        """
        loading = self._loading
        if loading is None:
            parts = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
            return self.layer.image.read(level, parts)
        return loading.result(loading.loader.read(self._number, level, start, stop, last=True))

    def _ask(self, function: Callable[[Region, Future[Array]], None], region: Region) -> Array:
        loading = self._loading
        if loading is None:
            return self.read(region)
        ticket: Future[Array] = Future()
        loading.soon(function, region, ticket)
        try:
            return ticket.result(STALLED)
        except (CancelledError, TooLate):
            return np.zeros(region.shape, self.layer.image.dtype)

    # On the loop

    @property
    def region(self) -> Region | None:
        """What is looked at; None: nothing."""
        tile = self._tile or self._base_tile
        return None if tile is None else tile.region

    @property
    def number(self) -> int:
        """That of the image in the loader."""
        return self._number

    async def _start(self, loading: Loading) -> None:
        self._number = loading.number(self.layer.image)
        self._client = loading.loader.client(self._came)

    def _stop(self, loading: Loading) -> None:
        if self._client is not None:
            self._client.close()
            loading.forget(self.layer.image)
        self._client = self._tile = self._base_tile = None
        self._answer(None)
        self._wants = []

    def _rest(self) -> None:
        self._tile = None
        self._wants = []
        if self._client is not None:
            self._client.want(())

    def _hold(self) -> None:
        if self._loading is not None and self._client is not None:
            if self._loading.frozen:
                self._client.want(())
            elif self._tile is not None:
                self._want()
            else:
                self._want_base()

    def _look(self, region: Region, ticket: Future[Array]) -> None:
        """Answer with what is here of a region, and want the rest of it."""
        self._answer(None)
        loading, client, now = self._loading, self._client, time.monotonic()
        if loading is None or client is None:
            ticket.set_result(np.zeros(region.shape, self.layer.image.dtype))
            return
        loader = loading.loader
        before = None if self._tile is None else self._tile.region
        motion = followed(before, region, now - self._looked)
        if before is None or motion is not None or region.key != before.key:
            if motion is None and self._motion is not None:
                motion = replace(self._motion, seconds=math.inf)
            self._motion = motion
            self._looked = now
        if now - self._retried > RETRY:
            self._retried = now
            if any(loader.failure(self._key(region.level, i)) for i in region.chunks(region.level)):
                loader.retry()
        self._tile = Tile(self.layer.image, region)
        for index in list(self._tile.missing):
            self._take(index)
        self.misses += len(self._tile.missing)
        self.hits += len(self._tile.chunks) - len(self._tile.missing)
        self._ticket = ticket
        pace = loader.pace([self._number])
        near = self.layer.image.source.direct(region.level) is not None
        self._wants = list(wanted(region, near))
        room = loader.cache.budget * AHEAD
        for level, index in wanted_ahead(region, self._motion, pace):
            room -= self.layer.image.chunk_bytes(level, index)
            if room < 0:
                break
            self._wants.append((level, index))
        if self._tile.complete:
            self._publish()
        self._want()
        if not self._tile.complete:
            self._refill = True
            soon = near or 0 < pace.delay < PATIENCE
            patience = PATIENCE if soon and not loading.frozen else 0.0
            if patience:
                loading.later(patience, self._give_up_waiting, ticket)
            else:
                self._publish()

    def _give_up_waiting(self, ticket: Future[Array]) -> None:
        if ticket is self._ticket:
            self._publish()

    def _want(self) -> None:
        """Ask for what is not here. What was used is wanted no more, so that it makes room."""
        client = self._client
        if client is not None and self._loading is not None and not self._loading.frozen:
            self._consumed = 0
            keys = (self._key(*chunk) for chunk in self._wants)
            client.want([key] for key in keys if not self._is_used(key))

    def _is_used(self, key: ChunkKey) -> bool:
        """Whether the chunk is part of a picture already.

        That it is in memory is not enough: what is loaded ahead would push itself out, and be
        asked for again, for ever.
        """
        for tile in (self._tile, self._base_tile):
            if tile is not None and key.level == tile.region.level and key.grid in tile.chunks:
                return key.grid not in tile.missing
        return False

    def _look_at_base(self, region: Region, ticket: Future[Array]) -> None:
        self._base_tile = tile = Tile(self.layer.image, region)
        self._fill_base(tile)
        self.stale_thumbnail = not tile.complete
        assert self._base is not None
        ticket.set_result(self._base.picture)

    def _peek(self, region: Region, ticket: Future[Array]) -> None:
        tile = Tile(self.layer.image, region)
        for index, chunk in self._here(region, region.level):
            tile.add(index, chunk)
        if not tile.complete:
            tile.fill(self._coarser(region))
        ticket.set_result(tile.picture())

    def _want_base(self) -> None:
        base, client = self._base_tile, self._client
        if base is not None and client is not None and self._tile is None:
            level = base.region.level
            client.want([self._key(level, index)] for index in sorted(base.missing))

    def _fill_base(self, tile: Tile) -> None:
        for index in list(tile.missing):
            if (chunk := self._chunk(tile.region.level, index)) is not None:
                tile.add(index, chunk)
        self._base = Shown(tile.region.key, tile.picture(), tile.complete)

    def _came(self, key: ChunkKey) -> None:
        """A wanted chunk has come or failed."""
        self._take_in(key)
        if self._loading is not None:
            self._consumed += self.layer.image.chunk_bytes(key.level, key.grid)
            if self._consumed > self._loading.loader.cache.budget / CONSUMED:
                self._want()

    def _take_in(self, key: ChunkKey) -> None:
        tile, base = self._tile, self._base_tile
        if base is not None and key.level == base.region.level and key.grid in base.missing:
            self._fill_base(base)
            if base.complete and (tile is None or tile.complete):
                self._changed()
        if tile is None or key.level < tile.region.level:
            return
        if key.level > tile.region.level:
            self._refill = True
        elif key.grid in tile.missing:
            self._take(key.grid)
        else:
            return
        if tile.complete:
            self._ring()
        elif self._ticket is None and not self._ringing and self._loading is not None:
            self._ringing = True
            self._loading.later(self._interval, self._ring_late)

    def _ring_late(self) -> None:
        if self._ringing:
            self._ring()

    def _ring(self) -> None:
        """Publish what there is; tell, if nobody waits for it."""
        self._ringing = False
        asked = self._ticket is not None
        self._publish()
        if not asked:
            self._changed()

    def _take(self, index: Index) -> None:
        """Give a chunk of the tile's level to it, if it has come or failed."""
        tile, loading = self._tile, self._loading
        if tile is None or loading is None:
            return
        key = self._key(tile.region.level, index)
        if (chunk := loading.loader.get(key)) is not None:
            tile.add(index, chunk)
        elif (error := loading.loader.failure(key)) is not None:
            tile.fail(index)
            self._refill = True
            self._tell(error)

    def _publish(self) -> None:
        """Make a picture of the tile, and answer with it."""
        tile = self._tile
        if tile is None:
            self._answer(None)
            return
        if self._refill and (tile.missing or tile.failed):
            self._refill = False
            tile.fill(self._coarser(tile.region))
        self._shown = Shown(tile.region.key, tile.picture(), tile.complete)
        self._answer(self._shown.picture)

    def _answer(self, picture: Array | None) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None and not ticket.done():
            if picture is None:
                ticket.cancel()
            else:
                ticket.set_result(picture)

    def _coarser(self, region: Region) -> Iterator[tuple[int, list[tuple[Index, Array]]]]:
        """What is here of coarser levels than that of a region, from the coarsest on.

        Nothing of what is behind a level of which all is here.
        """
        found: list[tuple[int, list[tuple[Index, Array]]]] = []
        for level in range(region.level + 1, len(region.levels)):
            here = self._here(region, level)
            found.append((level, here))
            if len(here) == region.levels[level].chunks_between(*region.box(level)):
                break
        return reversed(found)

    def _here(self, region: Region, level: int) -> list[tuple[Index, Array]]:
        """The chunks of a level that are here and touch a region."""
        start, stop = region.box(level)
        found = []
        for index in self.layer.image.levels[level].chunks_in(start, stop):
            if (chunk := self._chunk(level, index)) is not None:
                found.append((index, chunk))
        return found

    def _chunk(self, level: int, index: Index) -> Array | None:
        loading = self._loading
        return None if loading is None else loading.loader.get(self._key(level, index))

    def _key(self, level: int, index: Index) -> ChunkKey:
        return ChunkKey(self._number, level, index)

    def _tell(self, error: OpsinError) -> None:
        if not self._told:
            self._told = True
            self._failed(f"{self.layer.name}: {error}")


def _rises(pixels: Array) -> bool:
    return len(pixels) < 2 or bool((np.diff(pixels) == 1).all())


def _nobody() -> None:
    """Told of changes, by default."""


def _told_nobody(_: str) -> None:
    """Told of failures, by default."""
