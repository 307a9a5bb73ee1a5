"""ImJoy dialog: what a plugin of ImJoy tells or asks, in a window of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import msgspec
from magicgui import widgets
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from opsin.napari.field import Field
from opsin.plugins.manifest import Parameter

WIDTH = 360


class ImjoyDialog(QDialog):
    """A text, what is to be filled in, and buttons; the first one accepts.

    Attributes:
        text: that which is told.
        answer: what was filled in; True where there is nothing to.
    """

    def __init__(
        self,
        plugin: str,
        message: Mapping[str, Any],
        buttons: Sequence[str],
        parent: QWidget | None,
        content: QWidget | None = None,
        answer: Callable[[], Any] = lambda: True,
    ) -> None:
        super().__init__(parent)
        self.answer = answer
        self.setWindowTitle(plugin)
        self.setMinimumWidth(WIDTH)
        layout = QVBoxLayout(self)
        if message.get("title"):
            layout.addWidget(QLabel(f"<b>{escape(str(message['title']))}</b>", self))
        self.text = QLabel(str(message.get("content") or ""), self)
        self.text.setTextFormat(Qt.TextFormat.PlainText)  # it is a stranger's
        self.text.setWordWrap(True)
        layout.addWidget(self.text)
        if content is not None:
            layout.addWidget(content)
        box = QDialogButtonBox(self)
        roles = QDialogButtonBox.ButtonRole
        for number, name in enumerate(buttons):
            box.addButton(name, roles.RejectRole if number else roles.AcceptRole)
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        layout.addWidget(box)


def prompt_dialog(plugin: str, message: Mapping[str, Any], parent: QWidget | None) -> ImjoyDialog:
    """Asks for a line of text."""
    line = QLineEdit(str(message.get("value") or ""))
    line.setPlaceholderText(str(message.get("placeholder") or ""))
    return ImjoyDialog(plugin, message, ("OK", "Cancel"), parent, line, line.text)


def form_dialog(plugin: str, form: Mapping[str, Any], parent: QWidget | None) -> ImjoyDialog:
    """Asks for the values of a form."""
    fields = {
        name: Field(_parameter(name, one)) for name, one in form["schema"]["properties"].items()
    }
    rows: Any = widgets.Container(widgets=[one.widget for one in fields.values()])
    message = {"title": form["title"], "content": form["text"]}

    def answer() -> dict[str, Any]:
        assert rows is not None  # it is kept as long as the dialog is
        return {name: field.value for name, field in fields.items()}

    return ImjoyDialog(plugin, message, ("OK", "Cancel"), parent, rows.native, answer)


def _parameter(name: str, schema: Mapping[str, Any]) -> Parameter:
    """A field of a form's schema, as `Operation.form` writes it."""
    kind = schema["type"]
    nullable = isinstance(kind, list)
    plain = {
        **schema,
        "name": name,
        "type": kind[0] if nullable else kind,
        "nullable": nullable,
        "enum": [one for one in schema.get("enum", ()) if one is not None],
    }
    return msgspec.convert(plain, Parameter)
