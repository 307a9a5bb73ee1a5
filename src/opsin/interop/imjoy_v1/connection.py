"""Connection: a session of v1 in an event loop, with functions that can be awaited.

connection = Connection("host", carrier.send, api={"alert": alert})
connection.receive(message)         # whatever the carrier brings
plugin = await connection.ready()
await plugin["run"]({"config": {}, "data": {}})
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from opsin.errors import ConnectionLost, OpsinError, ProtocolError, RemoteError
from opsin.interop.imjoy_v1.codec import Reference
from opsin.interop.imjoy_v1.session import Answer, Message, Role, Session

Told = Callable[[str, str], None]
Executor = Callable[[dict[str, Any]], Any]


class RemoteCall:
    """A function of the other side. Callbacks of v1 can be called once."""

    def __init__(self, connection: Connection, reference: Reference) -> None:
        self._connection = connection
        self.reference = reference
        self.__name__ = reference.name or "callback"

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, and give its result.

        Raises:
            RemoteError: it failed, or the link is lost.
            TypeError: an argument cannot be sent.
        """
        return await self._connection.call(self.reference, list(args), kwargs)

    def __repr__(self) -> str:
        return f"<{self.__name__} of another program>"


class Connection:
    """One end of a link that speaks v1. Of one event loop.

    Args:
        role: `host` if the other side is the plugin.
        send: has a message go there.
        api: what is offered to the other side.
        config: of the plugin, or what the host says of it.
        told: is given what the other side logs: a level, and text.
        execute: runs code that the host sends, where `config` allows that.
    """

    def __init__(
        self,
        role: Role,
        send: Callable[[Message], None],
        *,
        api: Any = None,
        config: Mapping[str, Any] | None = None,
        told: Told = lambda level, text: None,
        execute: Executor | None = None,
    ) -> None:
        self._send, self._told, self._executor = send, told, execute
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._remote: dict[str, Any] = {}
        self.session = Session(role, _Owner(self), dict(config or {}), api)
        self.lost: str = ""
        """Why the other side is gone; '' while it is there."""

    def start(self) -> None:
        """Say that this side is there; a plugin does that."""
        self.session.start()

    async def ready(self) -> dict[str, Any]:
        """What the other side offers, once it has said so; the same map is kept up to date.

        Raises:
            ConnectionLost: it left before.
        """
        return await asyncio.shield(self._ready)

    @property
    def config(self) -> dict[str, Any]:
        """What the other side said of itself."""
        return self.session.remote_config

    def receive(self, message: Any) -> None:
        """Take a message of the other side. What is none is told as an error."""
        try:
            self.session.receive(message)
        except (ProtocolError, TypeError) as error:
            self._told("error", f"A message was not understood: {error}")

    async def call(self, reference: Reference, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a function of the other side.

        Raises:
            RemoteError: it failed.
            ConnectionLost: the link is lost.
            TypeError: an argument cannot be sent.
        """
        if self.lost:
            raise ConnectionLost(f"The other program is gone: {self.lost}.")
        result: asyncio.Future[Any] = self._loop.create_future()

        def done(value: Any, error: BaseException | None) -> None:
            if result.done():  # nobody waits any more
                return
            if error is None:
                result.set_result(value)
            else:
                result.set_exception(error)

        self.session.call(reference, args, kwargs, done)
        return await result

    async def dispose(self, thing: Mapping[str, Any]) -> None:
        """Tell the other side that an object of its own is not needed any more.

        Raises:
            RemoteError: it knows no such object.
            TypeError: it is none.
        """
        object = thing.get("_rintf")
        if not isinstance(object, str):
            raise TypeError("that is no object of the other side")
        result: asyncio.Future[None] = self._loop.create_future()
        self.session.dispose(
            object,
            lambda value, error: result.set_exception(error) if error else result.set_result(None),
        )
        await result

    async def close(self, reason: str = "it was closed") -> None:
        """Leave, and end what runs for the other side."""
        if not self.lost:
            self.session.close()
        self.lose(reason)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def lose(self, reason: str) -> None:
        """The other side is gone, or this one; what waits has failed. Idempotent."""
        if self.lost:
            return
        self.lost = reason
        self.session.fail(reason)
        if not self._ready.done():
            self._ready.set_exception(ConnectionLost(f"The other program is gone: {reason}."))
            self._ready.exception()  # nobody need have waited

    def _run(
        self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], answer: Answer
    ) -> None:
        async def run() -> None:
            try:
                result = await _called(function, args, kwargs)
            except asyncio.CancelledError:
                answer(None, RemoteError("it was cancelled"))
                raise
            except OpsinError as error:
                answer(None, error)
            except Exception as error:  # whatever the function fails with, its caller is told
                answer(None, RemoteError(f"{type(error).__name__}: {error}"))
            else:
                answer(result, None)

        task = self._loop.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Owner:
    """What a session asks of its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Message) -> None:
        if not self._connection.lost:
            self._connection._send(message)

    def remote(self, reference: Reference) -> RemoteCall:
        return RemoteCall(self._connection, reference)

    def call(
        self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], answer: Answer
    ) -> None:
        self._connection._run(function, args, kwargs, answer)

    def api_set(self, api: dict[str, Any], config: dict[str, Any]) -> None:
        remote, ready = self._connection._remote, self._connection._ready
        remote.clear()
        remote.update(api)
        if not ready.done():
            ready.set_result(remote)

    def told(self, level: str, text: str) -> None:
        self._connection._told(level, text)

    def closed(self, reason: str) -> None:
        self._connection.lose(reason)

    def execute(self, code: dict[str, Any], answer: Answer) -> None:
        run = self._connection._executor
        if run is None:
            answer(None, RemoteError("execution is not allowed"))
        else:
            self._connection._run(run, [code], {}, answer)


async def _called(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Coroutines run here; a plain function may take long, and has a thread."""
    if inspect.iscoroutinefunction(function) or isinstance(function, RemoteCall):
        return await function(*args, **kwargs)
    result = await asyncio.to_thread(function, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result
