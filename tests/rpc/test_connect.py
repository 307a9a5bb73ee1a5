"""Peers by address, in one process and in two, over real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.errors import ConnectionLost, UsageError
from opsin.rpc.connect import connect, connect_blocking, serve
from opsin.rpc.progress import progress_to
from tests.rpc.joined import settled
from tests.rpc.services import Service

ROOT = Path(__file__).parents[2]
SERVER = """
import asyncio, sys
from opsin.rpc.connect import serve
from tests.rpc.services import Service

async def main():
    async with await serve(sys.argv[1], lambda peer: Service(), token="secret") as serving:
        print(serving.address, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("s")
    made.chmod(0o700)
    return made


@pytest.fixture(
    params=["ws", pytest.param("unix", marks=pytest.mark.skipif(os.name == "nt", reason=""))]
)
def place(request: pytest.FixtureRequest, folder: Path) -> str:
    return "ws://127.0.0.1:0" if request.param == "ws" else f"unix:{folder}/s"


@pytest.fixture
def server(place: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in another process, and its address."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, place], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


async def use(root: Any) -> None:
    """A bit of everything."""
    image = np.arange(2**20, dtype=np.uint16).reshape(1024, 1024)
    assert await root.echo({"a": 1}) == {"a": 1}
    np.testing.assert_array_equal(await root.echo(image[:, ::-1]), image[:, ::-1])
    assert await root.call_back(lambda x: 2 * x, 3) == [0, 2, 4]
    assert [n async for n in root.numbers(20)] == list(range(20))
    with pytest.raises(KeyError, match="k"):
        await root.fail(KeyError("k"))
    async with await root.counter() as counter:
        assert await counter.add(2) == 2
    found = await asyncio.gather(*(root.echo(i) for i in range(100)), root.echo(image))
    assert found[:100] == list(range(100))


def test_in_one_process(place: str) -> None:
    async def main() -> None:
        async with await serve(place, lambda peer: Service(), token="secret") as serving:
            async with connect(serving.address, token="secret") as peer:
                await use(await peer.root())
                (server,) = serving.peers
                await settled(peer, server)
            async with asyncio.timeout(5):
                await server.until_ended()
            for token in (None, "wrong"):
                with pytest.raises(ConnectionLost, match="token is missing or wrong"):
                    async with connect(serving.address, token=token):
                        pass
        with pytest.raises(ConnectionLost):
            async with connect(serving.address, token="secret"):
                pass

    asyncio.run(main())


def test_in_two_processes(server: tuple[str, subprocess.Popen[str]]) -> None:
    async def main() -> None:
        async with connect(server[0], token="secret") as peer:
            await use(await peer.root())
            await settled(peer)

    asyncio.run(main())


def test_every_link_gets_a_service_of_its_own_that_knows_its_peer(place: str) -> None:
    async def main() -> None:
        def service(peer: Any) -> Any:
            async def ask() -> Any:
                return await (await peer.root()).name()

            return {"ask": ask}

        async with await serve(place, service) as serving:
            for name in ("a", "b"):
                async with connect(serving.address, {"name": lambda name=name: name}) as peer:
                    assert await (await peer.root()).ask() == name

    asyncio.run(main())


def test_a_server_that_is_killed_fails_what_is_pending(
    server: tuple[str, subprocess.Popen[str]],
) -> None:
    async def main() -> None:
        async with connect(server[0], token="secret") as peer:
            root = await peer.root()
            calls = [asyncio.ensure_future(root.wait()) for _ in range(3)]
            calls.append(asyncio.ensure_future(root.echo(bytes(2**26))))
            await root.echo(1)
            server[1].send_signal(signal.SIGKILL)
            async with asyncio.timeout(10):
                for call in calls:
                    with pytest.raises(ConnectionLost):
                        await call
                await peer.until_ended()

    asyncio.run(main())


def test_a_server_that_stops_says_so(place: str) -> None:
    async def main() -> None:
        serving = await serve(place, lambda peer: Service())
        async with connect(serving.address) as peer:
            root = await peer.root()
            call = asyncio.ensure_future(root.wait())
            await root.echo(1)
            await serving.close()
            with pytest.raises(ConnectionLost, match="The server stops"):
                await call
            await serving.close()

    asyncio.run(main())


def test_a_blocking_client(server: tuple[str, subprocess.Popen[str]]) -> None:
    with connect_blocking(server[0], token="secret") as peer:
        root = peer.root()
        image = np.arange(2**18, dtype=np.uint16).reshape(512, 512)
        np.testing.assert_array_equal(root.echo(image), image)
        assert root.blocking(1, key=2) == [1, 2]
        assert root.call_back(lambda x: 2 * x, 3) == [0, 2, 4]
        assert root.nest_blocking(lambda n: root.nest_blocking(None, 0), 1) == 1
        assert list(root.numbers(20)) == list(range(20))
        with pytest.raises(KeyError, match="k"):
            root.fail(KeyError("k"))
        heard: list[Any] = []
        with progress_to(lambda *news: heard.append(news)):
            assert root.work(3) == "done"
        assert heard[-1] == (2.0, 3.0, "step 2")
        with root.counter() as counter:
            assert counter.add(5) == 5
        peer.notify(root.note, "x")
        assert root.echo(root) is not None
    with pytest.raises(ConnectionLost):
        root.echo(1)
    with pytest.raises(ConnectionLost):
        peer.root()
    peer.close()


def test_a_blocking_client_that_is_refused(server: tuple[str, subprocess.Popen[str]]) -> None:
    with pytest.raises(ConnectionLost, match="token"):
        connect_blocking(server[0], token="wrong")


def test_a_client_that_exits_with_remotes_in_its_hands_is_silent(
    server: tuple[str, subprocess.Popen[str]],
) -> None:
    program = (
        "import sys\n"
        "from opsin.rpc.connect import connect_blocking\n"
        "peer = connect_blocking(sys.argv[1], token='secret')\n"
        "root = peer.root()\n"
        "held = [root.counter() for _ in range(10)]\n"
        "cycle = [held]; cycle.append(cycle)\n"
        "print(held[0].add(3))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, server[0]],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("3\n", "", 0)


@pytest.mark.parametrize("address", ["nothing", "ftp://here", "memory:", "../x:y", ""])
def test_what_is_no_address_says_what_is(address: str) -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="unix:, ws: or wss:"):
            async with connect(address):
                pass

    asyncio.run(main())


def test_with_uvloop_too(place: str) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        async with (
            await serve(place, lambda peer: Service()) as serving,
            connect(serving.address) as peer,
        ):
            await use(await peer.root())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_what_other_computers_reach_wants_a_token() -> None:
    async def main() -> None:
        for address in ("ws://0.0.0.0:0", "ws://[::]:0", "ws://example.org:0"):
            with pytest.raises(UsageError, match="give a token, or listen at"):
                await serve(address, lambda peer: {})
        async with await serve("ws://0.0.0.0:0", lambda peer: {}, token="x" * 20):
            pass
        async with await serve("ws://localhost:0", lambda peer: {}):
            pass

    asyncio.run(main())
