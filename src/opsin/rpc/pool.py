"""Pool: the segments of a process, those in use and some that are kept to be used again.

Fresh memory has to be zeroed by the kernel, which takes several times as long as copying an array
into memory that is there already.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from opsin.rpc.segment import Hold, Segment

PAGE = 4096
IDLE_SHARE = 1 / 32
"""Of this computer's memory: what a pool keeps by default."""
DESCRIPTOR_SHARE = 1 / 4
"""Of the descriptors that this process may open: what segments may take."""
PER_SEGMENT = 1 if sys.version_info >= (3, 13) else 2
"""Descriptors that a mapped segment takes."""
WORTH_ASKING = 2**26
"""Bytes from which on the kernel is asked first whether it has so much."""

_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


class Pool:
    """Makes segments, and keeps those that nobody uses any more, to use them again.

    May be used from any thread, and by finalizers at any moment.

    Args:
        limit: bytes that are kept though nobody uses them.
        most: segments at one time, received ones too; what is beyond goes by copy.
    """

    def __init__(self, limit: int | None = None, most: int | None = None) -> None:
        self.limit = _memory_share() if limit is None else limit
        self.most = _descriptor_share() if most is None else most
        self._start()
        _pools.add(self)

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Segment] = []  # the longest unused first
        self._idle_bytes = self._bytes = self._count = 0
        self._returned: deque[Segment] = deque()

    @property
    def bytes(self) -> int:
        """All memory that this process has made as segments, in use or idle."""
        self._settle()
        return self._bytes

    @property
    def idle_bytes(self) -> int:
        """The part of it that nobody uses."""
        self._settle()
        return self._idle_bytes

    def take(self, size: int, content: memoryview | None = None, *, fixed: bool = False) -> Hold:
        """Memory of at least `size` bytes that begins with `content`; `fixed`: nobody can write.

        Raises:
            OSError: there is no room for it, or for another segment.
        """
        rounded = _round_up(max(size, 1), PAGE) if fixed else size_class(size)
        segment = None if fixed else self._reuse(rounded)
        if segment is None:
            return self._make(rounded, content, fixed)
        hold = self._hold(segment)
        if content is not None:
            segment.populate()
            np.copyto(np.asarray(hold)[: len(content)], np.frombuffer(content, np.uint8))
        return hold

    def receive(self, descriptor: int, size: int, *, fixed: bool, private: bool = False) -> Hold:
        """What holds a segment of another process, which is taken over if this succeeds.

        Raises:
            OSError: there is no room for another segment.
        """
        self._reserve(0)
        try:
            received = Segment.receive(descriptor, size, fixed=fixed, private=private)
            return self._hold(received)
        except BaseException:
            self._cancel(0)
            raise

    def trim(self, limit: int = 0) -> None:
        """Give back memory until at most `limit` bytes are idle."""
        self._settle()
        with self._lock:
            gone = self._evict(limit)
        _close(gone)
        self._settle()

    def _make(self, size: int, content: memoryview | None, fixed: bool) -> Hold:
        self._reserve(size)
        try:
            try:
                _ask_for_room(size)
                return self._hold(Segment.make(size, content, fixed=fixed))
            except OSError:
                if not self._idle:
                    raise
            self.trim()
            _ask_for_room(size)
            return self._hold(Segment.make(size, content, fixed=fixed))
        except BaseException:
            self._cancel(size)
            raise

    def _reuse(self, size: int) -> Segment | None:
        self._settle()
        found = None
        with self._lock:
            for number in range(len(self._idle) - 1, -1, -1):  # the caches know the latest best
                if self._idle[number].size == size:
                    self._idle_bytes -= size
                    found = self._idle.pop(number)
                    break
        self._settle()
        return found

    def _hold(self, segment: Segment) -> Hold:
        hold = Hold(segment)
        weakref.finalize(hold, self._give_back, segment).atexit = False
        return hold

    def _reserve(self, size: int) -> None:
        """Count a segment that is to come."""
        self._settle()
        gone: list[Segment] = []
        with self._lock:
            if self._count >= self.most and self._idle:
                gone = [self._drop(self._idle.pop(0))]
            full = self._count >= self.most
            if not full:
                self._count += 1
                self._bytes += size
        _close(gone)
        self._settle()
        if full:
            raise OSError(errno.EMFILE, f"There are {self.most} segments already")

    def _cancel(self, size: int) -> None:
        with self._lock:
            self._count -= 1
            self._bytes -= size
        self._settle()

    def _give_back(self, segment: Segment) -> None:
        """A finalizer: comes at any moment, also while this very thread is at work here."""
        if segment.process != os.getpid():
            segment.close()
            return
        self._returned.append(segment)
        self._settle()

    def _settle(self) -> None:
        """Sort in what came back. If somebody is at work here, he does it when he has finished."""
        if not self._returned:
            return
        gone: list[Segment] = []
        while self._returned and self._lock.acquire(blocking=False):
            try:
                while self._returned:
                    segment = self._returned.popleft()
                    if segment.recyclable and segment.size <= self.limit:
                        self._idle.append(segment)
                        self._idle_bytes += segment.size
                    else:
                        self._count -= 1
                        self._bytes -= segment.size if segment.ours else 0
                        gone.append(segment)
                gone += self._evict(self.limit)
            finally:
                self._lock.release()
        _close(gone)

    def _evict(self, limit: int) -> list[Segment]:
        gone = []
        while self._idle_bytes > limit:
            gone.append(self._drop(self._idle.pop(0)))
        return gone

    def _drop(self, segment: Segment) -> Segment:
        self._idle_bytes -= segment.size
        self._bytes -= segment.size
        self._count -= 1
        return segment

    def forget(self) -> None:
        """In a fork: the memory is the parent's, who will use it again."""
        segments = [*self._idle, *self._returned]
        self._start()
        _close(segments)


@functools.cache
def default_pool() -> Pool:
    """The pool of this process."""
    return Pool()


def size_class(size: int) -> int:
    """The size of a segment for so many bytes: up to an eighth more, so that similar arrays fit."""
    step = max(PAGE, 2 ** max(0, (size - 1).bit_length() - 4))
    return _round_up(max(size, 1), step)


def _round_up(size: int, step: int) -> int:
    return -(-size // step) * step


def _close(segments: Sequence[Segment]) -> None:
    for segment in segments:
        segment.close()


def _ask_for_room(size: int) -> None:
    """Raise OSError if the computer has not so much memory. The kernel itself would not refuse it:
    it would end processes until there is room.
    """
    if size < WORTH_ASKING:
        return
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return
    available = next((line for line in lines if line.startswith("MemAvailable:")), "")
    if available and size > int(available.split()[1]) * 1024:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def _memory_share() -> int:
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * IDLE_SHARE)


def _descriptor_share() -> int:
    import resource  # not on Windows, where there are no segments

    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        allowed = 2**16
    return max(8, int(allowed * DESCRIPTOR_SHARE / PER_SEGMENT))


def _after_fork() -> None:
    for pool in list(_pools):
        pool.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
