"""Remote: the proxy of an object that lives on the other side.

    result = await remote.method(x, key=1)      async for plane in remote.planes(): …
    result = await remote(x)                    with remote: …       # released at the end

Attribute paths are free (`remote.viewer.layers.add(…)`). Names that begin with `_` stay here.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, TypeVar, cast

from opsin.rpc.held import Held

T = TypeVar("T")


def typed(remote: Any, protocol: Callable[..., T]) -> T:
    """The same remote, which type checkers now take for a `protocol`: a Protocol or a class.

    Nothing is checked at run time. Its methods are those of the remote as it is used here: `async
    def` for one that is awaited, `def` for one of a blocking client.
    """
    return cast(T, remote)


class Caller:
    """A place to call: an object of the other side, or a method of it by its path."""

    __slots__ = ("_held", "_path")

    def __init__(self, held: Held, path: str = "") -> None:
        self._held = held
        self._path = path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{name!r} is not public, so a remote does not have it.")
        return Method(self._held, f"{self._path}.{name}" if self._path else name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Calling(self._held, self._path, args, kwargs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Caller):
            return NotImplemented
        return self._held is other._held and self._path == other._path

    def __hash__(self) -> int:
        return hash((id(self._held), self._path))

    def __repr__(self) -> str:
        path = f".{self._path}" if self._path else ""
        return f"<remote {self._held.info.name}{path}>"

    def _opsin_forward(self, path: str) -> Any:
        """What to call when others call `path` on this, by way of us."""
        return Method(self._held, ".".join(filter(None, (self._path, path))))


class Method(Caller):
    """A method of a remote."""

    __slots__ = ()


class Remote(Caller):
    """An object of the other side. It lives there at least as long as this does here."""

    __slots__ = ()

    def release(self) -> None:
        """Let go of the object now, and not when the last of its remotes is collected."""
        self._held.release()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._held.peer.stream(self._held, "", (), {})

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    async def __aenter__(self) -> Remote:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release()

    def __dir__(self) -> list[str]:
        return ["release", *(self._held.info.methods or ())]


class Calling(Coroutine[Any, Any, Any]):
    """A call that was written down: awaiting it makes it, iterating over it makes it a stream."""

    __slots__ = ("_args", "_coroutine", "_held", "_kwargs", "_path", "_used")

    def __init__(
        self, held: Held, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._held = held
        self._path = path
        self._args = args
        self._kwargs = kwargs
        self._used = False
        self._coroutine: Coroutine[Any, Any, Any] | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        self._used = True
        call = self._held.peer.call(self._held, self._path, self._args, self._kwargs)
        return call.__await__()

    def __aiter__(self) -> AsyncIterator[Any]:
        self._used = True
        return self._held.peer.stream(self._held, self._path, self._args, self._kwargs)

    # What makes it a coroutine, so that tasks can be made of it.

    @property
    def __name__(self) -> str:
        return f"{self._held.info.name}.{self._path}"

    def send(self, value: Any) -> Any:
        return self._started().send(value)

    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> Any:
        return self._started().throw(typ if isinstance(typ, BaseException) else typ())

    def close(self) -> None:
        self._used = True
        if self._coroutine is not None:
            self._coroutine.close()

    def _started(self) -> Coroutine[Any, Any, Any]:
        if self._coroutine is None:
            self._used = True
            self._coroutine = self._held.peer.call(self._held, self._path, self._args, self._kwargs)
        return self._coroutine

    def __del__(self) -> None:
        if not self._used:
            what = f"{self._held.info.name}.{self._path}" if self._path else self._held.info.name
            warnings.warn(f"The call of the remote {what} was never awaited.", RuntimeWarning, 2)
