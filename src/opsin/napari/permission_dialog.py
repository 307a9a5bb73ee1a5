"""Permission dialog: asks whether a plugin may use what it asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from opsin.errors import UsageError
from opsin.host.permissions import WHAT, Answer, Asked, folder
from opsin.plugins.manifest import Plugin

WIDTH = 420
ABOUT = "It is a program that somebody else wrote. What you do not allow, it runs without."
MEANING: Mapping[str, str] = {
    "files": "It can read what is in that folder, and change nothing there.",
    "gpu": "It can use it to compute.",
    "network": "It can send what it gets, images too, to any computer.",
}


class PermissionDialog(QDialog):
    """Asks for these permissions of a plugin; what is rejected is not answered.

    Attributes:
        boxes: by the names of the permissions.
        place: the folder that may be read.
    """

    def __init__(
        self, plugin: Plugin, asked: Sequence[Asked], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Permissions")
        self.setMinimumWidth(WIDTH)
        version = f" {plugin.version}" if plugin.version != "0" else ""
        layout = QVBoxLayout(self)
        for line in (f"<b>What may {escape(plugin.name + version)} use?</b>", ABOUT):
            title = QLabel(line)
            title.setWordWrap(True)
            layout.addWidget(title)
        self.boxes: dict[str, QCheckBox] = {}
        self.place = QLineEdit(self)
        self.place.setPlaceholderText("/data/models")
        for one in asked:
            what = WHAT[one.name]
            box = self.boxes[one.name] = QCheckBox(what[:1].upper() + what[1:], self)
            box.setChecked(len(asked) == 1)  # then the button is the decision
            box.toggled.connect(self._look)
            reason = f"{one.reason}. " if one.reason else ""
            text = QLabel(escape(f"{reason[:1].upper()}{reason[1:]}{MEANING[one.name]}"))
            text.setWordWrap(True)
            text.setIndent(24)
            layout.addWidget(box)
            layout.addWidget(text)
            if one.name == "files":
                layout.addWidget(self._with_button())
        self.place.textChanged.connect(self._look)
        self.said = QLabel(self)
        self.said.setWordWrap(True)
        layout.addWidget(self.said)
        buttons = QDialogButtonBox(self)
        self.allow = QPushButton("Allow", self)
        self.refuse = QPushButton("Not now", self)
        buttons.addButton(self.allow, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton(self.refuse, QDialogButtonBox.ButtonRole.ActionRole)
        self.refuse.clicked.connect(self._refuse)
        buttons.accepted.connect(self.accept)
        layout.addWidget(buttons)
        self._look()

    def showEvent(self, event: Any) -> None:
        """Give texts as many lines as they need in the look of napari, which comes with it."""
        super().showEvent(event)
        for label in self.findChildren(QLabel):
            if label.wordWrap() and label.isVisible():
                label.setMinimumHeight(label.heightForWidth(label.width()))

    @property
    def answers(self) -> dict[str, Answer]:
        """By the names of the permissions.

        Raises:
            UsageError: there is no such folder.
        """
        found: dict[str, Answer] = {name: box.isChecked() for name, box in self.boxes.items()}
        if found.get("files"):
            found["files"] = (folder(self.place.text().strip()),)
        return found

    def _refuse(self) -> None:
        for box in self.boxes.values():
            box.setChecked(False)
        self.accept()

    def _look(self, *_: object) -> None:
        """Say what is wrong with the folder."""
        wrong = ""
        try:
            given = self.answers
        except UsageError as error:
            wrong, given = str(error), {}
        self.said.setText(wrong)
        self.said.setVisible(bool(wrong))
        self.allow.setEnabled(any(given.values()))

    def _with_button(self) -> QWidget:
        row = QWidget(self)
        browse = QPushButton("Choose…", row)
        browse.setAutoDefault(False)
        browse.clicked.connect(self._choose)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(24, 0, 0, 0)
        layout.addWidget(self.place)
        layout.addWidget(browse)
        return row

    def _choose(self) -> None:
        text = self.place.text().strip()
        found = QFileDialog.getExistingDirectory(self, "A folder that it may read", text)
        if found:
            self.place.setText(str(Path(found)))
