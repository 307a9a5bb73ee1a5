from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from opsin.errors import ConnectionLost, UsageError
from opsin.rpc.blocking import BlockingRemote
from opsin.rpc.objects import by_reference
from tests.rpc.joined import settled, two_peers
from tests.rpc.running import run, until
from tests.rpc.services import Counter, Service

MIB = 2**20


def test_callbacks_at_any_depth() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (server, client):
            root = await client.root()

            async def double(x: int) -> int:
                return 2 * x

            assert await root.call_back(lambda i: i + 1, 3) == [1, 2, 3]
            assert await root.call_back(double, 3) == [0, 2, 4]
            assert await root.call_back_async(double, 4) == 8
            answer = await root.echo({"deep": [[double]]})
            assert answer["deep"][0][0] is double, "it came home"
            del answer
            await settled(server, client)

    run(main())


@pytest.mark.parametrize("depth", [80])
def test_calls_nest_in_both_directions(depth: int) -> None:
    """Deeper than there are threads."""

    async def main() -> None:
        async with two_peers(Service(), Service()) as (one, other):
            root = await other.root()

            async def back(n: int) -> Any:
                return await root.nest(back, n)

            assert await root.nest(back, depth) == depth
            blocking_root = BlockingRemote(root._held)

            def back_blocking(n: int) -> Any:
                return blocking_root.nest_blocking(back_blocking, n)

            assert await root.nest_blocking(back_blocking, depth) == depth
            await settled(one, other)

    run(main())


def test_ten_thousand_callbacks_leave_empty_tables() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (server, client):
            root = await client.root()
            for start in range(0, 10_000, 500):
                calls = [
                    root.call_back_async(lambda x, i=i: x + i, 1) for i in range(start, start + 500)
                ]
                assert await asyncio.gather(*calls) == [i + 1 for i in range(start, start + 500)]
                del calls
            await settled(server, client)

    run(main())


def test_a_remote_that_is_kept_lives_and_another_dies() -> None:
    async def main() -> None:
        service = Service()
        async with two_peers(service) as (server, client):
            root = await client.root()
            await root.keep(lambda: "kept")
            gc.collect()
            await until(lambda: len(client.values.objects) == 1)
            assert await root.use_kept() == "kept"
            await root.forget()
            await settled(server, client)
            await root.echo(len)
            await settled(server, client)

    run(main())


def test_remotes_are_released_when_dropped_by_with_and_at_the_end() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (server, client):
            root = await client.root()
            counter = await root.counter()
            assert await counter.add() == 1
            again = await root.call_back_async(root.echo, counter)
            assert again == counter
            del counter, again
            await settled(server, client)
            with await root.counter() as counter:
                assert await counter.add() == 1
            with pytest.raises(UsageError, match="was released"):
                await counter.add()
            async with await root.counter() as counter:
                pass
            counter.release()
            await settled(server, client)
            held = [await root.counter() for _ in range(10)]
            threading.Thread(target=held.clear).start()
            await settled(server, client)
            left = await root.counter()
        assert len(server.values.objects) == 0
        with pytest.raises(ConnectionLost):
            await left.add()

    run(main())


def an_object_is_pinned_during_a_call() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (server, client):

            @by_reference
            class Waiter:
                async def wait(self, event: Any) -> int:
                    await event()
                    return len(server.values.objects)

            waiting = Waiter()
            server.values.objects.root = {"get": lambda: waiting}
            waiter = await (await client.root()).get()

            async def release() -> None:
                waiter.release()
                for _ in range(20):
                    await asyncio.sleep(0)

            assert await waiter.wait(release) == 2, "the root and the waiter"
            await settled(server, client)

    run(main())


def test_an_object_is_pinned_during_a_call() -> None:
    an_object_is_pinned_during_a_call()


def test_pins_matter() -> None:
    with (
        patch("opsin.rpc.objects.ObjectTable.pin", lambda *_: None),
        patch("opsin.rpc.objects.ObjectTable.unpin", lambda *_: None),
        pytest.raises(AssertionError),
    ):
        an_object_is_pinned_during_a_call()


def a_remote_lives_until_the_message_that_names_it_has_arrived(seconds: float = 10) -> None:
    async def main() -> None:
        service = Service()
        async with two_peers(service) as (server, client):
            root = await client.root()
            counter = await root.counter()
            client.notify(root.note, [counter, np.zeros(20 * MIB, np.uint8)])
            del counter  # its release would overtake the array
            await until(lambda: service.log)
            assert isinstance(service.log[0][0], Counter)
            await settled(server, client)

    run(main(), seconds)


def test_a_remote_lives_until_the_message_that_names_it_has_arrived() -> None:
    a_remote_lives_until_the_message_that_names_it_has_arrived()


def test_keeping_it_matters() -> None:
    class Forgetful(list[Any]):
        def append(self, _: Any) -> None: ...

    from opsin.rpc.packer import Packer

    original = Packer.__init__

    def forgetful(self: Packer, *args: Any) -> None:
        original(self, *args)
        self.remotes = Forgetful()

    with patch.object(Packer, "__init__", forgetful), pytest.raises(TimeoutError):
        a_remote_lives_until_the_message_that_names_it_has_arrived(0.5)


def test_a_value_that_cannot_be_sent_leaves_nothing_counted() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (server, client):
            root = await client.root()
            with pytest.raises(TypeError, match="cannot be sent"):
                await root.echo([lambda: 1, object()])
            server.values.objects.root = {"bad": lambda: [lambda: 1, object()]}
            with pytest.raises(TypeError, match="cannot be sent"):
                await root.bad()
            await settled(server, client)

    run(main())


def test_a_middleman_forwards_calls_streams_and_cancellation() -> None:
    async def main() -> None:
        service = Service()
        async with two_peers(service) as (_, near), two_peers() as (middle, user):
            far_root = await near.root()
            middle.values.objects.root = {"far": lambda: far_root}
            root = await (await user.root()).far()
            assert await root.echo(np.arange(3)) is not None
            assert await root.layers.counter.add(3) == 3
            assert await root.call_back(lambda x: x + 1, 2) == [1, 2]
            assert [n async for n in root.numbers(30)] == list(range(30))
            with pytest.raises(KeyError, match="from afar"):
                await root.fail(KeyError("from afar"))
            task = asyncio.create_task(root.wait())
            await service.started.wait()
            task.cancel()
            await until(lambda: "cancelled" in service.log)
            del root, task
            await settled(middle, user)

    run(main())
