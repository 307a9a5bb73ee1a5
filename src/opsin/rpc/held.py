"""Held: objects of the other side that are held here, and how they are let go."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Protocol

from opsin.errors import UsageError
from opsin.rpc.codec import THING, ObjectInfo
from opsin.rpc.objects import ROOT


class Requests(Protocol):
    """The peer, as remotes need it: what makes calls of the other side."""

    loop: asyncio.AbstractEventLoop

    def call(
        self,
        held: Held,
        path: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        blocking: bool = False,
    ) -> Coroutine[Any, Any, Any]:
        """The result of a call. Cancelling this cancels the call."""

    def stream(
        self,
        held: Held,
        path: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        blocking: bool = False,
    ) -> AsyncIterator[Any]:
        """The items that a call yields."""


class Held:
    """An object of the other side. When the last remote of it is gone, so is this."""

    __slots__ = ("__weakref__", "_finalizer", "info", "peer", "times")

    def __init__(self, peer: Requests, info: ObjectInfo) -> None:
        self.peer = peer
        self.info = info
        self.times = [0]
        """How often it has come; in a list, which the finalizer can hold without holding this."""
        self._finalizer: weakref.finalize[..., Held] | None = None

    @property
    def number(self) -> int:
        """The object's number at its owner.

        Raises:
            UsageError: it was released here.
        """
        if self.is_released:
            raise UsageError(f"The remote {self.info.name!r} was released, and cannot be used.")
        return self.info.object

    @property
    def is_released(self) -> bool:
        return self._finalizer is not None and not self._finalizer.alive

    def let_go_by(self, drop: Callable[[int, list[int]], None]) -> None:
        """Call `drop`, once, when this is collected or released."""
        self._finalizer = weakref.finalize(self, drop, self.info.object, self.times)
        self._finalizer.atexit = False  # the link ends with the process

    def release(self) -> None:
        """Let go now. Idempotent."""
        if self._finalizer is not None:
            self._finalizer()


class HeldTable:
    """What one peer holds of the other's.

    Args:
        wake: called, from any thread, when there is something to let go.
    """

    def __init__(self, peer: Requests, wake: Callable[[], None]) -> None:
        self._peer = peer
        self._wake = wake
        self._held: weakref.WeakValueDictionary[int, Held] = weakref.WeakValueDictionary()
        self._objects: deque[tuple[int, int]] = deque()  # appended to by finalizers, anywhere
        self._segments: deque[int] = deque()
        self.root = Held(peer, ObjectInfo(ROOT, THING, "root"))  # never counted, never released

    def __len__(self) -> int:
        return sum(not held.is_released for held in self._held.values())

    def receive(self, info: ObjectInfo) -> Held:
        """The object that has come once more."""
        held = self._held.get(info.object)
        if held is None or held.is_released:
            held = self._held[info.object] = Held(self._peer, info)
            held.let_go_by(self._drop_object)
        held.times[0] += 1
        return held

    def drop_segment(self, segment: int) -> None:
        """A lease is gone. Called from any thread."""
        self._segments.append(segment)
        self._wake()

    def take_dropped(self) -> tuple[list[tuple[int, int]], list[int]]:
        """What is gone since this was last called."""
        objects: Counter[int] = Counter()
        while self._objects:
            number, times = self._objects.popleft()
            objects[number] += times
        segments = [self._segments.popleft() for _ in range(len(self._segments))]
        return list(objects.items()), segments

    def _drop_object(self, number: int, times: list[int]) -> None:
        self._objects.append((number, times[0]))
        self._wake()
