"""Permission rows: what a plugin asks for, whether it is allowed, and to change that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from opsin.errors import OpsinError
from opsin.host.host_thread import HostThread
from opsin.host.permissions import WHAT, Answer, Asked, to_be_asked
from opsin.host.registry import Registered
from opsin.napari.permission_dialog import PermissionDialog

STATES = {
    "allowed": "allowed",
    "refused": "not allowed",
    "unasked": "not allowed",
    "always": "always, isolated as it is",
}


class PermissionRows(QWidget):
    """The permissions of one plugin, as it is now.

    Attributes:
        buttons: by the names of those that can be changed.
        texts: by the names of all.
        dialog: that is open, if one is.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` tells the user what went wrong."""
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        self.texts: dict[str, QLabel] = {}
        self.dialog: PermissionDialog | None = None
        self._say = say
        self._shown: tuple[Registered, list[Asked]] | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)

    def look(self, registered: Registered) -> None:
        """Show how each stands."""
        asked = HostThread.shared().host.agreements.asked(registered)
        if self._shown == (registered, asked):
            return
        self._shown = (registered, asked)
        while (item := self._layout.takeAt(0)) is not None:
            row = item.widget()
            if row is not None:
                row.hide()
                row.deleteLater()
        self.buttons.clear()
        self.texts.clear()
        for one in asked:
            self._layout.addWidget(self._row(registered, one))
        self.setVisible(bool(asked))

    def ask_first(self, registered: Registered, then: Callable[[], object]) -> bool:
        """Ask for what the user has not been asked for, and go on after the answer; False if there
        is nothing to ask.
        """
        plugin = registered.plugin
        if plugin is None:
            return False
        names = to_be_asked(plugin)
        stand = HostThread.shared().host.agreements.asked(registered)
        unasked = [one for one in stand if one.state == "unasked" and one.name in names]
        if unasked:
            self._open(registered, unasked, then)
        return bool(unasked)

    def _row(self, registered: Registered, one: Asked) -> QWidget:
        row = QWidget()
        folders = "".join(f"<br>{escape(str(folder))}" for folder in one.folders)
        reason = f" ({escape(one.reason)})" if one.reason else ""
        what = WHAT[one.name]
        text = QLabel(f"{what[:1].upper()}{what[1:]}: {STATES[one.state]}{reason}{folders}")
        text.setWordWrap(True)
        self.texts[one.name] = text
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(text, 1)
        if one.state != "always":
            is_allowed = one.state == "allowed"
            button = self.buttons[one.name] = QPushButton("Revoke" if is_allowed else "Allow")
            button.clicked.connect(lambda: self._change(registered, one))
            layout.addWidget(button)
        return row

    def _change(self, registered: Registered, one: Asked) -> None:
        if one.state != "allowed" and one.name == "files":
            self._open(registered, [one], lambda: None)
        else:
            self._answer(registered, {one.name: one.state != "allowed"})

    def _open(self, registered: Registered, asked: list[Asked], then: Callable[[], object]) -> None:
        plugin = registered.plugin
        if plugin is None or self.dialog is not None:
            return
        dialog = self.dialog = PermissionDialog(plugin, asked, self)

        def ended(result: int) -> None:
            self.dialog = None
            try:
                answers = dialog.answers if result else {}
            except OpsinError as error:
                self._say(str(error))
                return
            if result and self._answer(registered, answers):
                then()

        dialog.finished.connect(ended)
        dialog.open()

    def _answer(self, registered: Registered, answers: Mapping[str, Answer]) -> bool:
        agreements = HostThread.shared().host.agreements
        try:
            agreements.answer(registered, answers, agreements.terms(registered))
        except OpsinError as error:
            self._say(str(error))
            return False
        self.look(registered)
        return True
