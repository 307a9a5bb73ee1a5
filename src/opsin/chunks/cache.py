"""Cache: decoded chunks under one hard bound of bytes, which counts what is still on its way."""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from opsin.images.source import Array

K = TypeVar("K", bound=Hashable)

MOST = 2 << 30
"""Bytes of the budget, if nobody says how many."""
BASE_SHARE = 0.25
"""Share of the budget within which idle base chunks outlive other idle chunks."""


def default_budget() -> int:
    """A quarter of the computer's memory in bytes, at most 2 GiB."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return MOST
    return min(MOST, physical // 4)


class Cache(Generic[K]):
    """Chunks by key. `used + reserved <= budget` at every moment.

    Whoever loads a chunk first reserves its bytes, then commits the array or gives the bytes back.
    Room is made by letting go of idle chunks, of the owner that has most bytes here and of its
    chunks the least recently used first; those of a coarsest level last, and not while chunks are
    on their way; then of wanted chunks that are less urgent than the one to come. So owners may
    borrow what others do not need, and none can push out what another one uses within its equal
    share.

    Args:
        budget: bytes.
        owner: whose a chunk is: chunks of one image share alike with those of another.
    """

    def __init__(self, budget: int, owner: Callable[[K], Hashable] = lambda _: None) -> None:
        self.budget = budget
        self.used = 0
        self.reserved = 0
        self.peak = 0
        self.displaced = 0
        """Wanted chunks that were let go of so far, for more urgent ones."""
        self.committed = 0
        """Bytes of all chunks that came so far."""
        self.wasted = 0
        """Bytes of those that were let go of before anybody had asked for them."""
        self._owner = owner
        self._owned: Counter[Hashable] = Counter()
        self._idle: dict[Hashable, OrderedDict[K, Array]] = {}
        self._idle_of: dict[K, Hashable] = {}
        self._unseen: set[K] = set()
        self._base: OrderedDict[K, Array] = OrderedDict()
        self._wanted: dict[K, Array] = {}
        self._ranks: Mapping[K, int] = {}
        self._base_keys: set[K] = set()
        self._base_bytes = 0

    def __contains__(self, key: object) -> bool:
        return key in self._wanted or key in self._idle_of or key in self._base

    def __len__(self) -> int:
        return len(self._wanted) + len(self._idle_of) + len(self._base)

    def get(self, key: K) -> Array | None:
        """The chunk, marked as just used; None if it is not here."""
        found = self._wanted.get(key)
        if found is None:
            shelf = self._base if key in self._base else self._idle.get(self._idle_of.get(key))
            if shelf is None or (found := shelf.get(key)) is None:
                return None
            shelf.move_to_end(key)
        self._unseen.discard(key)
        return found

    def want(self, ranks: Mapping[K, int]) -> None:
        """Say which keys are wanted, and how urgently (lower rank is more urgent)."""
        self._ranks = ranks
        for key in [key for key in self._wanted if key not in ranks]:
            self._shelve(key, self._wanted.pop(key))
        for key in ranks:
            if key in self._idle_of or key in self._base:
                self._wanted[key] = self._unshelve(key)

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
        self.committed += array.nbytes
        self._owned[self._owner(key)] += array.nbytes
        self._unseen.add(key)
        if base:
            self._base_keys.add(key)
        if key in self._ranks:
            self._wanted[key] = array
        else:
            self._shelve(key, array)

    def forget(self, owner: Hashable) -> None:
        """Let go of all chunks of an owner that are not wanted."""
        shelved = [key for key, whose in self._idle_of.items() if whose == owner]
        for key in shelved + [key for key in self._base if self._owner(key) == owner]:
            self._let_go(key)

    def clear(self) -> None:
        """Let go of everything that is not reserved."""
        for shelf in (self._idle, self._idle_of, self._base, self._wanted, self._owned):
            shelf.clear()
        self._base_keys.clear()
        self._unseen.clear()
        self.used = self._base_bytes = 0

    def _shelve(self, key: K, array: Array) -> None:
        if key not in self._base_keys:
            self._put_idle(key, array)
            return
        self._base[key] = array
        self._base_bytes += array.nbytes
        while self._base_bytes > self.budget * BASE_SHARE:
            oldest = next(iter(self._base))
            self._put_idle(oldest, self._unshelve(oldest))

    def _put_idle(self, key: K, array: Array) -> None:
        owner = self._owner(key)
        self._idle.setdefault(owner, OrderedDict())[key] = array
        self._idle_of[key] = owner

    def _unshelve(self, key: K) -> Array:
        if key in self._base:
            array = self._base.pop(key)
            self._base_bytes -= array.nbytes
            return array
        owner = self._idle_of.pop(key)
        array = self._idle[owner].pop(key)
        if not self._idle[owner]:
            del self._idle[owner]
        return array

    def _idle_victims(self) -> Iterator[tuple[K, Array]]:
        """Idle chunks, of whoever has most first; nothing is let go of meanwhile."""
        owned = dict(self._owned)
        rest = {owner: iter(shelf.items()) for owner, shelf in self._idle.items()}
        while rest:
            most = max(rest, key=lambda owner: owned[owner])
            victim = next(rest[most], None)
            if victim is None:
                del rest[most]
                continue
            owned[most] -= victim[1].nbytes
            yield victim
        if not self.reserved:  # else there is room soon: what is on its way needs less in the end
            yield from self._base.items()

    def _make_room(self, lacking: int, rank: int | None) -> bool:
        victims: list[K] = []
        for key, array in self._idle_victims():
            if lacking <= 0:
                break
            victims.append(key)
            lacking -= array.nbytes
        if lacking > 0 and rank is not None:
            ranks = self._ranks
            for key in sorted(self._wanted, key=lambda k: ranks[k], reverse=True):
                if lacking <= 0 or ranks[key] <= rank:
                    break
                victims.append(key)
                lacking -= self._wanted[key].nbytes
        if lacking > 0:
            return False
        for key in victims:
            self._let_go(key)
        return True

    def _let_go(self, key: K) -> None:
        if key in self._wanted:
            array = self._wanted.pop(key)
            self.displaced += 1
        else:
            array = self._unshelve(key)
        self.used -= array.nbytes
        self._owned[self._owner(key)] -= array.nbytes
        if key in self._unseen:
            self._unseen.discard(key)
            self.wasted += array.nbytes
        self._base_keys.discard(key)
