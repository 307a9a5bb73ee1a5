"""Connect and serve, by address: `unix:/path`, `ws://host:port/path`, `wss://…`.

    async with connect("unix:/run/me/opsin", token=token) as peer:
        service = await peer.root()

    with connect_blocking("ws://127.0.0.1:9000", token=token) as peer:
        service = peer.root()

A scheme is a module of `opsin.rpc.transports`, which has `connect` and `serve`, and `HEARTBEAT`
where its links need one.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, TypeVar, overload
from urllib.parse import urlsplit

from opsin.errors import ConnectionLost, UsageError
from opsin.rpc.blocking import BlockingMethod, BlockingRemote
from opsin.rpc.frames import Transport
from opsin.rpc.peer import Peer

T = TypeVar("T")

_MODULES = {"ws": "websocket", "wss": "websocket"}


@asynccontextmanager
async def connect(
    address: str, root: Any = None, *, token: str | None = None, **options: Any
) -> AsyncIterator[Peer]:
    """A peer that is linked to the server at `address`, until the block ends.

    Args:
        root: the service that the server can call.
        token: what the server asks for.
        options: further ones of `Peer`.

    Raises:
        ConnectionLost: there is no server, or it refuses the token.
        UsageError: this is no address.
    """
    async with await linked(address, root, token=token, **options) as peer:
        yield peer


async def linked(
    address: str, root: Any = None, *, token: str | None = None, **options: Any
) -> Peer:
    """As `connect`, of a peer that the caller closes."""
    module, place = _module(address)
    transport = await module.connect(place)
    peer = Peer(transport, root, token=token, **(_options(module) | options))
    try:
        await peer.root()
    except BaseException:
        await peer.close()
        raise
    return peer


class Serving:
    """Listens at an address. Every link gets a peer of its own."""

    def __init__(self, address: str, peers: set[Peer], server: Any) -> None:
        self.address: str = getattr(server, "address", address)
        self.peers = peers
        self._server = server

    async def close(self) -> None:
        """End every link, and listen no more. Idempotent."""
        await asyncio.gather(*(peer.close("The server stops.") for peer in tuple(self.peers)))
        await self._server.close()

    async def __aenter__(self) -> Serving:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def serve(
    address: str, root: Callable[[Peer], Any], *, token: str | None = None, **options: Any
) -> Serving:
    """Listen at `address`; close what this returns at the end.

    Args:
        root: makes the service of each link; it gets the link's peer.
        token: what everybody has to show before they hear anything. Only a Unix socket, or an
            address that other computers do not reach, does without.
        options: further ones of `Peer`.

    Raises:
        UsageError: this is no address, nobody can listen there, or a token is missing.
    """
    module, place = _module(address)
    if token is None and not _is_local(address):
        raise UsageError(
            f"Other computers reach {address}: give a token, or listen at ws://127.0.0.1."
        )
    peers: set[Peer] = set()

    async def handle(transport: Transport) -> None:
        async with Peer(transport, expected=token, **(_options(module) | options)) as peer:
            peer.values.objects.root = root(peer)
            peers.add(peer)
            try:
                await peer.until_ended()
            finally:
                peers.discard(peer)

    return Serving(address, peers, await module.serve(place, handle))


class BlockingPeer:
    """A peer for code that waits: its event loop runs in a thread of its own. `with` closes it."""

    def __init__(self, peer: Peer, loop: _LoopThread) -> None:
        self._peer = peer
        self._loop = loop

    @overload
    def root(self) -> Any: ...
    @overload
    def root(self, protocol: Callable[..., T]) -> T: ...
    def root(self, protocol: Any = None) -> Any:
        """The server's root service. Its methods are called and waited for."""
        return BlockingRemote(self._loop.run(self._peer.root())._held)

    def notify(self, method: BlockingMethod, *args: Any, **kwargs: Any) -> None:
        """Call and want no answer."""

        async def send() -> None:
            self._peer.notify(method, *args, **kwargs)

        self._loop.run(send())

    def close(self) -> None:
        """End the link in order. Idempotent."""
        if self._loop.is_alive:
            self._loop.run(self._peer.close())
            self._loop.stop()

    def __enter__(self) -> BlockingPeer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect_blocking(
    address: str, root: Any = None, *, token: str | None = None, **options: Any
) -> BlockingPeer:
    """The same as `connect` for code that waits. The server's calls and callbacks still work.

    Raises:
        ConnectionLost: there is no server, or it refuses the token.
        UsageError: this is no address.
    """
    loop = _LoopThread()
    try:
        return BlockingPeer(loop.run(linked(address, root, token=token, **options)), loop)
    except BaseException:
        loop.stop()
        raise


class _LoopThread:
    """An event loop in a daemon thread, which dies with the process if nobody stops it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="opsin rpc loop", daemon=True
        )
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return not self._loop.is_closed()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if not self.is_alive:
            coroutine.close()
            raise ConnectionLost("The link was closed on this side.")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def stop(self) -> None:
        self.run(_finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _finish() -> None:
    """Let what still runs in the loop end."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


def _is_local(address: str) -> bool:
    """Whether only this computer reaches an address."""
    if address.partition(":")[0] not in _MODULES:
        return True
    from opsin.rpc.transports.websocket import LOOPBACK

    return (urlsplit(address).hostname or LOOPBACK[0]) in LOOPBACK


def _module(address: str) -> tuple[ModuleType, str]:
    """The transport of an address, and what it calls the place."""
    scheme, colon, path = address.partition(":")
    name = _MODULES.get(scheme, scheme)
    try:
        if not colon or not name.isidentifier():
            raise ModuleNotFoundError(name=name)
        module = importlib.import_module(f"opsin.rpc.transports.{name}")
        if not hasattr(module, "serve"):
            raise ModuleNotFoundError(name=name)
    except ModuleNotFoundError as error:
        if error.name is not None and not error.name.endswith(name):
            raise
        raise UsageError(
            f"{address!r} is not an address of the RPC: those begin with unix:, ws: or wss:."
        ) from None
    return module, address if scheme in _MODULES else path


def _options(module: ModuleType) -> dict[str, Any]:
    options: dict[str, Any] = {"heartbeat": getattr(module, "HEARTBEAT", None)}
    if module.__name__.endswith(".unix"):  # the one that carries descriptors
        from opsin.rpc.shared_arrays import SharedArrays, available

        options["segments"] = SharedArrays() if available() else None
    return options
