"""ImJoy face: answers plugins of ImJoy with dialogs and layers of one viewer of napari.

The host asks on its own thread. What is to be seen is posted to that of the window, where nothing
waits: a dialog is opened, and its answer goes back when it is there.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
from napari.utils.notifications import show_info  # type: ignore[import-untyped]
from PIL import Image
from qtpy.QtCore import QObject, Qt, QUrl, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QDialog, QFileDialog

from opsin.errors import UsageError
from opsin.host.imjoy.face import About, Tell
from opsin.host.imjoy.unattended import WHERE, chosen_file
from opsin.napari.imjoy_dialog import ImjoyDialog, form_dialog, prompt_dialog

IMAGE, MARKDOWN = "imjoy/image", "imjoy/markdown"
"""Windows that are shown here."""


class _Post(QObject):
    """Calls functions on the thread that it was made on."""

    posted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.posted.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def _call(self, function: Callable[[], object]) -> None:
        function()


class ImjoyFace:
    """Who sits in front of a viewer. To be made on the thread of its window.

    Attributes:
        dialogs: those that are open.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self._post = _Post()
        self.dialogs: list[QDialog] = []

    def post(self, function: Callable[[], object]) -> None:
        """Call a function on the thread of the window, soon."""
        self._post.posted.emit(function)

    async def alert(self, about: About, message: dict[str, Any]) -> None:
        await self._asked(lambda: ImjoyDialog(about["name"], message, ("OK",), self._parent))

    async def confirm(self, about: About, message: dict[str, Any]) -> bool:
        buttons = ("OK", "Cancel")
        dialog = await self._asked(
            lambda: ImjoyDialog(about["name"], message, buttons, self._parent)
        )
        return dialog is not None

    async def prompt(self, about: About, message: dict[str, Any]) -> str | None:
        answer = await self._asked(lambda: prompt_dialog(about["name"], message, self._parent))
        return None if answer is None else str(answer)

    async def form(self, about: About, form: dict[str, Any]) -> dict[str, Any] | None:
        answer = await self._asked(lambda: form_dialog(about["name"], form, self._parent))
        return None if answer is None else dict(answer)

    async def show_message(self, about: About, text: str, seconds: float) -> None:
        self.post(lambda: show_info(f"{about['name']}: {text}"))

    async def show_status(self, about: About, text: str) -> None:
        self.post(lambda: self._with_viewer(lambda one: setattr(one, "status", text)))

    async def show_progress(self, about: About, fraction: float | None) -> None:
        """The card of its job shows it."""

    async def log(self, about: About, line: dict[str, Any]) -> None:
        """The card of its job has it."""

    async def choose_files(self, about: About, asked: dict[str, Any]) -> list[Any] | None:
        def make() -> QFileDialog:
            dialog = QFileDialog(self._parent, asked["title"], asked["root"])
            modes = QFileDialog.FileMode
            is_folder, is_single = asked["type"] == "directory", asked["mode"] == "single"
            single = modes.ExistingFile if is_single else modes.ExistingFiles
            dialog.setFileMode(modes.Directory if is_folder else single)
            return dialog

        paths = await self._asked(make)
        return None if paths is None else [chosen_file(Path(one)) for one in paths]

    async def save_file(self, about: About, name: str, content: bytes, mime: str) -> None:
        def make() -> QFileDialog:
            dialog = QFileDialog(self._parent, f"A file from {about['name']}")
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
            dialog.selectFile(Path(name).name or "file")
            return dialog

        for path in (await self._asked(make) or ())[:1]:
            try:
                await asyncio.to_thread(Path(path).write_bytes, content)
            except OSError as error:
                reason = error.strerror or error
                raise UsageError(f"{path} cannot be written: {reason}.") from None

    async def open_url(self, about: About, address: str) -> None:
        self.post(lambda: QDesktopServices.openUrl(QUrl(address)))

    async def start(self, frame: dict[str, Any], api: Any, tell: Tell) -> dict[str, Any]:
        raise UsageError(f"{frame['name']} is a {frame['kind']} and runs in a browser: {WHERE}.")

    async def built_in(self, window: dict[str, Any], tell: Tell) -> dict[str, Any]:
        title = str(window["title"])
        if window["type"] == IMAGE:
            pixels = await asyncio.to_thread(_pixels, window["data"])
            self.show_layer(pixels, title)
        elif window["type"] == MARKDOWN:
            text = _part(window["data"], "source", "text", "markdown")
            message = {"title": title, "content": str(text)}
            self.post(lambda: self._open(self._markdown(message)))
        else:
            raise UsageError(f"A window ({window['type']}) needs a browser: {WHERE}.")
        return {}

    def show_layer(self, pixels: np.ndarray, name: str, **place: Any) -> None:
        """Add an image to the viewer, from any thread."""

        def add(viewer: Any) -> None:
            rgb = pixels.ndim > 2 and pixels.shape[-1] in (3, 4) and pixels.dtype == np.uint8
            viewer.add_image(pixels, name=name, rgb=rgb, **place)

        self.post(lambda: self._with_viewer(add))

    # ------------------------------------------------------------------ inside

    @property
    def _parent(self) -> Any:
        viewer = self._viewer()
        return None if viewer is None else viewer.window._qt_window

    def _with_viewer(self, function: Callable[[Any], object]) -> None:
        viewer = self._viewer()
        if viewer is not None:
            function(viewer)

    def _markdown(self, message: Mapping[str, Any]) -> ImjoyDialog:
        dialog = ImjoyDialog(
            message["title"], {"content": message["content"]}, ("OK",), self._parent
        )
        dialog.text.setTextFormat(Qt.TextFormat.MarkdownText)
        return dialog

    def _open(self, dialog: QDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.dialogs.append(dialog)
        dialog.finished.connect(lambda *_: self.dialogs.remove(dialog))
        dialog.open()

    async def _asked(self, make: Callable[[], Any]) -> Any:
        """What a dialog is answered; None: it was cancelled. It is closed if nobody waits."""
        answer: Future[Any] = Future()

        def begin() -> None:
            if answer.done():
                return
            try:
                dialog = make()
            except Exception as error:
                answer.set_exception(error)
                return

            def ended(result: int) -> None:
                with suppress(InvalidStateError):
                    answer.set_result(_answer(dialog) if result else None)

            def gone(ended: Future[Any]) -> None:
                if ended.cancelled():
                    self.post(lambda: dialog.reject() if dialog in self.dialogs else None)

            dialog.finished.connect(ended)
            self._open(dialog)
            answer.add_done_callback(gone)

        self.post(begin)
        return await asyncio.wrap_future(answer)


def _answer(dialog: Any) -> Any:
    return dialog.selectedFiles() if isinstance(dialog, QFileDialog) else dialog.answer()


def _part(data: Any, *names: str) -> Any:
    """What is meant of the data of a window, which may be that itself."""
    if isinstance(data, dict):
        return next((data[name] for name in names if data.get(name) is not None), "")
    return data


def _pixels(data: Any) -> np.ndarray:
    """An image, given as an array or as a data address.

    Raises:
        UsageError: it is neither.
    """
    source = _part(data, "src", "image", "array", "data")
    if isinstance(source, str) and source.startswith("data:image/"):
        try:
            content = base64.b64decode(source.partition(",")[2], validate=True)
            with Image.open(io.BytesIO(content)) as image:
                return np.asarray(image.convert("RGBA"))
        except (binascii.Error, OSError, ValueError) as error:
            raise UsageError(f"An image of a plugin cannot be read: {error}.") from None
    if hasattr(source, "shape") and hasattr(source, "dtype") and len(source.shape) > 1:
        return np.array(source)
    raise UsageError(f"That is no image that napari can show; {WHERE}.")
