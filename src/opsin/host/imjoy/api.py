"""Api: what the `api` of one plugin is answered, whoever calls it: a worker, or a frame.

The names are ImJoy's, in camelCase; in snake_case they are the same.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from math import isnan
from typing import TYPE_CHECKING, Any

from opsin.errors import OpsinError, UsageError
from opsin.host.imjoy import file_system
from opsin.host.imjoy.file_content import content_of
from opsin.host.imjoy.loaded import Loaded
from opsin.host.imjoy.native import Exported, Native
from opsin.host.imjoy.own_files import own_manager
from opsin.host.imjoy.window import CONTROLS, Window
from opsin.plugins.formats.imjoy_html.joy import read_form
from opsin.plugins.manifest import Operation
from opsin.rpc.objects import by_reference
from opsin.worker_imjoy.api import camel
from opsin.worker_imjoy.values import KEYWORDS

if TYPE_CHECKING:
    from opsin.host.imjoy.desk import Desk

SHOWN = 3000
"""Letters of a value in a log."""
MESSAGE_SECONDS = 10.0
ARRAYS_SINCE = (0, 1, 8)
"""Since this version of the api a file dialog gives a list."""
ENGINE = "opsin"
"""What plugins get for the address of their engine, and of what manages files."""
FLAGGED = ("engine", "engine-factory", "file-manager")
"""Services that a plugin offers if its flags say so."""
BROWSER_FILES = "BrowserFS"
"""The plugin of ImJoy's own that is `api.fs`."""
PATHS_UNTIL = (0, 1, 3)
"""Until this one it gave a path alone."""


@by_reference
class PluginApi:
    """Answers one plugin of a desk.

    Args:
        window: in which the plugin runs, if it runs in one.
    """

    def __init__(self, desk: Desk, loaded: Loaded, window: Window | None = None) -> None:
        self._desk = desk
        self._loaded = loaded
        self._window = window
        self.exported = Exported(loaded.name)

    async def call(self, name: str, args: list[Any]) -> Any:
        """Answer a call.

        Raises:
            UsageError: there is no such call, or it makes no sense so.
        """
        name = camel(str(name))
        if (own := self._desk.answer_of(name, self._loaded)) is not None:
            config = {"name": self._loaded.name, "namespace": self._loaded.namespace}
            return await own({**self._about, "config": config}, *plain(args))
        answer = _ANSWERS.get(name)
        if answer is None:
            raise UsageError(f"There is no api.{name} in Opsin.")
        __tracebackhide__ = True
        try:
            return await answer(self, *plain(args))
        except OpsinError as error:  # what the plugin asked for, and not a fault of these lines
            raise error.with_traceback(None) from None

    async def export(self, interface: dict[str, Any]) -> None:
        """The plugin says what others can call."""
        runner = self._loaded.runner
        if isinstance(runner, Native):
            guarded = {
                name: runner.guarded(one) for name, one in interface.items() if callable(one)
            }
            interface = {**interface, **guarded}
        self._loaded.interface = dict(interface)
        self.exported.set()
        self._loaded.changed()

    async def unheard(self, message: str) -> None:
        """A call of the plugin failed, and it did not look."""
        self._loaded.say(message, "error")

    # ------------------------------------------------------------------ what is shown

    async def _log(self, *items: Any) -> None:
        self._say(items, "log")

    async def _error(self, *items: Any) -> None:
        self._say(items, "error")

    def _say(self, items: tuple[Any, ...], level: Any) -> None:
        words: list[str] = []
        for item in items:
            image = item.get("value") if isinstance(item, dict) else None
            if isinstance(item, dict) and item.get("type") == "image" and isinstance(image, str):
                self._loaded.say(" ".join(words), level, image)
                words = []
            else:
                words.append(shown(item))
        if words:
            self._loaded.say(" ".join(words), level)

    async def _alert(self, message: Any = "", *_: Any) -> None:
        await self._desk.face.alert(self._about, _message(message))

    async def _confirm(self, message: Any = "", *_: Any) -> bool:
        return bool(await self._desk.face.confirm(self._about, _message(message)))

    async def _prompt(self, message: Any = "", default: Any = None, *_: Any) -> str | None:
        asked = _message(message)
        if isinstance(default, dict):  # keywords of Python
            asked |= {key: one for key, one in default.items() if key != "default"}
            default = default.get("default")
        value = asked.get("placeholder") or default
        asked |= {"placeholder": str(value or ""), "value": str(value or "")}
        return await self._desk.face.prompt(self._about, asked)

    async def _show_message(self, text: Any = "", seconds: Any = None, *_: Any) -> None:
        if isinstance(seconds, dict):
            seconds = seconds.get("duration", seconds.get("seconds"))
        for_seconds = seconds if isinstance(seconds, (int, float)) else MESSAGE_SECONDS
        await self._desk.face.show_message(self._about, shown(text), float(for_seconds))

    async def _show_status(self, text: Any = "", *_: Any) -> None:
        self._loaded.status = shown(text)
        self._loaded.changed()
        await self._desk.face.show_status(self._about, self._loaded.status)

    async def _show_progress(self, value: Any = None, *_: Any) -> None:
        self._loaded.progress = fraction(value)
        self._loaded.changed()
        await self._desk.face.show_progress(self._about, self._loaded.progress)

    async def _progress(self, value: Any = None, *_: Any) -> None:
        self._loaded.progress = fraction(value)
        self._loaded.changed()

    async def _show_dialog(self, config: Any = None, extra: Any = None, *_: Any) -> Any:
        asked = _config(config, extra, "type")
        ui = asked.get("ui")
        if ui is None or asked.get("src"):
            return await self._desk.create_window({**asked, "dialog": True}, self._loaded)
        form = form_of(ui)
        if asked.get("content"):
            form["text"] = shown(asked["content"])
        given = {"title": str(asked.get("name") or asked.get("title") or self._loaded.name)}
        values = await self._desk.face.form(self._about, {**given, **form})
        if values is None:
            raise UsageError("The dialog was cancelled.")
        return values

    async def _open_url(self, address: Any = "", *_: Any) -> None:
        if not re.match(r"https?://", str(address)):
            raise UsageError(f"{address!s:.100} is no address of a page: it begins with https://.")
        await self._desk.face.open_url(self._about, str(address))

    async def _sleep(self, seconds: Any = 0, *_: Any) -> None:
        await asyncio.sleep(float(seconds))

    # ------------------------------------------------------------------ windows

    async def _create_window(self, config: Any = None, extra: Any = None, *_: Any) -> Any:
        return await self._desk.create_window(_window_config(config, extra), self._loaded)

    async def _get_window(self, config: Any = None, *_: Any) -> Any:
        found = self._desk.window(_config(config, None, "name"))
        return None if found is None else found.api()

    async def _on(self, *args: Any) -> None:
        await self._own_window("on").on(*args)

    async def _off(self, *args: Any) -> None:
        await self._own_window("off").off(*args)

    async def _emit(self, *args: Any) -> None:
        await self._own_window("emit").emit(*args)

    async def _close(self, *_: Any) -> None:
        if self._window is not None:
            await self._window.close()
        else:
            self._desk.stop_soon(self._loaded.id)

    async def _on_close(self, callback: Any = None, *_: Any) -> None:
        await self._own_window("onClose").on("close", callback)

    def _own_window(self, name: str) -> Window:
        return self._window or self._desk.events_of(self._loaded, name)

    # ------------------------------------------------------------------ plugins and services

    async def _get_plugin(self, config: Any = None, extra: Any = None, *_: Any) -> Any:
        asked = config
        if isinstance(config, str):
            is_source = "\n" in config or re.search(r"https?://", config)
            asked = {"src" if is_source else "name": config}
        asked = _config(asked, extra, "name")
        if asked.get("name") == BROWSER_FILES and self._desk.named(BROWSER_FILES) is None:
            calls = {name: _bound(self, f"fs.{name}") for name in file_system.CALLS}
            return {"fs": {**calls, "_rintf": True}, "_rintf": True}
        return await self._desk.plugin_api(asked)

    async def _call(self, plugin: Any, function: Any = None, *args: Any) -> Any:
        return await self._desk.call(str(plugin), str(function), *args)

    async def _run(self, plugin: Any, context: Any = None, *_: Any) -> Any:
        return await self._desk.call(str(plugin), "run", context or {})

    async def _install_plugin(self, config: Any = None, *_: Any) -> None:
        asked = _config(config, None, "src")
        source = asked.get("src") or asked.get("uri") or asked.get("code")
        if not source:
            raise UsageError("Say what is to be installed: {src: …}.")
        await self._desk.install(str(source), str(asked.get("tag") or ""), self._about)

    async def _uninstall_plugin(self, config: Any = None, *_: Any) -> None:
        await self._desk.uninstall(str(_config(config, None, "name").get("name")), self._about)

    async def _register_service(self, config: Any = None, extra: Any = None, *_: Any) -> str:
        loaded = self._loaded
        service = _config(config, extra, "name")
        kind = service.get("type")
        if kind in FLAGGED and kind not in loaded.file.config.flags:
            loaded.say(f'{service.get("name")} is not offered: add "{kind}" to its flags.', "error")
            return secrets.token_hex(8)
        return self._desk.services.register(service, loaded.name, loaded.id)

    async def _register(self, config: Any = None, extra: Any = None, *_: Any) -> str:
        service = {"type": "operator", "name": self._loaded.name} | _config(config, extra, "name")
        return self._desk.services.register(service, self._loaded.name, self._loaded.id)

    async def _unregister(self, config: Any = None, *_: Any) -> bool:
        return self._desk.services.unregister(config, self._loaded.id)

    async def _get_services(self, query: Any = None, *_: Any) -> list[dict[str, Any]]:
        return self._desk.services.find(_config(query, None, "type"))

    async def _get_engine(self, which: Any = None, *_: Any) -> Any:
        return self._service(("engine", "#engine"), which, "engine with the address")

    async def _get_engine_factory(self, which: Any = None, *_: Any) -> Any:
        return self._service(("engine-factory", "#engine-factory"), which, "engine factory called")

    async def _get_file_manager(self, which: Any = None, *_: Any) -> Any:
        if which in (None, "", ENGINE):
            return own_manager(self.call, ENGINE)
        return self._service(("file-manager", "#file-manager"), which, "file manager at")

    def _service(self, kinds: tuple[str, ...], which: Any, what: str) -> Any:
        for kind in kinds:
            for service in self._desk.services.find({"type": kind}):
                if which in (service.get("url"), service.get("name"), service["id"]):
                    return service
        raise UsageError(f"There is no {what} {which!s:.100}.")

    # ------------------------------------------------------------------ files and settings

    async def _get_config(self, name: Any = "", *_: Any) -> Any:
        name, entries = str(name), self._loaded.file.config.entries
        if name.startswith("_") and _is_said(entries.get(name[1:])):
            return entries[name[1:]]
        if name == "_tag" and self._loaded.tag:
            return self._loaded.tag
        return self._desk.settings.get(self._loaded.name, name)

    async def _set_config(self, name: Any = "", value: Any = None, *_: Any) -> None:
        name = str(name)
        if name.startswith("_") and _is_said(self._loaded.file.config.entries.get(name[1:])):
            raise UsageError(f"{name[1:]!r} stands in the <config> block and cannot be changed.")
        self._desk.settings.put(self._loaded.name, name, shown(value) if value else None)

    async def _get_attachment(self, name: Any = "", *_: Any) -> str | None:
        return self._loaded.file.attachment(str(name))

    async def _export_file(self, file: Any = "", name: Any = None, *_: Any) -> None:
        content, mime, own = content_of(file)
        given = name if isinstance(name, str) and name else own or "file_export"
        await self._desk.face.save_file(self._about, given, content, mime)

    async def _show_file_dialog(self, config: Any = None, *_: Any) -> Any:
        asked = _config(config, None, "title")
        folder = asked.get("type") == "directory"
        question = {
            "type": "directory" if folder else "file",
            "mode": str(asked.get("mode") or ("single" if folder else "single|multiple")),
            "title": shown(asked.get("title") or f"Files for {self._loaded.name}"),
            "root": shown(asked.get("root") or ""),
        }
        chosen = await self._desk.choose_files(self._loaded, question)
        if chosen is None:
            raise UsageError("No file was chosen.")
        version = self._loaded.file.config.api_version
        if _numbers(version) <= PATHS_UNTIL and chosen:
            return chosen[0]["path"]
        if _numbers(version) < ARRAYS_SINCE and len(chosen) == 1:
            return chosen[0]
        return chosen

    async def _get_file_url(self, config: Any = None, *_: Any) -> str:
        asked = _config(config, None, "path")
        if (manager := await self._manager_of(asked)) is not None:
            address: str = await manager["getFileUrl"](asked)
            return address
        return self._desk.files.address(self._loaded, str(asked.get("path") or ""))

    async def _request_upload_url(self, config: Any = None, *_: Any) -> str:
        asked = _config(config, None, "path")
        path = str(asked.get("path") or asked.get("dir") or "")
        kept = {"path": asked.get("path"), "dir": asked.get("dir")}
        overwrite = bool(asked.get("overwrite"))
        if (manager := await self._manager_of(asked)) is not None:
            address: str = await manager["requestUploadUrl"]({**kept, "overwrite": overwrite})
            return address
        return self._desk.files.upload_address(self._loaded, path, overwrite=overwrite)

    async def _manager_of(self, asked: dict[str, Any]) -> Any:
        """The plugin that manages the files of which a call is; None: Opsin itself does.

        Raises:
            UsageError: there is no such manager, or nothing is asked for.
        """
        if not asked.get("path") and not asked.get("dir"):
            raise UsageError("Say which file is meant: {path: …}.")
        which = asked.get("file_manager") or asked.get("engine")
        return None if which in (None, "", ENGINE) else await self._get_file_manager(which)

    async def _echo(self, value: Any = None, *_: Any) -> Any:
        return value

    async def _nothing(self, *_: Any) -> None:
        """What has no meaning here, and does no harm."""

    async def _elsewhere(self, *_: Any) -> None:
        raise UsageError(
            "Files are not reached so in Opsin: ask for them with api.showFileDialog(), give them "
            "with api.exportFile(), and put them at api.requestUploadUrl() with fetch."
        )

    @property
    def _about(self) -> dict[str, Any]:
        return self._loaded.about

    async def control(self, name: str, *args: Any) -> Any:
        """Do something to the plugin's own window."""
        window = self._own_window(name)
        return await window.api()[name](*args)


Answer = Callable[..., Awaitable[Any]]


def _bound(api: PluginApi, name: str) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any) -> Any:
        return await api.call(name, list(args))

    return call


def _controlled(name: str) -> Answer:
    async def answer(self: PluginApi, *args: Any) -> Any:
        return await self.control(name, *args)

    return answer


def _of_file_system(name: str) -> Answer:
    async def answer(self: PluginApi, *args: Any) -> Any:
        return await self._desk.files.kept.call(name, *args)

    return answer


_ANSWERS: dict[str, Answer] = {
    "alert": PluginApi._alert,
    "call": PluginApi._call,
    "close": PluginApi._close,
    "confirm": PluginApi._confirm,
    "createWindow": PluginApi._create_window,
    "dispose": PluginApi._nothing,
    "downloadFileFromUrl": PluginApi._elsewhere,
    "echo": PluginApi._echo,
    "emit": PluginApi._emit,
    "error": PluginApi._error,
    "exportFile": PluginApi._export_file,
    "getAttachment": PluginApi._get_attachment,
    "getConfig": PluginApi._get_config,
    "getEngine": PluginApi._get_engine,
    "getEngineFactory": PluginApi._get_engine_factory,
    "getFileManager": PluginApi._get_file_manager,
    "getFileUrl": PluginApi._get_file_url,
    "getPlugin": PluginApi._get_plugin,
    "getServices": PluginApi._get_services,
    "getWindow": PluginApi._get_window,
    "installPlugin": PluginApi._install_plugin,
    "loadPlugin": PluginApi._get_plugin,
    "log": PluginApi._log,
    "off": PluginApi._off,
    "on": PluginApi._on,
    "onClose": PluginApi._on_close,
    "onLoad": PluginApi._nothing,
    "progress": PluginApi._progress,
    "prompt": PluginApi._prompt,
    "register": PluginApi._register,
    "registerService": PluginApi._register_service,
    "requestUploadUrl": PluginApi._request_upload_url,
    "run": PluginApi._run,
    "setConfig": PluginApi._set_config,
    "showDialog": PluginApi._show_dialog,
    "showFileDialog": PluginApi._show_file_dialog,
    "showMessage": PluginApi._show_message,
    "showProgress": PluginApi._show_progress,
    "showSnackbar": PluginApi._show_message,
    "showStatus": PluginApi._show_status,
    "uninstallPlugin": PluginApi._uninstall_plugin,
    "unregister": PluginApi._unregister,
    "unregisterService": PluginApi._unregister,
    "uploadFileToUrl": PluginApi._elsewhere,
    "utils.$forceUpdate": PluginApi._nothing,
    "utils.openUrl": PluginApi._open_url,
    "utils.showDirectoryPicker": PluginApi._elsewhere,
    "utils.showOpenFilePicker": PluginApi._elsewhere,
    "utils.showSaveFilePicker": PluginApi._elsewhere,
    "utils.sleep": PluginApi._sleep,
    **{name: _controlled(name) for name in CONTROLS},
    **{f"fs.{name}": _of_file_system(name) for name in file_system.CALLS},
}
NAMES = tuple(_ANSWERS)
"""Of all calls."""


def is_elsewhere(name: str) -> bool:
    """Whether a call is one that only says what to use in its place."""
    return _ANSWERS.get(name) is PluginApi._elsewhere


def form_of(ui: Any) -> dict[str, Any]:
    """What a face shows of a form: `{text, schema}`; of one without fields, its words.

    Raises:
        PluginError: it cannot be read.
    """
    form = read_form(ui)
    schema = Operation(name="form", title="", parameters=form.parameters).form()
    return {"text": "" if form.parameters else shown(ui or ""), "schema": schema}


def _is_said(value: Any) -> bool:
    """Whether JavaScript takes a value for true: an empty list is."""
    return value not in (None, False, "", 0)


def fraction(value: Any) -> float | None:
    """Progress from 0 to 1: up to 1 it is that, more is per cent."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or isnan(value):
        return None
    return min(1.0, max(0.0, value if value <= 1 else value / 100))


def shown(value: Any) -> str:
    """A value as a text for people."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value.get("_rtype") == "error":
        return str(value.get("_rvalue"))
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"array of {value.dtype}, shape {tuple(value.shape)}"
    try:
        return json.dumps(value, ensure_ascii=False, default=lambda one: f"<{_kind(one)}>")[:SHOWN]
    except (ValueError, RecursionError):
        return f"<{_kind(value)}>"


def _kind(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"array {tuple(value.shape)}"
    return "function" if callable(value) else type(value).__name__


def plain(args: list[Any]) -> list[Any]:
    """The arguments, keywords of Python as a map among them."""
    if args and isinstance(args[-1], dict) and KEYWORDS in args[-1]:
        return [*args[:-1], {key: one for key, one in args[-1].items() if key != KEYWORDS}]
    return list(args)


def _config(given: Any, extra: Any, key: str) -> dict[str, Any]:
    """What is a map, or the one text that stands for `key` of it."""
    found = given if isinstance(given, dict) else {} if given is None else {key: given}
    return {**found, **extra} if isinstance(extra, dict) else dict(found)


def _window_config(given: Any, extra: Any) -> dict[str, Any]:
    if isinstance(given, str):
        is_source = "\n" in given or re.search(r"https?://", given)
        key = "src" if is_source or ("/" in given and ":" in given) else "type"
        return _config({key: given}, extra, "type")
    return _config(given, extra, "type")


def _message(given: Any) -> dict[str, Any]:
    """A question or a message, in words alone or with a title."""
    if isinstance(given, dict) and given.get("_rtype") != "error":
        content = given.get("content", given.get("message", ""))
        kept = {"placeholder": given["placeholder"]} if given.get("placeholder") else {}
        return {"title": shown(given.get("title") or ""), "content": shown(content or ""), **kept}
    return {"title": "", "content": shown(given)}


def _numbers(version: str) -> tuple[int, ...]:
    parts = [re.match(r"\d+", part) for part in version.split(".")[:4]]
    return tuple(int(part[0]) if part else 0 for part in parts)
