"""Cache: decoded chunks under one hard bound of bytes, which counts what is still on its way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from opsin.images.source import Array

K = TypeVar("K", bound=Hashable)

BASE_SHARE = 0.25
"""Share of the budget within which idle base chunks outlive other idle chunks."""


class Cache(Generic[K]):
    """Chunks by key. `used + reserved <= budget` at every moment.

    Whoever loads a chunk first reserves its bytes, then commits the array or gives the bytes back.
    Room is made by letting go of idle chunks, least recently used first and those of a coarsest
    level last, then of wanted chunks that are less urgent than the one to come.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.used = 0
        self.reserved = 0
        self.peak = 0
        self.displaced = 0
        """Wanted chunks that were let go of so far, for more urgent ones."""
        self._idle: OrderedDict[K, Array] = OrderedDict()
        self._base: OrderedDict[K, Array] = OrderedDict()
        self._wanted: dict[K, Array] = {}
        self._ranks: Mapping[K, int] = {}
        self._base_keys: set[K] = set()
        self._base_bytes = 0

    def __contains__(self, key: object) -> bool:
        return key in self._wanted or key in self._idle or key in self._base

    def __len__(self) -> int:
        return len(self._wanted) + len(self._idle) + len(self._base)

    def get(self, key: K) -> Array | None:
        """The chunk, marked as just used; None if it is not here."""
        found = self._wanted.get(key)
        for shelf in (self._idle, self._base):
            if found is None and (found := shelf.get(key)) is not None:
                shelf.move_to_end(key)
        return found

    def want(self, ranks: Mapping[K, int]) -> None:
        """Say which keys are wanted, and how urgently (lower rank is more urgent)."""
        self._ranks = ranks
        for key in [key for key in self._wanted if key not in ranks]:
            self._shelve(key, self._wanted.pop(key))
        for shelf in (self._idle, self._base):
            for key in [key for key in ranks if key in shelf]:
                self._wanted[key] = self._unshelve(shelf, key)

    def reserve(self, size: int, rank: int | None = None) -> bool:
        """Set `size` bytes aside for a chunk of this rank (None: an idle one); False if no room.

        Nothing is let go when that would not be enough.
        """
        lacking = self.used + self.reserved + size - self.budget
        if lacking > 0 and not self._make_room(lacking, rank):
            return False
        self.reserved += size
        self.peak = max(self.peak, self.used + self.reserved)
        return True

    def release(self, size: int) -> None:
        """Give back reserved bytes."""
        self.reserved -= size

    def commit(self, key: K, array: Array, reserved: int, *, base: bool = False) -> None:
        """Turn `reserved` bytes into a chunk, which is no larger than that."""
        if array.nbytes > reserved:
            raise ValueError(f"{array.nbytes} bytes were committed on {reserved} reserved ones")
        self.reserved -= reserved
        if key in self:
            return
        self.used += array.nbytes
        if base:
            self._base_keys.add(key)
        if key in self._ranks:
            self._wanted[key] = array
        else:
            self._shelve(key, array)

    def clear(self) -> None:
        """Let go of everything that is not reserved."""
        for shelf in (self._idle, self._base, self._wanted):
            shelf.clear()
        self._base_keys.clear()
        self.used = self._base_bytes = 0

    def _shelve(self, key: K, array: Array) -> None:
        if key not in self._base_keys:
            self._idle[key] = array
            return
        self._base[key] = array
        self._base_bytes += array.nbytes
        while self._base_bytes > self.budget * BASE_SHARE:
            oldest = next(iter(self._base))
            self._idle[oldest] = self._unshelve(self._base, oldest)

    def _unshelve(self, shelf: OrderedDict[K, Array], key: K) -> Array:
        array = shelf.pop(key)
        if shelf is self._base:
            self._base_bytes -= array.nbytes
        return array

    def _make_room(self, lacking: int, rank: int | None) -> bool:
        victims: list[tuple[OrderedDict[K, Array] | dict[K, Array], K]] = []
        for shelf in (self._idle, self._base):
            for key, array in shelf.items():
                if lacking <= 0:
                    break
                victims.append((shelf, key))
                lacking -= array.nbytes
        if lacking > 0 and rank is not None:
            ranks = self._ranks
            for key in sorted(self._wanted, key=lambda k: ranks[k], reverse=True):
                if lacking <= 0 or ranks[key] <= rank:
                    break
                victims.append((self._wanted, key))
                lacking -= self._wanted[key].nbytes
        if lacking > 0:
            return False
        for home, key in victims:
            array = home.pop(key)
            self.used -= array.nbytes
            if home is self._base:
                self._base_bytes -= array.nbytes
            self.displaced += home is self._wanted
            self._base_keys.discard(key)
        return True
