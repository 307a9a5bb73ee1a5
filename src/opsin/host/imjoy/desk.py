"""Desk: the ImJoy plugins that one face has loaded, with their windows and services.

async with Desk(host, face) as desk:
    await desk.run("denoise.imjoy.html", {"config": {"sigma": 2}})
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from opsin.errors import ConnectionLost, OpsinError, PluginError, UsageError
from opsin.host.host import Host
from opsin.host.imjoy import added
from opsin.host.imjoy.api import ENGINE, NAMES, PluginApi
from opsin.host.imjoy.face import Face, Tell
from opsin.host.imjoy.file_choice import FileChoice, MustRestart
from opsin.host.imjoy.frame import frame_of
from opsin.host.imjoy.loaded import Line, Loaded
from opsin.host.imjoy.native import Native
from opsin.host.imjoy.plugin_run import Keep, PluginRun
from opsin.host.imjoy.plugin_settings import PluginSettings
from opsin.host.imjoy.services import Services
from opsin.host.imjoy.shelf import Shelf
from opsin.host.imjoy.window import Window
from opsin.host.imjoy.windows import Windows
from opsin.host.job import Job
from opsin.host.registry import Registered
from opsin.plugins.imjoy_query import read_query

EXIT_WITHIN = 1.0
"""Seconds that a plugin has for its `exit()`."""


class Desk:
    """What one face has loaded. Belongs to the event loop of its host.

    Args:
        face: who sits there.
        name: of the workspace, as plugins get it.
        front_end: where runs are asked for, if not where all of the host are.
    """

    def __init__(
        self, host: Host, face: Face, *, name: str = "default", front_end: str = ""
    ) -> None:
        self.host = host
        self.face = face
        self.name = name
        self.front_end = front_end
        self.services = Services()
        self.settings = PluginSettings(host.workspace)
        self.shelf = Shelf(host)
        self.files = FileChoice(host, face)
        self._windows = Windows(self)
        self._loaded: dict[str, Loaded] = {}
        self._beginning: dict[str, asyncio.Task[None]] = {}
        self._hubs: dict[str, Window] = {}
        self._numbers = itertools.count(1)
        self._listeners: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Desk:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all that is loaded. Idempotent."""
        await asyncio.gather(*(self.stop(id) for id in list(self._loaded)), return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.files.close()

    # ------------------------------------------------------------------ plugins

    async def load(
        self,
        source: str,
        tag: str = "",
        namespace: str = "",
        again: bool = False,
        beside: Registered | None = None,
    ) -> Loaded:
        """Load a plugin, with what it depends on; one that is there already is not loaded anew.

        Args:
            source: an id of the registry, the name of one that is known, a file, an ImJoy URI, an
                address, or the text of a file.
            tag: the variant.
            again: also if it is there.
            beside: the plugin that names it, as one that it depends on.

        Raises:
            PluginError: it cannot be read, or exports nothing.
            RemoteError and others: its code fails.
        """
        file, registered = await self.shelf.read(source, tag, beside)
        known = self.named(file.name)
        if known is not None:
            is_same = (known.file.plugin.digest, known.tag) == (file.plugin.digest, file.config.tag)
            if is_same and not again and known.state in ("loading", "ready"):
                await self._begun(known)
                return known
            await self.stop(known.id)
        number = next(self._numbers)
        id = f"{file.name.strip().replace(' ', '_')}_{number}"
        loaded = Loaded(id, file, registered, namespace, self.changed, self._logged)
        self._loaded[id] = loaded
        self.changed()
        self._beginning[id] = asyncio.create_task(self._begin(loaded))
        await self._begun(loaded)
        return loaded

    async def run(
        self,
        source: str,
        context: dict[str, Any] | None = None,
        tag: str = "",
        began: Callable[[Job], None] | None = None,
        keep: Keep | None = None,
    ) -> Any:
        """What a click on a plugin does: load it if need be, and call its `run`.

        Args:
            context: `{config, data}`: the values of its form, and what it is to work on.
            began: gets the job of the run, once the plugin is loaded; of a window there is none.
            keep: what is done with what it gives, before the job is done.

        Gives what that gives, carried. What is shown of it, is in a window.
        """
        loaded = await self.load(source, tag)
        if loaded.function("run") is None:
            raise UsageError(f"{loaded.name} has nothing to run: other plugins use it.")
        given = PluginRun(self, loaded, context or {}, keep)
        is_window = loaded.file.is_window
        result = await (given.run() if is_window else given.as_job(self.front_end, began))
        if isinstance(result, dict) and result.get("type") and result.get("data") is not None:
            await self._windows.create(result, loaded)
        return result

    async def stop(self, id: str) -> None:
        """End a loaded plugin and its windows. Does nothing if it is not there."""
        loaded = self._loaded.pop(id, None)
        if loaded is None:
            return
        loaded.is_stopping = True
        beginning = self._beginning.pop(id, None)
        if beginning is not None and not beginning.done():
            beginning.cancel()
            await asyncio.wait([beginning])
        await self._windows.close_of(id)
        leave = loaded.function("exit")
        if leave is not None and loaded.state == "ready":
            with suppress(TimeoutError, OpsinError, Exception):
                async with asyncio.timeout(EXIT_WITHIN):
                    await leave()
        if loaded.runner is not None:
            with suppress(ConnectionLost):
                await loaded.runner.stop()
        self.services.forget(id)
        self.files.forget(loaded)
        self._hubs.pop(id, None)
        loaded.interface.clear()
        loaded.enter("ended")

    def stop_soon(self, id: str) -> None:
        """The same, when what goes on now has been answered."""
        self._in_background(self.stop(id))

    async def reload(self, id: str) -> Loaded:
        """End a plugin, and load what its file holds now."""
        loaded = self.get(id)
        return await self.load(str(loaded.registered.path), loaded.tag, loaded.namespace, True)

    def get(self, id: str) -> Loaded:
        """The loaded plugin of that id.

        Raises:
            UsageError: there is none.
        """
        try:
            return self._loaded[id]
        except KeyError:
            raise UsageError("That plugin is not loaded any more.") from None

    def named(self, name: str) -> Loaded | None:
        """The loaded plugin of that name."""
        found = (one for one in self._loaded.values() if one.name == name)
        return next(found, None)

    async def loaded_named(self, name: str, tag: str = "") -> Loaded:
        """The plugin of that name; one that is known but not loaded is loaded.

        Raises:
            UsageError: there is none.
        """
        known = self.named(name)
        if known is not None and tag in ("", known.tag):
            await self._begun(known)
            return known
        source = self.shelf.known(name)
        if source is None:
            raise UsageError(f"There is no plugin called {name!r:.80}: add it first.")
        return await self.load(source, tag)

    async def watch(self) -> AsyncIterator[list[dict[str, Any]]]:
        """All loaded plugins, now and after every change."""
        changed = asyncio.Event()
        stop = self.listen(changed.set)
        try:
            while True:
                changed.clear()
                yield [one.entry() for one in self._loaded.values()]
                await changed.wait()
                await asyncio.sleep(0.02)  # what changes together is told once
        finally:
            stop()

    # ------------------------------------------------------------------ what plugins ask for

    async def plugin_api(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What a plugin exports, as others get it: by `src`, `id` or `name`.

        Raises:
            UsageError: there is none.
        """
        tag, namespace = str(asked.get("tag") or ""), str(asked.get("namespace") or "")
        if asked.get("src"):
            self.shelf.refuse_file(str(asked["src"]))
            loaded = await self.load(str(asked["src"]), tag, namespace)
        elif asked.get("id") in self._loaded:
            loaded = self._loaded[asked["id"]]
        elif asked.get("name"):
            loaded = await self.loaded_named(str(asked["name"]), tag)
        else:
            raise UsageError("Say which plugin is meant: its name, or where it is (src).")
        if loaded.file.is_window:  # how to open one: none is open yet
            return {**loaded.interface, "_rintf": True}
        config = {
            "id": loaded.id,
            "name": loaded.name,
            "workspace": self.name,
            "type": loaded.file.kind,
            "namespace": loaded.namespace or None,
            "tag": loaded.tag or None,
            "flags": list(loaded.file.config.flags) or None,
        }
        hub = self.events_of(loaded, "on")
        events = {"on": hub.on, "off": hub.off, "emit": hub.emit}
        passive = {"passive": True, "setup": _nothing} if loaded.file.is_passive else {}
        return {**events, **loaded.interface, **passive, "config": config, "_rintf": True}

    async def call(self, plugin: str, name: str, *args: Any) -> Any:
        """Call a function that a loaded plugin exports.

        Raises:
            UsageError: there is no such plugin or function.
        """
        loaded = await self.loaded_named(plugin)
        function = loaded.function(name)
        if function is None:
            raise UsageError(f"{plugin} exports no function {name!r:.60}.")
        return await function(*args)

    async def create_window(self, config: dict[str, Any], owner: Loaded | None) -> dict[str, Any]:
        """Open a window; see `Windows.create`."""
        return await self._windows.create(config, owner)

    def window(self, query: dict[str, Any]) -> Window | None:
        """A window that is open; see `Windows.find`."""
        return self._windows.find(query)

    def events_of(self, loaded: Loaded, name: str) -> Window:
        """Where a plugin without a window has its events.

        Raises:
            UsageError: this is for windows alone.
        """
        if name not in ("on", "off", "emit", "onClose"):
            raise UsageError(f"{loaded.name} has no window, so it cannot {name} it.")
        return self._hubs.setdefault(loaded.id, Window(loaded.id, loaded.name, "", loaded.id))

    async def choose_files(self, loaded: Loaded, asked: dict[str, Any]) -> list[Any] | None:
        """Let the user choose files that the plugin may then read."""
        try:
            return await self.files.choose(loaded, asked)
        except MustRestart:
            self._in_background(self._quietly(self._begin_anew(loaded)))
            raise

    async def _begin_anew(self, loaded: Loaded) -> None:
        """Load a plugin again, when it has told what it was running that it cannot go on."""
        ended = asyncio.Event()
        stop = self.listen(lambda: ended.set() if not loaded.runs else None)
        try:
            async with asyncio.timeout(EXIT_WITHIN):
                while loaded.runs:
                    ended.clear()
                    await ended.wait()
        except TimeoutError:
            pass
        finally:
            stop()
        await self.reload(loaded.id)

    async def install(self, source: str, tag: str, about: dict[str, Any]) -> str:
        """Keep a plugin and load it, if the user agrees; gives its name.

        Raises:
            UsageError: the user does not want it.
        """
        self.shelf.refuse_file(source)
        file, _ = await self.shelf.read(source, tag)
        words = f"{about['name']} wants to install the plugin {file.name} from {source[:200]}."
        if not await self.face.confirm(about, {"title": "Install a plugin?", "content": words}):
            raise UsageError(f"{file.name} was not installed: the user did not want it.")
        return (await self.add(source, tag)).name

    async def add(self, source: str, tag: str = "") -> Loaded:
        """Keep a plugin in the workspace, and load it; see `added.add`."""
        registered = await added.add(self.host.workspace, source, tag)
        self.host.registry.put(registered)
        return await self.load(registered.id, tag)

    async def open_link(self, address: str) -> None:
        """Do what a link to ImJoy's app asks for; see `opsin.plugins.imjoy_query`.

        Raises:
            UsageError: the user does not want what it asks for.
        """
        query = read_query(address)
        start = query.start
        if query.plugin and not query.is_search:
            file, _ = await self.shelf.read(query.plugin)
            start = start or file.name
            if query.upgrade or self.shelf.known(file.name) is None:
                await self.install(query.plugin, "", {"id": "", "name": "This link"})
        if start:
            await self.run(start, query.context)

    async def update(self, plugin: str) -> bool:
        """Fetch a plugin of the registry anew, by its id; see `added.update`.

        False: it is what was there before, and what is loaded of it goes on.
        """
        before = self.host.registry.get(plugin)
        registered = await added.update(self.host.workspace, before)
        if registered.plugin == before.plugin:
            return False
        self.host.registry.put(registered)
        for loaded in list(self._loaded.values()):
            if loaded.registered.id == registered.id:
                await self.reload(loaded.id)
        return True

    async def uninstall(self, name: str, about: dict[str, Any]) -> None:
        """Remove a plugin, if the user agrees."""
        found = self.shelf.known(name)
        if found is None:
            raise UsageError(f"There is no plugin called {name!r:.80}.")
        words = f"{about['name']} wants to remove the plugin {name}."
        if not await self.face.confirm(about, {"title": "Remove a plugin?", "content": words}):
            raise UsageError(f"{name} was not removed: the user did not want it.")
        if (loaded := self.named(name)) is not None:
            await self.stop(loaded.id)
        self.host.forget_plugin(found)

    async def frame(self, loaded: Loaded, window: dict[str, Any] | None = None) -> dict[str, Any]:
        """How the page is told to run a plugin; see `Frame` in protocol/IMJOY.md."""
        frame = await frame_of(loaded, self.shelf, network=self.has_network(loaded))
        return {
            **frame,
            "id": loaded.id if window is None else f"{loaded.id}-{window['id']}",
            "workspace": self.name,
            "names": list(NAMES),
            "constants": self.constants(loaded),
            "window": window,
        }

    def has_network(self, loaded: Loaded) -> bool:
        """Whether a frame of a plugin may reach the network."""
        return self.host.agreements.allowed(loaded.registered).network

    def answer_of(self, _name: str, _loaded: Loaded) -> Callable[..., Awaitable[Any]] | None:
        """What the face answers to a call of a plugin's `api` in place of the host, if it does."""
        return None

    def constants(self, loaded: Loaded) -> dict[str, Any]:
        """What of the `api` is no function."""
        is_native = loaded.file.kind == "native-python"
        engine = {"engine": ENGINE, "file_manager": ENGINE} if is_native else {}
        config = {"tag": loaded.tag or None, "workspace": self.name, **engine}
        urls = {"ENGINE_URL": ENGINE, "FILE_MANAGER_URL": ENGINE} if is_native else {}
        return {"TAG": loaded.tag or None, "WORKSPACE": self.name, "config": config, **urls}

    def told_by(self, loaded: Loaded, window: Window | None = None) -> Tell:
        """What a face tells of a frame."""

        async def told(event: str, details: dict[str, Any]) -> None:
            if event == "failed":
                text = details.get("traceback") or details.get("message") or "It failed."
                loaded.say(str(text), "error")
                if window is None:
                    loaded.enter("failed", str(details.get("message")))
            elif event == "log":
                is_error = details.get("level") == "error"
                words = " ".join(map(str, details.get("items", ())))
                loaded.say(words, "error" if is_error else "log")
            elif event == "exported" and window is None:
                loaded.interface = dict(details.get("interface") or {})
                self.changed()
            elif window is not None:
                await window.told(event, details)

        return told

    # ------------------------------------------------------------------ inside

    async def _begun(self, loaded: Loaded) -> None:
        """Until it is ready.

        Raises what kept it from that.
        """
        beginning = self._beginning.get(loaded.id)
        if beginning is not None:
            try:
                await asyncio.shield(beginning)
            except asyncio.CancelledError:
                if beginning.cancelled():
                    raise PluginError(f"{loaded.name} was stopped while it was loaded.") from None
                raise

    async def _begin(self, loaded: Loaded) -> None:
        try:
            await self._load_needed(loaded)
            await self._start(loaded)
            self._offer(loaded)
            setup = loaded.function("setup")
            if setup is not None and not loaded.file.is_window:
                await setup()
        except asyncio.CancelledError:
            await self._undo(loaded)
            raise
        except Exception as error:
            loaded.say_error(error)
            loaded.enter("failed", str(error))
            await self._undo(loaded)
            raise
        loaded.enter("ready")

    def _offer(self, loaded: Loaded) -> None:
        """A plugin is an operator, too, by its own name."""
        config = loaded.file.config
        kept = {key: config.entries.get(key) for key in ("inputs", "outputs")}
        service = {"type": "operator", "name": loaded.name, "ui": config.ui, **kept}
        run = {"run": loaded.function("run")}
        self.services.register({**service, **run}, loaded.name, loaded.id)

    async def _load_needed(self, loaded: Loaded) -> None:
        """Load what a plugin depends on; what cannot be is told in its log."""
        for needed in loaded.file.config.dependencies:
            try:
                await self.load(needed, namespace=loaded.namespace, beside=loaded.registered)
            except Exception as error:
                loaded.say(f"{needed}, which it depends on, is not there: {error}", "error")

    async def _start(self, loaded: Loaded) -> None:
        file = loaded.file
        if file.kind == "collection":
            return
        if file.is_window:
            loaded.interface = self._proxy(loaded)
            return
        api = PluginApi(self, loaded)
        if file.kind == "native-python":
            constants = self.constants(loaded)
            loaded.runner = Native(self.host, loaded, api, constants, api.exported)
            await loaded.runner.start()
            return
        frame = await self.frame(loaded)
        started = await self.face.start(frame, api.call, self.told_by(loaded))
        loaded.runner = _Frame(started)
        loaded.interface = dict(started.get("interface") or {})

    def _proxy(self, loaded: Loaded) -> dict[str, Any]:
        """What a window plugin exports as long as no window is meant: how to open one."""

        async def run(context: Any = None, *_: Any) -> dict[str, Any]:
            given = context if isinstance(context, dict) else {}
            kept = {key: given.get(key) for key in ("config", "data", "window_id", "id")}
            config = {**loaded.file.config.defaults, **kept}
            if config.get("as_dialog") and config.get("standalone"):
                config |= {"fullscreen": True, "standalone": False}
            window = await self._windows.open(loaded, config)
            return window.api()

        return {"setup": _nothing, "run": run}

    async def _undo(self, loaded: Loaded) -> None:
        if loaded.runner is not None:
            with suppress(ConnectionLost):
                await loaded.runner.stop()

    def _logged(self, loaded: Loaded, line: Line) -> None:
        told = {"time": line.time, "level": line.level, "text": line.text, "image": line.image}
        self._in_background(self._quietly(self.face.log(loaded.about, told)))

    async def _quietly(self, work: Awaitable[Any]) -> None:
        with suppress(OpsinError):  # the face is gone
            await work

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every change, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def changed(self) -> None:
        """Something of what is loaded is not as it was."""
        for listener in list(self._listeners):
            listener()


async def _nothing(*_: Any) -> None:
    """What every plugin has, where it has nothing to do."""


class _Frame:
    """The runner of a plugin that runs in the page."""

    def __init__(self, started: dict[str, Any]) -> None:
        self._started = started

    async def stop(self) -> None:
        stop: Callable[[], Awaitable[None]] | None = self._started.pop("stop", None)
        if stop is not None:
            await stop()
