"""Protocol v1, spoken with the real imjoy-rpc: as the host of its plugin, and as a plugin of it."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import warnings
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.environments import python_of

from opsin.errors import ConnectionLost, RemoteError
from opsin.interop.imjoy_v1.session import Role
from opsin.interop.imjoy_v1.streams import StreamLink

PEER = Path(__file__).with_name("imjoy_rpc_peer.py")
ROLES: tuple[Role, ...] = ("host", "plugin")
SECONDS = 40


class Api:
    """What this side offers."""

    def __init__(self) -> None:
        self.logged: list[tuple[str, str]] = []

    async def greet(self, name: str, loud: bool = False) -> str:
        return f"Hello {name}{'!' * loud}"

    def twice(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array * 2

    def refuse(self) -> None:
        raise ValueError("not today")

    def tell(self, value: Any) -> str:
        return f"{type(value).__name__} {value!r}"


@asynccontextmanager
async def linked(role: Role, **how: Any) -> AsyncIterator[tuple[StreamLink, dict[str, Any], Api]]:
    """A link on which this side has a role, and the real imjoy-rpc the other."""
    python = python_of("imjoy_rpc")
    assert python is not None
    came: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda *both: came.put_nowait(both), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    other = "plugin" if role == "host" else "host"
    process = await asyncio.create_subprocess_exec(
        python, PEER, str(port), other, stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await came.get()
            api = Api()
            offered = {name: getattr(api, name) for name in ("greet", "twice", "refuse", "tell")}
            link = StreamLink(
                role, reader, writer, api=offered, told=lambda *line: api.logged.append(line), **how
            )
            try:
                yield link, await link.connection.ready(), api
            finally:
                await link.close()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        server.close()
        await server.wait_closed()


Talk = Callable[[StreamLink, dict[str, Any], Api], Awaitable[None]]


def run(role: Role, talk: Talk, **how: Any) -> None:
    async def main() -> None:
        async with linked(role, **how) as (link, remote, api):
            await talk(link, remote, api)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())


@pytest.mark.parametrize("role", ROLES)
def test_calls_go_both_ways(role: Role) -> None:
    async def talk(link: StreamLink, remote: dict[str, Any], api: Api) -> None:
        assert remote["answer"] == 42
        assert await remote["add"](1) == 11
        assert await remote["add"](1, three=5, two=2) == 8
        assert await remote["ask"]("greet", "you") == "Hello you"
        assert await remote["ask"]("greet", "you", loud=True) == "Hello you!"
        many = (remote["ask"]("greet", str(number)) for number in range(50))
        assert await asyncio.gather(*many) == [f"Hello {number}" for number in range(50)]
        slow = asyncio.ensure_future(remote["slow"](0.3))
        assert await remote["echo"]("first") == "first"
        assert not slow.done()
        assert await slow == "done"

    run(role, talk)


@pytest.mark.parametrize("role", ROLES)
def test_errors_reach_the_caller(role: Role) -> None:
    async def talk(link: StreamLink, remote: dict[str, Any], api: Api) -> None:
        with pytest.raises(RemoteError, match="on purpose"):
            await remote["fail"]("on purpose")
        with pytest.raises(RemoteError, match="ValueError: not today"):
            await remote["ask"]("refuse")
        with pytest.raises(TypeError, match="cannot be sent"):
            await remote["echo"](object())
        assert any("on purpose" in text for level, text in api.logged if level == "error")
        assert await remote["add"](1) == 11

    run(role, talk)


@pytest.mark.parametrize("role", ROLES)
def test_callbacks_and_objects(role: Role) -> None:
    async def talk(link: StreamLink, remote: dict[str, Any], api: Api) -> None:
        assert await remote["call_back"](lambda value: value + 1, 5) == 6

        async def later(value: int) -> int:
            await asyncio.sleep(0)
            return value * 3

        assert await remote["call_back"](later, 5) == 15
        # Functions that are registered last; those that are arguments can be called once.
        assert await remote["register"]({"update": lambda value: value + 100}) == "registered"
        assert [await remote["use_kept"](n) for n in (1, 2, 3)] == [101, 102, 103]
        await remote["keep"](later)
        assert await remote["use_kept"](1) == 3
        with pytest.raises(RemoteError, match="called once"):
            await remote["use_kept"](1)
        ours = {"_rintf": True, "double": lambda value: value * 2}
        assert await remote["call_back"](lambda given: given, 1) == 1
        back = await remote["echo"](ours)
        assert await back["double"](4) == 8
        assert await back["double"](5) == 10
        counter = await remote["counter"]()
        assert counter["name"] == "counter"
        assert [await counter["add"](), await counter["add"](by=5)] == [1, 6]
        await link.connection.dispose(counter)
        with pytest.raises(RemoteError):
            await counter["add"]()
        with pytest.raises(RemoteError):
            await link.connection.dispose(counter)

    run(role, talk)


@pytest.mark.parametrize("role", ROLES)
def test_values_keep_what_they_are(role: Role) -> None:
    async def talk(link: StreamLink, remote: dict[str, Any], api: Api) -> None:
        plain: list[Any] = [
            None,
            True,
            1,
            -(2**40),
            1.5,
            "ü",
            b"\0\xff",
            [1, [2]],
            {"a": {"b": []}},
        ]
        assert await remote["echo"](plain) == plain
        for dtype in ("uint8", "int16", "uint64", "float32", "float64", "complex128", "bool"):
            array = np.arange(6).reshape(2, 3).astype(dtype)
            back = await remote["echo"](array)
            assert back.dtype == array.dtype
            np.testing.assert_array_equal(back, array)
        big = np.arange(6, dtype=">i4")[::2]
        assert await remote["seen"](big) == "int32 (3,) 6"
        assert (await remote["echo"](np.zeros((0, 3)))).shape == (0, 3)
        np.testing.assert_array_equal(await remote["ask"]("twice", np.arange(3.0)), [0.0, 2.0, 4.0])
        array = await remote["special"]("array")
        np.testing.assert_array_equal(array, np.arange(12).reshape(3, 4))
        assert array.dtype == np.uint16
        assert await remote["special"]("scalar") == np.float32(1.5)
        assert await remote["special"]("complex") == np.array([1 + 2j])
        assert await remote["special"]("set") == {1, 2}
        assert bytes(await remote["special"]("memory")) == b"abc"
        assert str(await remote["special"]("error")) == "sent, not raised"
        # imjoy-rpc sends the keys of such a map alone
        assert list(await remote["special"]("map")) == ["a", "b"]
        assert await remote["seen"](OrderedDict(a=1)) == "OrderedDict OrderedDict([('a', 1)])"
        assert await remote["seen"]({3}) == "set {3}"
        assert await remote["seen"](ValueError("x")) == "Exception Exception('x')"
        file = await remote["special"]("file")
        assert await file["read"](7) == b"content"
        assert await file["tell"]() == 7
        ours = await remote["echo"](io.BytesIO(b"mine"))
        assert await ours["read"]() == b"mine"

    run(role, talk)


def test_the_host_may_run_code_where_that_is_allowed() -> None:
    async def talk(link: StreamLink, remote: dict[str, Any], api: Api) -> None:
        link.connection.session.run({"type": "script", "content": "1/0"})
        assert await remote["add"](1) == 11  # which is answered later
        assert any("ZeroDivisionError" in text for _, text in api.logged)

    run("host", talk)


@pytest.mark.parametrize("role", ROLES)
def test_a_link_that_is_lost_fails_what_waits(role: Role) -> None:
    async def talk(link: StreamLink, remote: dict[str, Any], api: Api) -> None:
        waiting = asyncio.ensure_future(remote["slow"](60))
        await asyncio.sleep(0.1)
        await link.close()
        with pytest.raises(RemoteError, match="no result"):
            await waiting
        with pytest.raises(ConnectionLost):
            await remote["add"](1)

    run(role, talk)
