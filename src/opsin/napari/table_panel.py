"""Table panel: a table that an operation gave, in a dock of napari."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import QLabel, QTableView, QVBoxLayout, QWidget

DIGITS = 6
"""Of numbers with a fraction, in the table; the file has all."""


class Table(QAbstractTableModel):
    """Columns of one length, which are shown where one scrolls to."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        super().__init__()
        self._names = list(columns)
        self._columns = list(columns.values())

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return max(map(len, self._columns), default=0)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return len(self._names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        value = self._columns[index.column()][index.row()]
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(value, str):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation == Qt.Orientation.Horizontal:
            return self._names[section]
        return str(section + 1)


class TablePanel(QWidget):
    """A table, and below it where its file is.

    Args:
        columns: of one length.
        path: of the file that they stand in.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]], path: str) -> None:
        super().__init__()
        self.table = Table(columns)
        view = QTableView(self)
        view.setModel(self.table)
        view.resizeColumnsToContents()
        where = QLabel(path, self)
        where.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        where.setToolTip("The file that this table is kept in")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(view)
        layout.addWidget(where)
        self.setMinimumHeight(view.fontMetrics().height() * 8)
