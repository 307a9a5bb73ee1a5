"""Native: an ImJoy plugin in a worker of its own, for as long as it is loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from opsin.errors import ConnectionLost, EnvironmentFailed, OpsinError, PluginError, WorkerLost
from opsin.host.calls import Program
from opsin.host.host import Host
from opsin.host.imjoy.loaded import Loaded
from opsin.plugins.imjoy_needs import listed_needs, needs
from opsin.workers.process import WorkerProcess
from opsin.workers.repositories import obtain

EXPORT_PATIENCE = 10.0
"""Seconds after its last line in which a plugin has to have exported something."""
LARGEST_LIST = 2**18
"""Bytes of a list of requirements."""
WHY_PATIENCE = 5.0
"""Seconds that the end of a process is waited for after its link was lost."""


class Native:
    """The worker of one loaded plugin.

    Args:
        api: what the plugin's `api` calls: `call`, `export`, `unheard`.
        constants: what of the `api` is no function.
    """

    def __init__(
        self, host: Host, loaded: Loaded, api: object, constants: dict[str, Any], exported: Exported
    ) -> None:
        self._host = host
        self._loaded = loaded
        self._api = api
        self._constants = constants
        self._exported = exported
        self._ending = asyncio.Event()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._worker: WorkerProcess | None = None

    async def start(self) -> None:
        """Begin the worker, and run the plugin's code, until it has exported.

        Raises:
            PluginError: it exports nothing.
            EnvironmentFailed, WorkerLost, RemoteError and what else can go wrong.
        """
        self._task = asyncio.create_task(self._live())
        try:
            await asyncio.shield(self._ready)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        self._ending.set()
        if self._task is not None:
            if not self._ready.done():  # its code may never end
                self._task.cancel()
            await asyncio.wait([self._task])

    def guarded(self, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """A function that the plugin exports; if the worker ends meanwhile, it says how."""

        async def call(*args: Any) -> Any:
            try:
                return await function(*args)
            except ConnectionLost:  # of this worker, or of another that it has called
                if self._worker is None or self._worker.is_alive:
                    raise
            raise await self._why_it_ended()

        return call

    async def _why_it_ended(self) -> Exception:
        """After its link was lost: what is to be said of that."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=WHY_PATIENCE)
        return self._failure or WorkerLost(f"{self._loaded.name} was stopped.")

    async def _live(self) -> None:
        """The worker's life."""
        loaded = self._loaded
        try:
            await self._with_worker()
        except (Exception, asyncio.CancelledError) as error:
            if not self._ready.done():
                self._ready.set_exception(error)
                self._ready.exception()  # whoever waits raises it
            elif not self._ending.is_set():
                self._failure = error if isinstance(error, Exception) else None
                loaded.say(str(error), "error")
                loaded.enter("failed", str(error))
            if isinstance(error, asyncio.CancelledError):
                raise

    async def _with_worker(self) -> None:
        host, loaded = self._host, self._loaded
        plugin = loaded.file.plugin
        program = host.imjoy_program(loaded.registered, plugin)
        folder = host.workspace.environments
        config = loaded.file.config
        asked = needs(config.requirements, list(config.env))
        work = None
        if plugin.repositories:
            work = await obtain(plugin.repositories, folder=folder, output=self._say)
            more = await asyncio.to_thread(_listed, work, asked.files)
            plugin = msgspec.structs.replace(plugin, requirements=(*plugin.requirements, *more))
            program = host.imjoy_program(loaded.registered, plugin)
        try:
            await self._with(program, work)
        except EnvironmentFailed as error:
            if not asked.older or error.reason not in ("", "no_wheel"):
                raise
            raise EnvironmentFailed(
                f"{loaded.name} was written for Python {asked.older}, and what it asks for is not "
                f"there for a later one. {error}",
                reason="needs_python",
            ) from None

    async def _with(self, program: Program, work: Path | None) -> None:
        host, loaded = self._host, self._loaded
        async with host.worker(program, self._say, host.supervision) as worker:
            assert isinstance(worker, WorkerProcess)
            self._worker = worker
            loaded.isolation = str(worker.level)
            lost = asyncio.ensure_future(worker.until_ended())
            running = asyncio.ensure_future(self._run(worker, work))
            try:
                await asyncio.wait([lost, running], return_when=asyncio.FIRST_COMPLETED)
                if not running.done():
                    raise await worker.why_it_ended()
                running.result()
            finally:
                for one in (lost, running):
                    one.cancel()
                await asyncio.wait([lost, running])
                await worker.stop()  # nothing else can run in it

    async def _run(self, worker: WorkerProcess, work: Any) -> None:
        file = self._loaded.file
        runtime = await worker.imjoy(self._api, file.name, self._constants, work)
        try:
            for block in file.scripts():
                if block.attributes.get("lang", "python") == "python":
                    await runtime.execute(block.content, block.line)
            if not file.is_passive:
                await self._exported.wait()
        except ConnectionLost:
            await asyncio.Event().wait()  # its process has ended, and that is told better
        self._ready.set_result(None)
        await self._ending.wait()
        with suppress(OpsinError, TimeoutError):
            async with asyncio.timeout(1.0):
                await runtime.ended()

    def _say(self, line: str) -> None:
        self._loaded.say(line, "info")


def _listed(folder: Path, files: Sequence[str]) -> list[str]:
    """The requirements in files that lie in repositories."""
    found: list[str] = []
    for one in files:
        path = (folder / one).resolve()
        try:
            if not path.is_relative_to(folder.resolve()) or path.stat().st_size > LARGEST_LIST:
                raise OSError("it is none of the repository's, or far too large")
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise PluginError(
                f"{one}, which lists what the plugin needs, cannot be read: {why}.",
                reason="dead_address",
            ) from None
        found += listed_needs(lines, one)
    return found


class Exported:
    """Whether a plugin has exported something."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._event = asyncio.Event()

    def set(self) -> None:
        """It has."""
        self._event.set()

    async def wait(self) -> None:
        """Until it has.

        Raises:
            PluginError: it took too long.
        """
        try:
            async with asyncio.timeout(EXPORT_PATIENCE):
                await self._event.wait()
        except TimeoutError:
            raise PluginError(
                f"{self._name} exports nothing: let its script end with api.export(ImJoyPlugin())."
            ) from None
