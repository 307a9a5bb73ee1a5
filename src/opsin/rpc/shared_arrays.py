"""Shared arrays: arrays that reach another process of this computer without being copied.

    image = shared_arrays.empty((4096, 4096), "uint16")     # born shared: sending it costs nothing
    shared = SharedArrays()                                 # one for each session

An array travels as the descriptor of the segment it lies in (protocol/RPC.md, "Shared memory").
One that was not born shared is copied once, into a segment. Between processes that have the same
segment the array is the *same memory*: what its owner writes after sending, the other side sees;
who received it cannot write. An array that came from another process and is sent on takes its
descriptor with it; its memory is not touched on the way.

Each sending is a lease of its own, with a number of its own. The memory is used again only when
every lease was given back and every local array is gone. When a session ends with leases still out,
nobody knows who looks at the memory, so it is never used again: the kernel frees it with the last
process that has it.
"""

from __future__ import annotations

import errno
import functools
import itertools
import math
import operator
import os
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from opsin.errors import BudgetExceeded, ProtocolError
from opsin.rpc import segment as segments
from opsin.rpc.arrays import (
    Array,
    array_from,
    check_layout,
    dtype_name,
    dtype_of,
    plain_bytes,
)
from opsin.rpc.codec import LARGEST_INLINE, Placed
from opsin.rpc.pool import Pool, default_pool
from opsin.rpc.segment import Hold, Segment, hold_of

IS_LITTLE = sys.byteorder == "little"
"""As arrays travel."""


@functools.cache
def available() -> bool:
    """Arrays can be shared here: Linux, with memfd and seals. Else they travel by buffer."""
    if not sys.platform.startswith("linux") or not hasattr(os, "memfd_create"):
        return False
    try:
        Segment.make(1).close()
    except (OSError, ValueError):
        return False
    return True


def empty(
    shape: SupportsIndex | Sequence[SupportsIndex],
    dtype: DTypeLike = float,
    order: Literal["C", "F"] = "C",
    pool: Pool | None = None,
) -> Array:
    """A new array with arbitrary content, in memory that other processes can see without copying.

    An array that would travel in a message anyway (up to 64 KiB), or that finds no free descriptor,
    is an ordinary one.

    Raises:
        TypeError: arrays of this dtype hold Python objects.
        BudgetExceeded: there is not so much memory.
    """
    dtype = np.dtype(dtype)
    if dtype.hasobject:
        raise TypeError(f"An array of Python objects ({dtype}) cannot lie in shared memory.")
    shape = (shape,) if isinstance(shape, SupportsIndex) else shape
    sides = tuple(map(operator.index, shape))
    size = math.prod(sides) * dtype.itemsize
    if size <= LARGEST_INLINE or not available():
        return np.empty(sides, dtype, order)
    try:
        hold = (default_pool() if pool is None else pool).take(size)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return np.empty(sides, dtype, order)
        raise BudgetExceeded(
            f"There is no room for an array of {size} bytes in shared memory: {error.strerror}."
        ) from None
    return hold.array(sides, dtype, order=order)


def release_pages(array: Array) -> None:
    """Let the memory of a large shared array not count for this process until it is touched again.

    What is in it stays, for all who have it. An ordinary array is left as it is.
    """
    hold = hold_of(array)
    if hold is not None:
        hold.segment.release_pages()


class SharedArrays:
    """The arrays that one session shares: what it lends and what it borrows.

    Args:
        pool: where memory comes from; by default that of this process.
        trusted: the other side does not change what it sent after it was looked at, and may see
            what was in used memory before. If not, arrays go out in segments of their own, which
            nobody can write to, and what comes in a segment that somebody can is copied.
        private: what comes can be written to here: pages are copied as that is done, and the other
            side does not see it.
    """

    def __init__(
        self, pool: Pool | None = None, *, trusted: bool = True, private: bool = False
    ) -> None:
        self._pool = default_pool() if pool is None else pool
        self._trusted = trusted
        self._private = private
        self._numbers = itertools.count(1)
        self._lent: dict[int, Hold] = {}
        self._borrowed: weakref.WeakValueDictionary[int, Hold] = weakref.WeakValueDictionary()
        self._dropped: Callable[[int], None] | None = None
        self._process = os.getpid()
        self._closed = False

    @property
    def lent(self) -> int:
        """Leases that the other side has."""
        return len(self._lent)

    def listen(self, dropped: Callable[[int], None]) -> None:
        """Call `dropped`, from any thread, with the number of every lease of ours that ends."""
        self._dropped = dropped

    def share(self, array: Array) -> tuple[Placed, int] | None:
        """Lease the memory of an array to the other side; None: it has to go by buffer.

        An array that lies in a segment is leased as it is; another is copied into one.
        """
        if self._closed or not available():
            return None
        name = dtype_name(array.dtype)
        found = self._as_it_is(array)
        if found is None:
            try:
                found = self._copy(array)
            except OSError:  # no room: by buffer it needs none
                return None
        hold, shared, offset = found
        number = next(self._numbers)
        self._lent[number] = hold
        segment = hold.segment
        placed = Placed(name, shared.shape, shared.strides, offset, number, segment.size)
        return placed, segment.descriptor

    def copied(self, array: Array) -> Array:
        """The same content, where `share` need not copy it. May be called from any thread."""
        if self._closed or not available():
            return array
        dtype_name(array.dtype)
        try:
            _, shared, _ = self._copy(array)
        except OSError:  # no room
            return array
        return shared

    def adopt(self, placed: Placed, descriptor: int | None) -> Array:
        """The array that the other side placed there; takes the descriptor over.

        It is read-only, if what comes is not `private`.

        The lease ends with the last view of the array, or at once where the array is copied:
        because the other side is not trusted, or for want of descriptors.

        Raises:
            ProtocolError: the segment is not what `placed` says. The descriptor is closed.
        """
        try:
            dtype = dtype_of(placed.dtype)
            check_layout(dtype, placed.shape, placed.strides, placed.offset, placed.size)
            if descriptor is None:
                return self._borrow(self._known(placed), placed, dtype)
            fixed = segments.check(descriptor, placed.size)
            hold = self._receive(descriptor, placed.size, fixed)
            if hold is not None:
                descriptor = None
                return self._borrow(hold, placed, dtype)
            array = _read(descriptor, placed, dtype)
        except ProtocolError:
            self._gone(placed.segment)
            raise
        finally:
            if descriptor is not None:
                os.close(descriptor)
        self._gone(placed.segment)
        return array

    def ended(self, leases: Sequence[int]) -> None:
        """The other side gave these leases back, or never got them.

        Raises:
            ProtocolError: there is no such lease.
        """
        for number in leases:
            if self._lent.pop(number, None) is None:
                raise ProtocolError(f"A lease came back that was not out: {number}.")

    def close(self) -> None:
        """The session is over. Leases that are out never come back. Adopted arrays live on."""
        self._closed = True
        self._dropped = None
        for hold in self._lent.values():
            hold.segment.recyclable = False
        self._lent.clear()

    def _as_it_is(self, array: Array) -> tuple[Hold, Array, int] | None:
        """What holds an array that can be lent without a copy, and where in the segment it lies."""
        hold = hold_of(array)
        if hold is None or not IS_LITTLE or not array.dtype.isnative:
            return None
        segment = hold.segment
        if not (self._trusted or segment.fixed) or segment.process != os.getpid():
            return None
        if segment.private:  # others have the memory as it came, without what was written to it
            return None
        offset: int = array.__array_interface__["data"][0] - segment.address
        if not array.flags.forc:
            try:
                check_layout(array.dtype, array.shape, array.strides, offset, segment.size)
            except ProtocolError:  # elements share memory, as those of a broadcast array do
                return None
        return hold, array, offset

    def _copy(self, array: Array) -> tuple[Hold, Array, int]:
        little = array.dtype.newbyteorder("<")
        order: Literal["C", "F"] = "C"
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            order, array = "F", array.T
        straight = array.flags.c_contiguous and array.dtype == little
        if straight or not self._trusted:
            hold = self._pool.take(array.nbytes, plain_bytes(array), fixed=not self._trusted)
            shared = hold.array(array.shape, little)
        else:
            hold = self._pool.take(array.nbytes)
            shared = hold.array(array.shape, little)
            np.copyto(shared, array)
        return hold, shared.T if order == "F" else shared, 0

    def _known(self, placed: Placed) -> Hold:
        hold = self._borrowed.get(placed.segment)
        if hold is None or hold.segment.size != placed.size:
            raise ProtocolError(f"An array lies in segment {placed.segment}, which is not here.")
        return hold

    def _receive(self, descriptor: int, size: int, fixed: bool) -> Hold | None:
        """What holds a segment of theirs, which is taken over; None if it has to be copied."""
        if not self._trusted and not fixed:
            return None
        try:
            return self._pool.receive(descriptor, size, fixed=fixed, private=self._private)
        except OSError:  # no room for one more mapping
            return None

    def _borrow(self, hold: Hold, placed: Placed, dtype: np.dtype[Any]) -> Array:
        self._borrowed[placed.segment] = hold
        weakref.finalize(hold, self._gone, placed.segment).atexit = False
        return hold.array(placed.shape, dtype, placed.strides, placed.offset)

    def _gone(self, number: int) -> None:
        """A lease of ours has ended. A finalizer: comes at any moment, in any thread."""
        dropped = self._dropped
        if dropped is not None and self._process == os.getpid():
            dropped(number)


def _read(descriptor: int, placed: Placed, dtype: np.dtype[Any]) -> Array:
    """A copy, of which nobody else knows."""
    steps = [(side - 1) * stride for side, stride in zip(placed.shape, placed.strides, strict=True)]
    first = placed.offset + sum(step for step in steps if step < 0)
    last = placed.offset + sum(step for step in steps if step > 0) + dtype.itemsize
    if 0 in placed.shape:
        first = last = placed.offset
    memory = memoryview(bytearray(last - first))
    done = 0
    while done < len(memory):
        count = os.preadv(descriptor, [memory[done:]], first + done)
        if count == 0:
            raise ProtocolError("A segment is shorter than it was.")
        done += count
    return array_from(dtype, placed.shape, memory, placed.strides, placed.offset - first)
