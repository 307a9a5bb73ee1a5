from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from opsin.errors import Cancelled, NotFound, ProtocolError, RemoteError, UsageError
from opsin.rpc.progress import progress, progress_to
from tests.rpc.joined import settled, two_peers
from tests.rpc.running import run, until
from tests.rpc.services import Service

MIB = 2**20


# ---------------------------------------------------------------------- calls


def test_calls_of_all_kinds() -> None:
    async def main() -> None:
        service = Service()
        async with two_peers(service) as (server, client):
            root = await client.root()
            assert await root.echo() is None
            assert await root.echo({"a": [1, (2,)]}) == {"a": [1, [2]]}
            assert await root.echo(1, key="x") == [1, {"key": "x"}]
            assert await root.blocking(3, key=4) == [3, 4]
            assert service.log == ["opsin rpc"]
            assert await root.layers.counter.add(k=5) == 5
            image = np.arange(10**6, dtype=np.uint16).reshape(1000, 1000)
            np.testing.assert_array_equal(await root.echo(image[::2].T), image[::2].T)
            found = await asyncio.gather(*(root.echo(i) for i in range(200)))
            assert found == list(range(200))
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(root.blocking(i)) for i in range(100)]
            assert [task.result() for task in tasks] == [[i, 0] for i in range(100)]
            await settled(server, client)

    run(main())


def test_both_sides_serve() -> None:
    async def main() -> None:
        async with two_peers(Service(), Service()) as (one, other):
            assert await (await one.root()).echo(1) == await (await other.root()).echo(1) == 1

    run(main())


def test_a_dict_or_a_function_can_be_the_root() -> None:
    async def main() -> None:
        async with two_peers({"math": {"add": lambda a, b: a + b}}) as (_, client):
            assert await (await client.root()).math.add(1, 2) == 3
        async with two_peers(lambda x: x + 1) as (_, client):
            assert await (await client.root())(1) == 2
        async with two_peers() as (_, client):
            with pytest.raises(UsageError, match="no service"):
                await (await client.root()).anything()

    run(main())


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "layers",
        "layers.nothing",
        "layers._hidden.add",
        "__init__",
        "__class__",
        "layers.__dict__.clear",
        "layers.array.tofile",
        "layers.function.__globals__",
        "layers.function.func_globals.get",
        "echo.cr_frame",
        "kept.append",
        "layers..counter",
        "layers.counter.n.bit_length",
    ],
)
def test_what_is_not_a_public_method_cannot_be_reached(path: str) -> None:
    async def main() -> None:
        async with two_peers(Service()) as (_, client):
            root = await client.root()
            with pytest.raises(AttributeError, match=r"has no public method|cannot be called"):
                await client.call(root._held, path, (), {})

    run(main())


def test_private_names_stay_here() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (_, client):
            root = await client.root()
            with pytest.raises(AttributeError, match="not public"):
                root._hidden  # noqa: B018
            assert "add" in dir(await root.counter())

    run(main())


def test_a_call_that_was_never_awaited_is_warned_about() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (_, client):
            root = await client.root()
            with pytest.warns(RuntimeWarning, match=r"root.echo was never awaited"):
                root.echo(1)

    run(main())


# ---------------------------------------------------------------------- errors


def test_known_errors_are_raised_as_themselves_with_the_remote_traceback() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (_, client):
            root = await client.root()
            for error in (KeyError("k"), FileNotFoundError("f"), NotFound("n"), Cancelled("c")):
                with pytest.raises(type(error)) as caught:
                    await root.fail(error)
                assert caught.value.args == error.args
                assert "raise error" in caught.value.__notes__[0]
                assert "opsin/rpc/tasks" not in caught.value.__notes__[0]

            class Strange(Exception):
                pass

            with pytest.raises(RemoteError, match="Strange: x"):
                await root.call_back_async(Service().fail, Strange("x"))
            with pytest.raises(OSError, match="outer") as outer:
                await root.fail_deep()
            assert isinstance(outer.value.__cause__, KeyError)
            with pytest.raises(TypeError, match="unexpected keyword"):
                await root.blocking(1, nothing=2)

    run(main())


def test_results_that_break_the_protocol_fail_their_call_only() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (server, client):
            root = await client.root()
            with (
                patch("opsin.rpc.packer.dtype_name", lambda _: "object"),
                pytest.raises(ProtocolError, match="unknown dtype"),
            ):
                await root.echo(np.zeros(3))
            assert await root.echo(1) == 1
            assert not server.is_over

    run(main())


# ---------------------------------------------------------------------- cancellation


def test_cancelling_the_awaiting_task_cancels_the_remote_one() -> None:
    async def main() -> None:
        service = Service()
        async with two_peers(service) as (server, client):
            root = await client.root()
            task = asyncio.create_task(root.wait())
            await service.started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            del task
            await until(lambda: service.log == ["cancelled"])
            await settled(server, client)

    run(main())


def test_cancelling_a_blocking_function_is_heard_at_its_next_report() -> None:
    async def main() -> None:
        service = Service()
        async with two_peers(service) as (server, client):
            root = await client.root()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await root.wait_blocking()
            await until(lambda: service.log == ["started", "Cancelled"])
            await settled(server, client)

    run(main())


def test_cancelling_a_blocking_function_ends_what_it_waits_for() -> None:
    async def main() -> None:
        service = Service()
        never = asyncio.Event()
        heard: list[str] = []

        async def callback(_: int) -> None:
            try:
                await never.wait()
            except asyncio.CancelledError:
                heard.append("cancelled")
                raise

        async with two_peers(service) as (server, client):
            root = await client.root()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await root.call_back(callback, 1)
            await until(lambda: heard == ["cancelled"])
            await settled(server, client)

    run(main())


def test_cancelling_at_once_and_in_masses_leaves_nothing() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (server, client):
            root = await client.root()
            big = np.zeros(MIB, np.uint8)
            tasks = [asyncio.create_task(root.echo(big if i % 3 else i)) for i in range(100)]
            for i, task in enumerate(tasks):
                if i % 2:
                    task.cancel()
                if i % 10 == 0:
                    await asyncio.sleep(0)
            found: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
            for i, value in enumerate(found[::2]):
                expected: Any = big if (2 * i) % 3 else 2 * i
                np.testing.assert_array_equal(value, expected)
            del tasks, task, found, value
            await settled(server, client)

    run(main())


# ---------------------------------------------------------------------- streams


def test_streams() -> None:
    async def main() -> None:
        service = Service()
        async with two_peers(service) as (server, client):
            root = await client.root()
            assert [n async for n in root.numbers(100)] == list(range(100))
            assert [n async for n in root.blocking_numbers(20)] == list(range(20))
            assert set(service.log) == {"closed", "opsin rpc"}
            assert [n async for n in await root.numbers(3)] == [0, 1, 2]
            assert [n async for n in root.layers.counter.numbers(3)] == [0, 1, 2]
            planes = [plane async for plane in root.planes(30, 600)]
            assert [int(plane[0, 0]) for plane in planes] == list(range(30))
            found = []
            with pytest.raises(ValueError, match="no more"):
                async for n in root.failing_numbers():
                    found.append(n)
            assert found == [1]
            with pytest.raises(TypeError, match="not a stream"):
                async for _ in root.echo(1):
                    pass
            await settled(server, client)

    run(main())


def test_a_stream_that_is_left_is_closed_over_there() -> None:
    async def main() -> None:
        service = Service()
        async with two_peers(service) as (server, client):
            root = await client.root()
            for name in ("numbers", "blocking_numbers"):
                service.log.clear()
                async for n in getattr(root, name)(10**9):
                    if n == 20:
                        break
                await until(lambda: "closed" in service.log)
            await settled(server, client)

    run(main())


def test_a_stream_does_not_run_ahead_of_its_reader() -> None:
    async def main() -> None:
        service = Service()
        async with two_peers(service) as (server, client):
            root = await client.root()
            stream = aiter(root.blocking_numbers(10**6))
            assert await anext(stream) == 0
            await asyncio.sleep(0.05)
            assert len(service.log) <= 9, "eight items, and perhaps one begun"
            await stream.aclose()
            await until(lambda: "closed" in service.log)
            await settled(server, client)

    run(main())


# ---------------------------------------------------------------------- progress and notices


def test_progress_reaches_who_listens() -> None:
    async def main() -> None:
        heard: list[Any] = []
        async with two_peers(Service()) as (_, client):
            root = await client.root()
            with progress_to(lambda *news: heard.append(news)):
                assert await root.work(5) == "done"
            assert heard[0] == (0.0, 5.0, "step 0")
            assert heard[-1] == (4.0, 5.0, "step 4")
            count = len(heard)
            await root.work(5)
            assert len(heard) == count
            progress(1, 2, "nobody runs this")

    run(main())


def test_a_notice_wants_no_answer() -> None:
    async def main() -> None:
        service = Service()
        async with two_peers(service) as (server, client):
            root = await client.root()
            for i in range(100):
                client.notify(root.note, i)
            client.notify(root.fail, ValueError("nobody hears of it"))
            assert await root.echo(1) == 1
            assert sorted(service.log) == list(range(100))
            await settled(server, client)

    run(main())
