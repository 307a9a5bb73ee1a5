"""Plugin list: which plugins there are, of which version, from where; trusted or removed here."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from opsin.errors import OpsinError
from opsin.host.host_thread import HostThread
from opsin.host.registry import Registered
from opsin.napari.scroll_area import ScrollArea
from opsin.napari.trusted import is_trusted, trust, trust_no_more

SIZE = (460, 360)
LOOK = "PluginRow { background: rgba(128, 128, 128, 40); border-radius: 4px; }"
HERE = "Run in napari's process"
WHY_HERE = (
    "For a plugin that you trust like napari itself: nothing keeps it apart, it can be cancelled "
    "only where it reports progress, and if it crashes, so does napari. Until napari ends."
)
NONE = "There are no plugins yet. Drop one on napari."


class PluginList(QDialog):
    """All plugins that the host knows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Plugins of Opsin")
        self.resize(*SIZE)
        self._host = HostThread.shared().host
        self.rows: dict[str, PluginRow] = {}
        """By the id of the plugin."""
        content = QWidget()
        self._list = QVBoxLayout(content)
        self._list.setContentsMargins(0, 0, 0, 0)
        self.nothing = QLabel(NONE)
        self._list.addWidget(self.nothing)
        self._list.addStretch()
        self.said = QLabel()
        self.said.setWordWrap(True)
        buttons = QDialogButtonBox()
        buttons.addButton("Close", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(ScrollArea(content))
        layout.addStretch()
        layout.addWidget(self.said)
        layout.addWidget(buttons)
        stop = self._host.registry.listen(self.look)
        self.destroyed.connect(lambda *_: stop())
        self.look()

    def look(self) -> None:
        """Show those that there are now."""
        known = {one.id: one for one in self._host.registry.all()}
        for id in [id for id, row in self.rows.items() if known.get(id) != row.registered]:
            row = self.rows.pop(id)
            self._list.removeWidget(row)
            row.hide()
            row.deleteLater()
        for place, one in enumerate(known.values()):
            if one.id not in self.rows:
                row = self.rows[one.id] = PluginRow(one, self._source(one))
                row.remove.clicked.connect(lambda *_, one=one: self._ask(one))
                row.here.clicked.connect(lambda _, row=row: self._trust(row))
                self._list.insertWidget(place, row)
        self.nothing.setVisible(not known)

    def remove(self, id: str) -> None:
        """Forget a plugin; of a file that is kept the copy goes."""
        try:
            self._host.forget_plugin(id)
        except OpsinError as error:
            self.said.setText(str(error))

    def _trust(self, row: PluginRow) -> None:
        self.said.setText("")
        try:
            (trust if row.here.isChecked() else trust_no_more)(row.registered)
        except OpsinError as error:
            self.said.setText(str(error))
        row.here.setChecked(is_trusted(row.registered))

    def _ask(self, one: Registered) -> None:
        keeper = self._host.workspace.keeper_of(one.path)
        if keeper is None:
            self.remove(one.id)
            return
        goes = "Its file is deleted from" if keeper == one.path else "It goes from"
        box = QMessageBox(
            QMessageBox.Icon.Question,
            "Remove a plugin",
            f"Remove {_name(one)}? {goes} the plugins that Opsin keeps.",
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel,
            self,
        )
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.accepted.connect(lambda: self.remove(one.id))
        box.open()

    def _source(self, one: Registered) -> str:
        keeper = self._host.workspace.keeper_of(one.path)
        address = one.path.name if keeper == one.path else one.address
        return address if keeper is None else f"{address} (kept by Opsin)"


class PluginRow(QFrame):
    """One plugin."""

    def __init__(self, registered: Registered, source: str) -> None:
        super().__init__()
        self.registered = registered
        self.setStyleSheet(LOOK)
        self.title = QLabel(f"<b>{_name(registered)}</b>")
        self.source = QLabel(source)
        self.source.setToolTip(str(registered.path))
        self.source.setWordWrap(True)
        self.source.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.error = QLabel(registered.error or "")
        self.error.setWordWrap(True)
        self.error.setVisible(bool(registered.error))
        self.here = QCheckBox(HERE)
        self.here.setToolTip(WHY_HERE)
        self.here.setChecked(is_trusted(registered))
        self.here.setVisible(registered.plugin is not None)
        self.remove = QPushButton("Remove…")
        text = QVBoxLayout()
        text.setSpacing(2)
        for label in (self.title, self.source, self.error, self.here):
            text.addWidget(label)
        layout = QHBoxLayout(self)
        layout.addLayout(text, 1)
        layout.addWidget(self.remove, 0, Qt.AlignmentFlag.AlignTop)


def _name(registered: Registered) -> str:
    plugin = registered.plugin
    if plugin is None:
        return registered.path.name
    return plugin.name if plugin.version == "0" else f"{plugin.name} {plugin.version}"
