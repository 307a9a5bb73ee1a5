"""Api: the object that an ImJoy plugin in Python imports: `from imjoy import api`.

Every call is made at once, whether or not it is awaited, from any thread. What it gives can be
awaited in an event loop, or waited for with `result()`; as in ImJoy it has `then` and `catch`, too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol

from opsin.rpc.remote import Caller
from opsin.worker_imjoy.values import KEYWORDS, Codec, Values

_WORD = re.compile(r"_([a-z])")


class Link(Protocol):
    """What carries calls to the host."""

    values: Values

    def call(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> Future[Any]:
        """Make a call in the thread of the link."""

    def export(self, interface: Any) -> Future[Any]:
        """Tell the host what the plugin exports."""

    def unheard(self, error: BaseException) -> None:
        """A call failed, and nobody asked for its result."""


class Answer:
    """The result of a call, some day."""

    def __init__(self, future: Future[Any], values: Values, link: Link) -> None:
        self._future = future
        self._values = values
        self._link = link
        self._asked = False
        future.add_done_callback(self._ended)

    def __await__(self) -> Generator[Any, Any, Any]:
        __tracebackhide__ = True
        self._asked = True
        try:
            value = yield from asyncio.wrap_future(self._future).__await__()
        except Exception as error:
            raise error.with_traceback(None) from None
        return self._values.decode(value)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for it, in a thread other than that of the plugin's event loop.

        Raises whatever the call failed with, and TimeoutError.
        """
        self._asked = True
        return self._values.decode(self._future.result(timeout))

    def then(
        self, done: Callable[[Any], Any], failed: Callable[[BaseException], Any] | None = None
    ) -> Answer:
        """Call `done` with the result, or `failed` with the error."""
        self._asked = True
        loop = asyncio.get_event_loop()

        def ended(future: Future[Any]) -> None:
            error = future.exception() if not future.cancelled() else CancelledError()
            if error is None:
                loop.call_soon_threadsafe(done, self._values.decode(future.result()))
            elif failed is not None:
                loop.call_soon_threadsafe(failed, error)
            else:
                self._link.unheard(error)

        self._future.add_done_callback(ended)
        return self

    def catch(self, failed: Callable[[BaseException], Any]) -> Answer:
        """Call `failed` with the error, if there is one."""
        return self.then(lambda value: None, failed)

    def _ended(self, future: Future[Any]) -> None:
        if not self._asked and not future.cancelled() and (error := future.exception()):
            self._link.unheard(error)


class RemoteFunction:
    """A function of another plugin, or a method of a window."""

    def __init__(self, remote: Caller, link: Link) -> None:
        self.remote = remote
        self.__name__ = self.__qualname__ = _name_of(remote)
        self._link = link

    def __call__(self, *args: Any, **keywords: Any) -> Answer:
        values = self._link.values
        given = [values.encode(one) for one in args]
        if keywords:
            given.append({**values.encode(keywords), KEYWORDS: True})

        async def make() -> Any:
            return await self.remote(*given)

        return Answer(self._link.call(make), values, self._link)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteFunction) and self.remote == other.remote

    def __hash__(self) -> int:
        return hash(self.remote)

    def __repr__(self) -> str:
        return f"<function {self.__name__} of another plugin>"


class Api:
    """The `api` of one plugin, or a part of it such as `api.utils`.

    Args:
        remote: the host, which answers `call(name, args)`.
        constants: what is no function, by its name.
        prefix: of the names of a part.
    """

    def __init__(
        self, remote: Caller, link: Link, constants: dict[str, Any], prefix: str = ""
    ) -> None:
        self._remote = remote
        self._link = link
        self._constants = constants
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        name = camel(name) if self._prefix == "" else name
        if name in self._constants:
            return self._constants[name]
        if self._prefix == "" and name in ("utils", "fs"):
            return Api(self._remote, self._link, {}, f"{name}.")
        return lambda *args, **keywords: self._call(self._prefix + name, args, keywords)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    # What stays here.

    def export(self, interface: Any, config: Any = None) -> Answer:
        """Say what others can call: the methods of an object, or the entries of a dict."""
        return Answer(self._link.export(interface), self._link.values, self._link)

    def registerCodec(self, config: Any = None, **keywords: Any) -> None:
        """Let values of a type of the plugin travel: `{name, type, encoder, decoder}`."""
        given = {**(config or {}), **keywords}
        if not given.get("name"):
            raise TypeError("A codec has a name.")
        known = {key: given.get(key) for key in ("type", "encoder", "decoder")}
        self._link.values.register(Codec(str(given["name"]), **known))

    register_codec = registerCodec

    def disposeObject(self, value: Any = None) -> Answer:
        """Let go of what another plugin gave: that is done by itself when nobody uses it."""
        done: Future[Any] = Future()
        done.set_result(None)
        return Answer(done, self._link.values, self._link)

    dispose_object = disposeObject

    def _call(self, name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Answer:
        values = self._link.values
        given = [values.encode(one) for one in args]
        if keywords:  # in ImJoy they are the fields of one object
            given.append({**values.encode(keywords), KEYWORDS: True})

        async def make() -> Any:
            return await self._remote.call(name, given)

        return Answer(self._link.call(make), values, self._link)


def camel(name: str) -> str:
    """`show_message` is `showMessage`; constants stay as they are."""
    return name if name.isupper() else _WORD.sub(lambda found: found[1].upper(), name)


def _name_of(remote: Caller) -> str:
    return remote._path or remote._held.info.name
