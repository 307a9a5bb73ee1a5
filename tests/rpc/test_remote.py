from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol, assert_type

import pytest

from opsin.errors import UsageError
from opsin.rpc.blocking import BlockingRemote
from opsin.rpc.objects import by_reference
from opsin.rpc.remote import Remote, typed
from tests.rpc.joined import settled, two_peers
from tests.rpc.services import Counter, Service


class Echo(Protocol):
    """What a caller knows of the service; mypy checks the calls below against it."""

    async def blocking(self, x: int, key: int = 0) -> list[int]: ...

    async def counter(self) -> Counter: ...

    def numbers(self, count: int) -> AsyncIterator[int]: ...


def test_a_protocol_types_its_remote() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (_, client):
            root = await client.root(Echo)
            assert_type(root, Echo)
            found = await root.blocking(1, key=2)
            assert_type(found, list[int])
            assert found == [1, 2]
            counter = await root.counter()  # a class types its remote as well
            assert_type(await counter.add(3), int)
            async for number in root.numbers(2):
                assert_type(number, int)
            again = typed(await client.root(), Echo)
            assert_type(again, Echo)
            await root.blocking("not a number")  # type: ignore[arg-type] # mypy sees it
            with pytest.raises(AttributeError, match="no public method"):
                await root.nothing()  # type: ignore[attr-defined] # this too
            untyped = await client.root()
            assert_type(untyped, Any)

    asyncio.run(main())


def test_remotes_of_one_object_are_equal() -> None:
    async def main() -> None:
        counter = Counter()
        async with two_peers({"get": lambda: counter}) as (server, client):
            root = await client.root()
            one, other = await root.get(), await root.get()
            assert one == other
            assert hash(one) == hash(other)
            assert one != root
            assert one.add == other.add
            assert one.add != one.numbers
            assert one != "counter"
            assert {one: 1}[other] == 1
            assert len(server.values.objects) == 2
            del one
            assert await other.add() == 1
            del other
            await settled(server, client)

    asyncio.run(main())


def test_a_method_named_release_is_reached_by_its_path() -> None:
    @by_reference
    class Lock:
        held = True

        async def release(self) -> bool:
            self.held = False
            return self.held

    async def main() -> None:
        async with two_peers({"lock": Lock()}) as (_, client):
            root = await client.root()
            assert await root.lock.release() is False

    asyncio.run(main())


def test_what_a_remote_says_of_itself() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (_, client):
            root = await client.root()
            counter = await root.counter()
            assert repr(counter) == "<remote Counter>"
            assert repr(counter.add) == "<remote Counter.add>"
            assert dir(counter) == ["add", "numbers", "release"]
            assert not hasattr(counter, "_private")

    asyncio.run(main())


def test_plain_functions_get_blocking_remotes_and_coroutines_get_awaitable_ones() -> None:
    kinds: list[type] = []

    def plain(remote: Any) -> Any:
        kinds.append(type(remote))
        with remote as counter:
            values = [counter.add(), counter.add(k=2), *counter.numbers(3)]
        with pytest.raises(UsageError, match="released"):
            counter.add()
        return values

    async def coroutine(remote: Any) -> Any:
        kinds.append(type(remote))
        return await remote.add()

    async def main() -> None:
        async with two_peers({"plain": plain, "coroutine": coroutine}) as (server, client):
            root = await client.root()
            assert await root.plain(Counter()) == [1, 3, 0, 1, 2]
            assert await root.coroutine(Counter()) == 1
            assert kinds == [BlockingRemote, Remote]
            await settled(server, client)

    asyncio.run(main())


def test_a_blocking_call_in_the_event_loop_is_refused() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (_, client):
            root = BlockingRemote((await client.root())._held)
            with pytest.raises(UsageError, match="waits for itself"):
                root.echo(1)

    asyncio.run(main())
