"""Segment: one piece of memory that processes share, behind a file descriptor (Linux).

A segment is a memfd. It has no name anywhere: when the last process lets go of it, or is killed,
the kernel frees it. All its pages are allocated when it is made, because a page that cannot be
had later, at the first write, kills with SIGBUS. It is sealed, so that whoever gets its descriptor
can rely on its size, and can read but not write:

* *kept* (F_SEAL_FUTURE_WRITE): only the mapping that its owner made before sealing can write, so
  the owner can use the memory again;
* *fixed* (F_SEAL_WRITE): nobody can write any more, not even its owner, so it can be checked once
  and be relied upon for ever.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

import numpy as np

from opsin.errors import ProtocolError
from opsin.rpc.arrays import Array

if sys.platform != "win32":  # where there are no segments
    import fcntl

SEAL_SEAL, SEAL_SHRINK, SEAL_GROW, SEAL_WRITE, SEAL_FUTURE_WRITE = 1, 2, 4, 8, 16
ADD_SEALS, GET_SEALS = 1033, 1034
SIZE_SEALS = SEAL_SHRINK | SEAL_GROW
NOT_EXECUTABLE = 8
"""MFD_NOEXEC_SEAL, since Linux 6.3."""
POPULATE_WRITE = 23
"""MADV_POPULATE_WRITE, since Linux 5.14."""
STEP = 2**22
"""Bytes that are populated at once: Python does not let other threads run meanwhile."""


class Segment:
    """A descriptor and a mapping of it, both owned.

    Attributes:
        size: bytes.
        descriptor: can be sent to other processes, which can read.
        address: where it is mapped here.
        fixed: nobody can change the content.
        ours: this process made it.
        private: it can be written to here, and nobody else sees that.
        recyclable: it may hold another array when nobody looks at this one any more.
        process: the process that it was made or received in; a fork has it too, but must not
            take it for its own.
    """

    __slots__ = (
        "_is_populated",
        "_mapping",
        "address",
        "descriptor",
        "fixed",
        "ours",
        "private",
        "process",
        "recyclable",
        "size",
    )

    def __init__(
        self, descriptor: int, size: int, *, fixed: bool, ours: bool, private: bool = False
    ) -> None:
        """Map a descriptor, which is taken over if this succeeds."""
        self._mapping = _map(descriptor, size, shared=ours and not fixed, writable=private)
        self.address: int = np.frombuffer(self._mapping, np.uint8).__array_interface__["data"][0]
        self.descriptor = descriptor
        self.size = size
        self.fixed = fixed
        self.ours = ours
        self.private = private
        self.recyclable = ours and not fixed
        self.process = os.getpid()
        self._is_populated = False

    @classmethod
    def make(cls, size: int, content: memoryview | None = None, *, fixed: bool = False) -> Segment:
        """A new segment that begins with `content`.

        Raises:
            OSError: there is no room for it, or for another descriptor.
        """
        descriptor = _memory_file()
        try:
            done = 0
            # Writing to the file is quicker than writing to fresh pages of a mapping.
            while content is not None and done < len(content):
                done += os.pwrite(descriptor, content[done:], done)
            if done < size:
                os.posix_fallocate(descriptor, done, size - done)
            if fixed:
                _seal(descriptor, SIZE_SEALS | SEAL_WRITE | SEAL_SEAL)
            made = cls(descriptor, size, fixed=fixed, ours=True)
        except BaseException:
            os.close(descriptor)
            raise
        if not fixed:
            _seal(descriptor, SIZE_SEALS | SEAL_FUTURE_WRITE | SEAL_SEAL)
        return made

    @classmethod
    def receive(cls, descriptor: int, size: int, *, fixed: bool, private: bool = False) -> Segment:
        """One that another process made, taken over if this succeeds. `check` it before.

        If it is `private`, pages are copied as they are written to.

        Raises:
            OSError: it cannot be mapped, for want of descriptors or mappings.
        """
        return cls(descriptor, size, fixed=fixed, ours=False, private=private)

    def populate(self) -> None:
        """Enter the pages into this process's page table, quicker than one by one as written to."""
        if self._is_populated:
            return
        self._is_populated = True
        with suppress(OSError):  # an older kernel
            for start in range(0, self.size, STEP):
                self._mapping.madvise(POPULATE_WRITE, start, min(STEP, self.size - start))

    def release_pages(self) -> None:
        """Take the pages out of this process's page table; their content stays as it is."""
        if self.private:
            return  # what was written to them would be lost
        self._is_populated = False
        self._mapping.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Let go of the memory. No array may be left that lies in it."""
        self._mapping.close()
        os.close(self.descriptor)


class Hold:
    """Keeps the content of a segment as it is; the base of every array that lies in it.

    Arrays and leases refer to it. When the last is gone, the pool gets the segment back.
    """

    __slots__ = ("__array_interface__", "__weakref__", "segment")

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.__array_interface__ = {  # how NumPy asks for memory
            "version": 3,
            "data": (segment.address, not segment.private and (not segment.ours or segment.fixed)),
            "shape": (segment.size,),
            "typestr": "|u1",
        }

    def array(
        self,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        strides: Sequence[int] | None = None,
        offset: int = 0,
        order: Literal["C", "F"] = "C",
    ) -> Array:
        """A view of the memory. NumPy checks that it stays within."""
        return np.ndarray(tuple(shape), dtype, np.asarray(self), offset, strides, order)


def hold_of(array: Array) -> Hold | None:
    """What holds the memory of an array, if it lies in a segment."""
    base: Any = array
    while True:
        if isinstance(base, np.ndarray):
            base = base.base
        elif isinstance(base, memoryview):
            base = base.obj
        else:
            return base if isinstance(base, Hold) else None


def check(descriptor: int, size: int) -> bool:
    """Whether what came is fixed.

    Raises:
        ProtocolError: it is no segment of that size, or something can take it away.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size != size or size == 0:
        raise ProtocolError(f"An array came with something that is no segment of {size} bytes.")
    seals = _seals(descriptor)
    if seals & SIZE_SEALS != SIZE_SEALS or not seals & (SEAL_WRITE | SEAL_FUTURE_WRITE):
        raise ProtocolError("An array came in a segment that is not sealed.")
    if status.st_blocks * 512 < size:  # reading would allocate, here
        raise ProtocolError("An array came in a segment that is not allocated.")
    return bool(seals & SEAL_WRITE)


def _memory_file() -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("opsin", flags | NOT_EXECUTABLE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create("opsin", flags)


def _seal(descriptor: int, seals: int) -> None:
    fcntl.fcntl(descriptor, ADD_SEALS, seals)


def _seals(descriptor: int) -> int:
    try:
        return fcntl.fcntl(descriptor, GET_SEALS)
    except OSError:  # not a memfd
        return 0


def _map(descriptor: int, size: int, *, shared: bool, writable: bool) -> mmap.mmap:
    # Private: older kernels map nothing shared that is sealed against writing. What is only read
    # is never copied.
    flags = mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE
    protection = mmap.PROT_READ | (mmap.PROT_WRITE if shared or writable else 0)
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, size, flags, protection, trackfd=False)
    return mmap.mmap(descriptor, size, flags, protection)  # keeps a second descriptor
