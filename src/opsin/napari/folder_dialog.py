"""Folder dialog: where the images are that steps are repeated on, and where the results go."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

WIDTH = 460


class FolderDialog(QDialog):
    """Asks for two folders.

    Args:
        steps: how many there are to be repeated.
    """

    def __init__(self, steps: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Run on folder")
        self.setMinimumWidth(WIDTH)
        self.images = QLineEdit(self)
        self.images.setPlaceholderText("/data/plate 7")
        self.results = QLineEdit(self)
        rows = QFormLayout()
        rows.addRow("Images in", self._with_button(self.images, "Images in"))
        rows.addRow("Results to", self._with_button(self.results, "Results to"))
        self.said = QLabel(self)
        self.said.setWordWrap(True)
        self.buttons = QDialogButtonBox(self)
        self.run = QPushButton("Run the step" if steps == 1 else f"Run {steps} steps", self)
        self.buttons.addButton(self.run, QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(rows)
        layout.addWidget(self.said)
        layout.addWidget(self.buttons)
        for field in (self.images, self.results):
            field.textChanged.connect(self._look)
        self._look()

    @property
    def folder(self) -> Path:
        """With the images."""
        return Path(self.images.text().strip()).expanduser()

    @property
    def out(self) -> Path:
        """For the results: by default beside the images."""
        text = self.results.text().strip()
        return Path(text).expanduser() if text else self._proposed

    @property
    def _proposed(self) -> Path:
        return self.folder.with_name(f"{self.folder.name} results")

    def _look(self) -> None:
        """Say what is wrong, or what will be done."""
        named = bool(self.images.text().strip()) and bool(self.folder.name)
        self.results.setPlaceholderText(str(self._proposed) if named else "beside the images")
        wrong = ""
        if named and not self.folder.is_absolute():
            wrong = "Give the whole path, such as /data/plate 7."
        elif named and not self.folder.is_dir():
            wrong = f"{self.folder} is no folder."
        elif named and not self.out.is_absolute():
            wrong = "Give the whole path for the results, too."
        self.said.setText(wrong or "What is done there already is passed over.")
        self.run.setEnabled(named and not wrong)

    def _with_button(self, field: QLineEdit, title: str) -> QWidget:
        row = QWidget(self)
        browse = QPushButton("Choose…", row)
        browse.setAutoDefault(False)
        browse.clicked.connect(lambda: self._choose(field, title))
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(field, 1)
        layout.addWidget(browse, 0, Qt.AlignmentFlag.AlignRight)
        return row

    def _choose(self, field: QLineEdit, title: str) -> None:
        path = QFileDialog.getExistingDirectory(self, title, field.text() or str(Path.home()))
        if path:
            field.setText(path)
