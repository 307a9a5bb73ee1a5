"""Large arrays are copied beside the event loop, which goes on meanwhile; others in it, at once."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from opsin.rpc import values
from opsin.rpc.arrays import Array
from opsin.rpc.peer import Peer
from opsin.rpc.pool import Pool
from opsin.rpc.shared_arrays import SharedArrays, available, empty
from opsin.rpc.transports.unix_stream import UnixTransport
from tests.rpc.joined import settled
from tests.rpc.process import nothing_leaks
from tests.rpc.running import run

pytestmark = pytest.mark.skipif(not available(), reason="no shared arrays here")

LARGE = values.WORTH_A_THREAD


class Service:
    async def same(self, *args: Any, **kwargs: Any) -> list[float]:
        return [float(one.mean()) for one in (*args, *kwargs.values())]

    async def give(self, size: int, several: bool) -> Any:
        array = np.full(size, 7, np.uint8)
        return [array, 1, array.reshape(2, -1).T] if several else array

    def give_blocking(self, size: int) -> Any:
        return np.full(size, 7, np.uint8)

    async def planes(self, size: int) -> AsyncIterator[Array]:
        yield np.full(size, 7, np.uint8)


class Watched(SharedArrays):
    """Knows which copies were made in the event loop."""

    def __init__(self, pool: Pool, *, trusted: bool = True) -> None:
        super().__init__(pool, trusted=trusted)
        self.loop = threading.get_ident()
        self.copies: list[bool] = []

    def _copy(self, array: Array) -> Any:
        self.copies.append(threading.get_ident() == self.loop)
        return super()._copy(array)


@pytest.mark.parametrize("trusted", [True, False])
def test_large_arrays_are_copied_in_a_thread(trusted: bool) -> None:
    pool = Pool()

    async def work() -> None:
        ours, theirs = socket.socketpair()
        there, here = Watched(pool, trusted=trusted), Watched(pool, trusted=trusted)
        async with (
            Peer(UnixTransport(theirs), Service(), segments=there) as server,
            Peer(UnixTransport(ours), segments=here) as client,
        ):
            service = await client.root()
            array = np.full((2, LARGE), 3, np.uint8)
            assert await service.same(array, 1.5 * np.ones(9), key=array.T) == [3, 1.5, 3]
            assert here.copies == [False, False]
            for got in (
                await service.give(LARGE, several=False),
                (await service.give(LARGE, several=True))[2],
                await service.give_blocking(LARGE),
                await service.planes(LARGE).__aiter__().__anext__(),
            ):
                assert (got == 7).all()
            assert there.copies == [False] * 5
            assert await service.same(array[:, :70_000]) == [3]
            assert here.copies == [False, False, True], "a thread would take longer than the copy"
            if trusted:
                born = empty(LARGE, np.uint8, pool=pool)
                born[:] = 5
                assert await service.same(born) == [5]
                assert len(here.copies) == 3, "what is shared already is not copied"
                del born
            del got
            await settled(server, client)

    with nothing_leaks():
        run(work())
        pool.trim()


def test_a_call_can_be_given_up_while_its_array_is_copied() -> None:
    pool = Pool()
    copying, go_on = threading.Event(), threading.Event()

    class Slow(Watched):
        def _copy(self, array: Array) -> Any:
            copying.set()
            assert go_on.wait(10)
            return super()._copy(array)

    async def work() -> None:
        ours, theirs = socket.socketpair()
        async with (
            Peer(UnixTransport(theirs), Service(), segments=SharedArrays(pool)) as server,
            Peer(UnixTransport(ours), segments=Slow(pool)) as client,
        ):
            service = await client.root()
            task = asyncio.ensure_future(service.same(np.ones(LARGE, np.uint8)))
            await asyncio.to_thread(copying.wait, 10)
            assert await service.same(np.ones(3)) == [1], "others go on"
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()
            await settled(server, client)

    run(work())


def test_what_cannot_be_sent_is_refused_however_large() -> None:
    async def work() -> None:
        ours, theirs = socket.socketpair()
        async with (
            Peer(UnixTransport(theirs), Service(), segments=SharedArrays(Pool())),
            Peer(UnixTransport(ours), segments=SharedArrays(Pool())) as client,
        ):
            with pytest.raises(TypeError, match="Python objects"):
                await (await client.root()).same(np.full(LARGE // 8, None))

    run(work())
