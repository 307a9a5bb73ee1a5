"""Loading: the one loader that all layers of this process share, on an event loop of its own."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from opsin.chunks.cache import default_budget
from opsin.chunks.loader import Loader
from opsin.chunks.policy import EXPLORE
from opsin.images.image import Image
from opsin.images.points import Points

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that are waited for reads that run when the program ends."""
SHORT_PATIENCE = 0.3
"""Seconds that are waited for them when the last layer goes; meanwhile the window stands still."""


@dataclass
class _Used:
    """An image that the loader knows."""

    image: Image | Points
    number: int
    users: int = 0


class Loading:
    """A loader and its thread. It ends when the last layer that uses it has let go of it."""

    _lock = threading.Lock()
    _only: Loading | None = None
    _memory: int | None = None
    """Budget that somebody has set, for this loader and those after it."""
    frozen = False
    """Whether nothing more is loaded, so that one can look around what is here."""

    def __init__(self, memory: int) -> None:
        """Start; `memory` is its budget in bytes."""
        self._users = 0
        self._budget = memory
        self._numbers: dict[int, _Used] = {}
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(started)), name="opsin-napari", daemon=True
        )
        self._thread.start()
        started.result()

    @classmethod
    def use(cls, memory: int | None = None) -> Loading:
        """The loader of this process, which is started if need be.

        Args:
            memory: budget in bytes from now on; None: as it is, at first a quarter of the
                computer's memory, at most 2 GiB.
        """
        with cls._lock:
            if cls._only is None:
                cls._only = Loading(memory or cls._memory or default_budget())
            elif memory is not None:
                cls._only._set_budget(memory)
            cls._only._users += 1
            return cls._only

    @classmethod
    def current(cls) -> Loading | None:
        """The loader of this process, if layers use one now; it may end at any time."""
        return cls._only

    @classmethod
    def memory(cls) -> int:
        """Its budget in bytes, or that which the next one will have."""
        return cls._only._budget if cls._only else cls._memory or default_budget()

    @classmethod
    def set_memory(cls, memory: int) -> None:
        """Give it another budget, and those that come after it."""
        with cls._lock:
            cls._memory = memory
            if cls._only is not None:
                cls._only._set_budget(memory)

    def leave(self) -> None:
        """Use it no more."""
        with Loading._lock:
            self._users -= 1
            if self._users > 0 or Loading._only is not self:
                return
            Loading._only = None
        self.close(SHORT_PATIENCE)

    def close(self, patience: float = PATIENCE) -> None:
        """Let go of all chunks and end the thread, now or when its reads have come. Idempotent."""
        with suppress(RuntimeError):  # the loop has ended
            self.soon(self._ended.set)
        self._thread.join(patience)

    def soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function on the loop, in a moment."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def later(self, seconds: float, function: Callable[..., object], *arguments: object) -> None:
        """Call a function on the loop in so many seconds; to be called on the loop."""
        self._loop.call_later(seconds, function, *arguments)

    def result(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of what runs on the loop; to be called on another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def number(self, image: Image | Points) -> int:
        """The number of an image, or points, in the loader; to be called on the loop.

        Whoever calls this calls `forget` when it needs it no more.
        """
        known = self._numbers.get(id(image))
        if known is None:
            known = _Used(image, self.loader.add(image, lent=True))
            self._numbers[id(image)] = known
        known.users += 1
        return known.number

    def forget(self, image: Image | Points) -> None:
        """Somebody needs an image no more; to be called on the loop."""
        known = self._numbers.get(id(image))
        if known is None:
            return
        known.users -= 1
        if known.users == 0:
            del self._numbers[id(image)]
            self.loader.remove(known.number)

    async def _run(self, started: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        computing = max(1, (os.cpu_count() or 1) - 1)  # the window draws on a processor too
        self.loader = Loader(self._budget, fetches=EXPLORE.fetches, computing=computing)
        started.set_result(None)
        await self._ended.wait()
        with suppress(RuntimeError):  # at the end of the program no thread can wait for others
            await self.loader.close()
        self._numbers.clear()

    def _set_budget(self, memory: int) -> None:
        def now() -> None:
            cache = self.loader.cache
            cache.budget = memory
            cache.reserve(0, -1)  # lets go of what is too much now

        self._budget = memory
        self.soon(now)


@atexit.register
def _end() -> None:
    """Napari does not take its layers away when its window is closed."""
    if (only := Loading._only) is not None:
        only.close()
