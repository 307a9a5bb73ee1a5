"""Runtime: executes the code of an ImJoy plugin, and calls what it exports.

The plugin has the main thread and an event loop in it, as in a Jupyter kernel: coroutines run at
the same time, and a plain function runs alone. The link to the host has a thread beside it, so that
what the plugin calls is sent at once, also by a function that never awaits.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import linecache
import sys
import types
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from opsin.rpc.blocking import MayWait
from opsin.rpc.objects import by_reference
from opsin.rpc.remote import Caller
from opsin.worker_imjoy.api import Api, RemoteFunction
from opsin.worker_imjoy.values import DotDict, Values

MODULES = ("imjoy", "imjoy_rpc")
"""From which plugins import the `api`; those that are installed are not looked at."""
ENDING = 1.0
"""Seconds that the plugin's own tasks are given at the end."""


class PluginLoop(asyncio.SelectorEventLoop, MayWait):
    """The event loop of a plugin, whose functions may read lazy arrays without awaiting."""


@by_reference
class Runtime:
    """One plugin. The host calls its public methods, over the link.

    Args:
        host: answers `call(name, args)`, `export(interface)` and `unheard(message)`.
        name: of the plugin, for messages.
        constants: what of the `api` is no function.
    """

    def __init__(self, host: Caller, name: str, constants: dict[str, Any]) -> None:
        self._host = host
        self._name = name
        self._link_loop = asyncio.get_running_loop()
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._bridges: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()
        self.values = Values(self._bridge, lambda remote: RemoteFunction(remote, self))
        values: dict[str, Any] = self.values.decode(constants)
        self._api = Api(host, self, values)
        self._globals: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
        self._scripts = 0
        self._provide()

    # ------------------------------------------------------------------ what the host calls

    async def execute(self, content: str, line: int = 1) -> None:
        """Run a script of the plugin, to its end. `line` is where it begins in its file.

        Raises whatever the script raises, with the traceback from its first line on.
        """
        __tracebackhide__ = True
        await self._in_plugin(self._execute(content, line))

    async def ended(self) -> None:
        """Let what the plugin has begun come to an end, for a moment."""

        async def others() -> None:
            own = asyncio.current_task()
            tasks = [task for task in asyncio.all_tasks() if task is not own]
            if tasks:
                await asyncio.wait(tasks, timeout=ENDING)

        await self._in_plugin(others())

    # ------------------------------------------------------------------ what the api needs

    def call(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(make(), self._link_loop)

    def export(self, interface: Any) -> Future[Any]:
        carried = self.values.interface(interface)

        async def make() -> None:
            await self._host.export(carried)

        return self.call(make)

    def unheard(self, error: BaseException) -> None:
        async def tell() -> None:
            with suppress(Exception):  # the host is gone, and with it who could hear
                await self._host.unheard(f"{type(error).__name__}: {error}")

        self.call(tell)

    # ------------------------------------------------------------------ inside

    def run_for_ever(self) -> None:
        """What the main thread does."""
        loop = PluginLoop()
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(self._failed)
        self._loop.set_result(loop)
        try:
            loop.run_forever()
        finally:
            loop.close()

    async def _in_plugin(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await something in the plugin's thread, from that of the link."""
        __tracebackhide__ = True
        loop = await asyncio.wrap_future(self._loop)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

    async def _execute(self, content: str, line: int) -> None:
        __tracebackhide__ = True
        self._scripts += 1
        number = f" (script {self._scripts})" if self._scripts > 1 else ""
        file = f"<{self._name}{number}>"
        text = "\n" * (line - 1) + content
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            code = compile(text, file, "exec", flags=flags, dont_inherit=True)
            found = eval(code, self._globals)  # what `exec` does, but it gives the coroutine
            if code.co_flags & inspect.CO_COROUTINE:
                await found
        except (SystemExit, KeyboardInterrupt) as error:
            raise RuntimeError(f"{self._name} wanted to end the program: {error!r}") from None
        except BaseException as error:
            raise _from_script(error, file) from None
        finally:
            sys.stdout.flush()

    def _bridge(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """What the other side calls for a function of the plugin; for the same one, the same."""
        with suppress(TypeError):  # what has no hash
            if (known := self._bridges.get(function)) is not None:
                return known  # type: ignore[no-any-return]

        async def bridge(*given: Any) -> Any:
            __tracebackhide__ = True
            args, keywords = self.values.arguments(list(given))
            del given
            return await self._in_plugin(self._called(function, args, keywords))

        bridge.__name__ = getattr(function, "__name__", type(function).__name__)
        bridge.__doc__ = inspect.getdoc(function) if inspect.isroutine(function) else None
        with suppress(TypeError):
            self._bridges[function] = bridge
        return bridge

    async def _called(
        self, function: Callable[..., Any], args: list[Any], keywords: dict[str, Any]
    ) -> Any:
        __tracebackhide__ = True
        try:
            value = function(*args, **keywords)
            while inspect.isawaitable(value):
                value = await value
        except (SystemExit, KeyboardInterrupt) as error:
            raise RuntimeError(f"{self._name} wanted to end the program: {error!r}") from None
        except Exception as error:
            raise _from_script(error, f"<{self._name}") from None
        finally:
            sys.stdout.flush()
        return self.values.encode(value)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.unheard(error if error is not None else RuntimeError(str(context["message"])))

    def _provide(self) -> None:
        """Let the plugin import its api, by all names that it has."""
        for name in MODULES:
            module = types.ModuleType(name, "The api of ImJoy, as Opsin answers it.")
            module.__path__ = []  # a package, as far as imports look
            module.__dict__.update(api=self._api, register_default_codecs=lambda *_: None)
            sys.modules[name] = module
            utils = types.ModuleType(f"{name}.utils")
            utils.__dict__.update(dotdict=DotDict)
            module.__dict__["utils"] = sys.modules[f"{name}.utils"] = utils
        self._globals["api"] = self._api


def _from_script(error: BaseException, file: str) -> BaseException:
    """The error with a traceback that begins in the plugin's code."""
    step = error.__traceback__
    while step is not None and not step.tb_frame.f_code.co_filename.startswith(file):
        step = step.tb_next
    return error.with_traceback(step)
