"""Time until another process has an array: Opsin's shared arrays beside what the kernel needs.

Measured is from the moment the owner decides to send until the other process holds the array and
has read one element, on an idle Unix socket, without the calls of the RPC on top (by_ref and bare:
the best of 20).

* by_ref: an array that was born shared. Peer: bare descriptor passing (sendmsg, recvmsg, mmap).
* fresh: an ordinary array, copied into memory that the kernel has to zero first.
* recycled: the same, into memory that an earlier array left in the pool. Peer of both: one memcpy
  within one process into fresh pages of 4 KiB, which is all that shared memory has by default.
  (`numpy_copy` is NumPy's own, for private arrays, which may get huge pages where the kernel has
  some to give: several times as fast. Shared memory cannot, unless an administrator allows it.)
"""

from __future__ import annotations

import asyncio
import mmap
import multiprocessing
import os
import socket
import struct
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import msgspec
import numpy as np
from harness.side_by_side import Figure, alternate, arguments, conclude, medians

from opsin.rpc.arrays import Array
from opsin.rpc.codec import Placed
from opsin.rpc.frames import Frame
from opsin.rpc.pool import Pool
from opsin.rpc.segment import hold_of
from opsin.rpc.shared_arrays import SharedArrays, empty
from opsin.rpc.transports.unix_stream import UnixTransport

MEASURES = "milliseconds until another process has an array of 1, 64, 512 MiB"
SIZES = (1, 64, 512)
MIB = 2**20
TIME = struct.Struct("<d")

encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode


def receive_ours(connected: socket.socket) -> None:
    """A process that takes arrays and says when it has them."""

    async def run() -> None:
        transport, shared, ended = UnixTransport(connected), SharedArrays(), list[int]()
        shared.listen(ended.append)
        while True:
            try:
                frame = await transport.receive()
            except EOFError:
                await transport.close()
                return
            name, shape, strides, *rest = decode(frame.header)
            placed = Placed(name, tuple(shape), tuple(strides), *rest)
            array = shared.adopt(placed, frame.descriptors[0])
            int(array[0])
            now = time.perf_counter()  # the same clock in all processes
            del array
            await transport.send(Frame(encode([now, ended.pop()])))

    asyncio.run(run())


def receive_bare(connected: socket.socket) -> None:
    """The same with nothing but the calls that are needed."""
    while True:
        data, descriptors, _, _ = socket.recv_fds(connected, 8, 1)
        if not data:
            return
        mapping = mmap.mmap(descriptors[0], int.from_bytes(data, "little"), prot=mmap.PROT_READ)
        array = np.frombuffer(mapping, np.uint8)
        int(array[0])
        now = time.perf_counter()
        del array, mapping
        os.close(descriptors[0])
        connected.send(TIME.pack(now))


class Ours:
    """Opsin's Unix transport and shared arrays."""

    def __init__(self) -> None:
        self._connected, self._process = start(receive_ours)
        self._runner = asyncio.Runner()
        self._transport = self._runner.run(self._open())
        self.pool = Pool(limit=2**30)
        self._shared = SharedArrays(self.pool)

    async def _open(self) -> UnixTransport:
        return UnixTransport(self._connected)

    def __call__(self, array: Array) -> float:
        return self._runner.run(self._hand(array))

    async def _hand(self, array: Array) -> float:
        start = time.perf_counter()
        shared = self._shared.share(array)
        assert shared is not None, "there is no room"
        placed, descriptor = shared
        where = (placed.strides, placed.offset, placed.segment, placed.size)
        header = encode((placed.dtype, placed.shape, *where))
        await self._transport.send(Frame(header, b"", (descriptor,)))
        stop, lease = decode((await self._transport.receive()).header)
        self._shared.ended([lease])
        return float(stop - start) * 1e3

    def close(self) -> None:
        self._runner.run(self._transport.close())
        self._runner.close()
        self._process.join()


class Bare:
    """Descriptor passing and nothing else."""

    def __init__(self) -> None:
        self._connected, self._process = start(receive_bare)

    def __call__(self, descriptor: int, size: int) -> float:
        start = time.perf_counter()
        socket.send_fds(self._connected, [size.to_bytes(8, "little")], [descriptor])
        (stop,) = TIME.unpack(self._connected.recv(TIME.size))
        return float(stop - start) * 1e3

    def close(self) -> None:
        self._connected.close()
        self._process.join()


def start(target: Callable[[socket.socket], None]) -> tuple[socket.socket, BaseProcess]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = multiprocessing.get_context("spawn").Process(target=target, args=(theirs,))
        process.start()
    return ours, process


def memcpy(source: Array) -> float:
    start = time.perf_counter()
    fresh = mmap.mmap(-1, source.nbytes)
    np.frombuffer(fresh, np.uint8)[:] = source
    return (time.perf_counter() - start) * 1e3


def numpy_copy(source: Array) -> float:
    start = time.perf_counter()
    source.copy()
    return (time.perf_counter() - start) * 1e3


def measure(size: int, rounds: int, ours: Ours, bare: Bare) -> list[Figure]:
    """One size, in MiB."""
    ordinary = np.full(size * MIB, 7, np.uint8)
    born_shared = empty(size * MIB, np.uint8, pool=ours.pool)
    born_shared[:] = 7
    hold = hold_of(born_shared)
    assert hold is not None
    segment = hold.segment

    def fresh() -> float:
        ours.pool.trim()
        return ours(ordinary)

    def recycled() -> float:
        for _ in range(2):
            ours(ordinary)
        return ours(ordinary)

    cases: dict[str, Callable[[], float]] = {
        "by_ref": lambda: min(ours(born_shared) for _ in range(20)),
        "bare": lambda: min(bare(segment.descriptor, segment.size) for _ in range(20)),
        "fresh": fresh,
        "recycled": recycled,
        "memcpy": lambda: memcpy(ordinary),
        "numpy_copy": lambda: numpy_copy(ordinary),
    }
    alternate(cases, 2)  # also what this computer itself has to fetch first
    found = medians(alternate(cases, rounds))
    pairs = [
        ("by_ref", "bare"),
        ("fresh", "memcpy"),
        ("recycled", "memcpy"),
        ("fresh", "numpy_copy"),
    ]
    return [
        Figure(f"array_{size}_{our}_vs_{peer}", "ms", found[our], found[peer], peer)
        for our, peer in pairs
    ]


def main() -> None:
    options = arguments(MEASURES).parse_args()
    rounds = options.rounds or (5 if options.quick else 15)
    ours, bare = Ours(), Bare()
    figures = [figure for size in SIZES for figure in measure(size, rounds, ours, bare)]
    ours.close()
    bare.close()
    conclude(MEASURES, figures, options.json)


if __name__ == "__main__":
    main()
