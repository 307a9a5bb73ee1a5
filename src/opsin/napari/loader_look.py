"""Loader look: what the loader does and holds at one moment. To be taken on its loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from opsin.chunks.brick import ChunkKey
from opsin.images.image import Level, chunk_origin
from opsin.images.source import Index, Provenance
from opsin.napari.feed import Feed
from opsin.napari.loading import Loading

Whence: TypeAlias = Provenance | Literal["failed", "coming"]

MOST = 1500
"""Chunks of one layer that are told of."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A chunk of what is looked at: where it came from, or that it is not here.

    `low` and `high` are its edges along the axes of the image, in pixels of the finest level,
    whose centres are at whole numbers.
    """

    level: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    whence: Whence


@dataclass(frozen=True, slots=True)
class LoaderLook:
    """The numbers of a loader, in bytes and chunks, and outlines by the number of the feed.

    `used` is what is held of `budget`, and `in_flight` what is set aside for `requests`. `waiting`
    are wanted and not asked for yet. `read` were read from files, and `wasted` of `loaded` bytes
    were let go of before anybody had asked for them. Of the chunks of all that was looked at,
    `hits` were here then and `misses` were not. `delay` is how long chunks are waited for, in
    seconds.
    """

    used: int
    budget: int
    in_flight: int
    requests: int
    waiting: int
    read: int
    loaded: int
    wasted: int
    hits: int
    misses: int
    failed: int
    reason: str
    delay: float
    levels: tuple[int | None, ...]
    """That each feed is drawn at; None: it draws nothing."""
    outlines: tuple[tuple[Outline, ...], ...] = ()


class LoaderWatch:
    """Looks at a loader again and again, and remembers where chunks came from."""

    def __init__(self) -> None:
        self._whence: dict[ChunkKey, Provenance] = {}
        self._read = 0
        self._loading: Loading | None = None

    def look(self, loading: Loading, feeds: Iterable[Feed], *, outlined: bool) -> LoaderLook:
        """What there is now, with outlines if they are wanted."""
        loader, shown = loading.loader, list(feeds)
        if loading is not self._loading:
            self._loading, self._read, self._whence = loading, 0, {}
        for entry in loader.journal.since(self._read):
            if entry.end == "came":
                self._whence[entry.key] = entry.provenance
        self._read = loader.journal.count
        outlines = tuple(tuple(self._outlines(loading, feed)) for feed in shown if outlined)
        cache = loader.cache
        return LoaderLook(
            used=cache.used,
            budget=cache.budget,
            in_flight=loader.in_flight,
            requests=loader.requests,
            waiting=loader.waiting,
            read=loader.bytes_read,
            loaded=cache.committed,
            wasted=cache.wasted,
            hits=sum(feed.hits for feed in shown),
            misses=sum(feed.misses for feed in shown),
            failed=loader.failures,
            reason=_reason(loading, shown),
            delay=loader.pace([feed.number for feed in shown]).delay,
            levels=tuple(None if feed.region is None else feed.region.level for feed in shown),
            outlines=outlines,
        )

    def _outlines(self, loading: Loading, feed: Feed) -> Iterator[Outline]:
        region, loader = feed.region, loading.loader
        if region is None:
            return
        whence: Mapping[ChunkKey, Provenance] = self._whence
        own = feed.layer.image.source.provenance
        told = 0
        for level in range(len(region.levels) - 1, region.level - 1, -1):
            for index in region.chunks(level):
                key = ChunkKey(feed.number, level, index)
                state: Whence
                if key in loader.cache:
                    state = whence.get(key, own)
                elif loader.failure(key) is not None:
                    state = "failed"
                elif level == region.level and not loading.frozen:
                    state = "coming"
                else:
                    continue
                told += 1
                if told > MOST:
                    return
                yield Outline(level, *_edges(region.levels, level, index), state)


def _edges(
    levels: tuple[Level, ...], level: int, index: Index
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of a chunk, in pixels of the finest level."""
    finest, own = levels[0], levels[level]
    low, high = [], []
    for axis, (first, size) in enumerate(
        zip(chunk_origin(own, index), own.chunk_shape(index), strict=True)
    ):
        ends = (first - 0.5, first + size - 0.5)
        places = (own.translation[axis] + own.scale[axis] * end for end in ends)
        a, b = ((p - finest.translation[axis]) / finest.scale[axis] for p in places)
        low.append(a)
        high.append(b)
    return tuple(low), tuple(high)


def _reason(loading: Loading, feeds: Iterable[Feed]) -> str:
    """Why the first chunk failed of what is looked at."""
    for feed in feeds:
        region = feed.region
        if region is None or not loading.loader.failures:
            continue
        for index in region.chunks(region.level):
            error = loading.loader.failure(ChunkKey(feed.number, region.level, index))
            if error is not None:
                return f"{feed.layer.name}, level {region.level}: {error}"
    return ""
