"""ImJoy functions: what a plugin of ImJoy exports, as plain functions of a script or notebook.

denoise = opsin.load("denoise.imjoy.html")
denoise.run(sigma=2)
total = denoise.total(pixels)
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from opsin.errors import UsageError
from opsin.host.host_thread import HostThread
from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.face import About
from opsin.host.imjoy.loaded import Loaded
from opsin.host.imjoy.unattended import Unattended
from opsin.host.permissions import from_words as permissions_from
from opsin.plugins.imjoy_uri import SUFFIX
from opsin.plugins.parameters import complete
from opsin.rpc.remote import Caller
from opsin.worker_imjoy.values import KEYWORDS, Values

LATER = "_async"
"""Ending of the name of a function that is awaited."""


def is_imjoy_source(source: str | os.PathLike[str]) -> bool:
    """Whether a file is one of ImJoy's, by its name, maybe with a tag behind it."""
    return _tagged(os.fspath(source))[0].lower().endswith(SUFFIX)


class ImjoyFunctions:
    """A plugin of ImJoy that is loaded, with what it exports as attributes.

    A function waits for what it gives; `NAME_async` gives the same to `await`. `run` takes the
    values of the plugin's form by name, and `data`; or the `{config, data}` of ImJoy as it is.
    The plugin ends with the program, when nobody uses this object any more, or with its `with`.

    Args:
        source: its file, with `@TAG` for one of its variants.
        allow: what it is allowed as long as it is kept, beside what it is.
        answers: to what it asks, by a part of the question; `*` answers all.
        folder: where files go that it gives to its user.

    Raises:
        PluginError: it is no plugin, or exports nothing.
        UsageError: it runs in a browser.
        RemoteError and others: its code fails.
    """

    def __init__(
        self,
        thread: HostThread,
        source: str | os.PathLike[str],
        *,
        allow: Sequence[str] = (),
        answers: Mapping[str, Any] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._thread = thread
        self._path, self._tag = _tagged(os.fspath(source))
        self._carrier = _Carrier(thread)
        face = _Script(_say, answers, folder)

        async def begin() -> tuple[Desk, Loaded]:
            desk = await thread.along(Desk(thread.host, face))
            try:
                file, registered = await desk.shelf.read(self._path, self._tag)
                if allow:
                    given = permissions_from(file.plugin, tuple(allow))
                    thread.host.agreements.give(registered, given)
                return desk, await desk.load(self._path, self._tag)
            except BaseException:
                await desk.close()
                raise

        self._desk, self._loaded = thread.run(begin())
        self._end = weakref.finalize(self, _end, thread, self._desk)
        self._end.atexit = False  # the host ends then, and the desk with it

    def __getattr__(self, name: str) -> Callable[..., Any]:
        exported = self._loaded.interface
        base = name.removesuffix(LATER)
        is_later = name not in exported and base != name
        if name.startswith("_") or not callable(exported.get(base if is_later else name)):
            names = ", ".join(dir(self)) or "nothing"
            raise AttributeError(f"{self._loaded.name} exports no {name}, but {names}.")
        if is_later:

            async def later(*args: Any, **keywords: Any) -> Any:
                begun = self._thread.begin(self._called(base, args, keywords))
                return self._carrier.decode(await asyncio.wrap_future(begun))

            later.__name__ = later.__qualname__ = name
            return later

        def call(*args: Any, **keywords: Any) -> Any:
            return self._carrier.decode(self._thread.run(self._called(name, args, keywords)))

        call.__name__ = call.__qualname__ = name
        if name == "run":
            call.__doc__ = self._loaded.file.config.description
        return call

    def __dir__(self) -> list[str]:
        return [name for name, one in self._loaded.interface.items() if callable(one)]

    def __enter__(self) -> ImjoyFunctions:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.detach()
        self._thread.run(self._desk.close())

    def __repr__(self) -> str:
        return f"<{self._loaded.name}, a plugin of ImJoy: {', '.join(dir(self))}>"

    async def _called(self, name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """What a function gives, carried. The plugin is as its file is now."""
        self._loaded = loaded = await self._desk.load(self._path, self._tag)
        if name == "run":
            context = self._context(loaded, args, keywords)
            return await self._desk.run(self._path, context, self._tag)
        return await self._desk.call(loaded.name, name, *self._carrier.given(args, keywords))

    def _context(
        self, loaded: Loaded, args: tuple[Any, ...], keywords: dict[str, Any]
    ) -> dict[str, Any]:
        """What `run` gets."""
        if args:
            if len(args) > 1 or keywords or not isinstance(args[0], Mapping):
                raise UsageError(
                    "Give run the values of its form by name, or {'config': …, 'data': …} alone."
                )
            context: dict[str, Any] = self._carrier.encode(dict(args[0]))
            return context
        (operation,) = loaded.file.plugin.operations
        own = [one.name for one in operation.parameters]
        data = {} if "data" in own else self._carrier.encode(keywords.pop("data", None) or {})
        return {"config": dict(complete(operation, keywords)), "data": data}


class _Carrier:
    """Values between the script and the plugin, whose functions wait for what they give."""

    def __init__(self, thread: HostThread) -> None:
        self._thread = thread
        self._values = Values(self._called_there, lambda remote: remote)

    def given(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> list[Any]:
        """Arguments of a call, carried."""
        given = [self.encode(one) for one in args]
        return [*given, {**self.encode(keywords), KEYWORDS: True}] if keywords else given

    def encode(self, value: Any) -> Any:
        """A value of the script, carried."""
        return self._values.encode(value)

    def decode(self, value: Any) -> Any:
        """What was carried, as the script gets it."""
        return self._values.decode(self._for_script(value))

    def _for_script(self, value: Any) -> Any:
        """A carried value, with functions that wait, and arrays that may be written to."""
        if isinstance(value, dict):
            return {key: self._for_script(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._for_script(one) for one in value]
        if isinstance(value, np.ndarray):
            return value if value.flags.writeable else value.copy()
        return self._waiting(value) if callable(value) else value

    def _waiting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **keywords: Any) -> Any:
            given = self.given(args, keywords)

            async def work() -> Any:
                return await function(*given)

            return self.decode(self._thread.run(work()))

        if isinstance(function, Caller):
            call.remote = function  # type: ignore[attr-defined] # so that it comes home as itself
        return call

    def _called_there(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of the script, which the plugin calls. It runs in a thread of its own."""

        async def call(*given: Any) -> Any:
            args, keywords = self._values.arguments([self._for_script(one) for one in given])
            found = await asyncio.to_thread(function, *args, **keywords)
            return self.encode(await found if inspect.isawaitable(found) else found)

        call.__name__ = getattr(function, "__name__", "function")
        return call


class _Script(Unattended):
    """Who calls from a program: answers were given with `load`."""

    def _unanswered(self, about: About, words: str) -> UsageError:
        return UsageError(
            f"{about['name']} asks “{words[:200]}”: give the answer before, with "
            "opsin.load(…, answers={'a part of the question': 'the answer'})."
        )


def _end(thread: HostThread, desk: Desk) -> None:
    thread.begin(desk.close())


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 # where it would go if it ran here


def _tagged(source: str) -> tuple[str, str]:
    """A file and its tag, as in `denoise.imjoy.html@GPU`."""
    path, at, tag = source.rpartition("@")
    return (path, tag) if at and path.lower().endswith(SUFFIX) else (source, "")
