"""Parts: the source of stored points, which reads row groups of Parquet files."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from opsin.errors import Corrupt
from opsin.images.points import POSITION, PointsSource
from opsin.images.points.document import PropertyEntry
from opsin.images.points.index import Index, part_path
from opsin.images.points.records import as_words
from opsin.images.points.table import reading
from opsin.images.source import Array, Direct, Encoded
from opsin.images.source import Index as ChunkIndex

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

OPEN = 24
"""Files that are kept open, and footers that are known; one of these takes about a megabyte."""


class Files:
    """The files of an index, each open once for every thread that reads it; safe on several."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        """`words`: names of the columns of categories."""
        self._folder = folder
        self._words = list(words)
        self._idle: list[tuple[int, pq.ParquetFile]] = []
        self._footers: OrderedDict[int, pq.FileMetaData] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def open(self, part: int) -> Iterator[pq.ParquetFile]:
        """One of the files, for one thread; pyarrow's errors are let through."""
        import pyarrow.parquet as pq

        file = self._taken(part)
        if file is None:
            file = pq.ParquetFile(
                part_path(self._folder, part),
                metadata=self._footers.get(part),  # which takes long to read
                read_dictionary=self._words,
            )
        try:
            yield file
        except BaseException:
            file.close()
            raise
        with self._lock:
            self._idle.append((part, file))
            first = self._idle.pop(0)[1] if len(self._idle) > OPEN else None
            self._footers[part] = file.metadata
            self._footers.move_to_end(part)
            if len(self._footers) > OPEN:
                self._footers.popitem(last=False)
        if first is not None:
            first.close()

    def close(self) -> None:
        """Close those that nobody reads. Idempotent."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._footers.clear()
        for _, file in idle:
            file.close()

    def _taken(self, part: int) -> pq.ParquetFile | None:
        with self._lock:
            for place, (number, file) in reversed(list(enumerate(self._idle))):
                if number == part:
                    del self._idle[place]
                    return file
        return None


class Parts(PointsSource):
    """Chunks of the points in a folder. Safe on several threads.

    Args:
        folder: where they lie.
        index: what is known of them.
        names: the properties that chunks have.
        files: those that are open already.
    """

    def __init__(
        self, folder: Path, index: Index, names: tuple[str, ...], files: Files | None = None
    ) -> None:
        self._folder = folder
        self._index = index
        self._names = names
        entries = {entry.name: entry for entry in index.document.properties}
        words = [name for name, entry in entries.items() if entry.categories is not None]
        self._files = files or Files(folder, words)
        self._properties = [entries[name] for name in names]
        self._axes = index.document.axes
        self._columns = [axis.column for axis in self._axes] + list(names)
        fields = [(entry.name, np.dtype(entry.dtype)) for entry in self._properties]
        self._dtype = np.dtype([(POSITION, np.float64, (len(self._axes),)), *fields])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._folder, self._index, self._names)

    @property
    def provenance(self) -> Literal["disk"]:
        return "disk"

    def with_properties(self, names: tuple[str, ...]) -> Parts:
        return Parts(self._folder, self._index, names, self._files)

    async def fetch(self, level: int, index: ChunkIndex) -> Encoded | None:
        return None

    def decode(self, level: int, index: ChunkIndex, encoded: Encoded | None) -> Array:
        return self._read(index)[0]

    def direct(self, level: int) -> Direct | None:
        return self._read

    def transient_bytes(self, level: int, index: ChunkIndex) -> int:
        """The row group as it is stored, and as Arrow has it."""
        return 2 * int(self._index.tree.counts[index[0]]) * self._dtype.itemsize

    def close(self) -> None:
        self._files.close()

    def _read(self, index: ChunkIndex) -> tuple[Array, int]:
        row = index[0]
        count = int(self._index.tree.counts[row])
        out = np.empty(count, self._dtype)
        if count == 0:
            return out, 0
        table, size = self._group(int(self._index.part[row]), int(self._index.group[row]), count)
        try:
            for number, axis in enumerate(self._axes):
                place = np.asarray(table.column(axis.column).to_numpy(), np.float64)
                out[POSITION][:, number] = axis.scale * place + axis.translation
            for entry in self._properties:
                out[entry.name] = _values(table.column(entry.name), entry)
        except (IndexError, TypeError, ValueError) as error:
            raise Corrupt(
                f"{self._folder.name} is damaged: a column has other values than it says."
            ) from error
        return out, size

    def _group(self, part: int, group: int, count: int) -> tuple[pa.Table, int]:
        """One row group, and the bytes that it takes in its file."""
        name = part_path(self._folder, part).name
        with reading(f"{self._folder.name}: {name}"), self._files.open(part) as file:
            footer = file.metadata
            if group >= footer.num_row_groups or footer.row_group(group).num_rows != count:
                raise Corrupt(
                    f"{self._folder.name} is damaged: {name} has no group {group} of "
                    f"{count} points."
                )
            table = file.read_row_group(group, self._columns, use_threads=False)
            if table.num_rows != count or len(table.column_names) != len(self._columns):
                raise Corrupt(f"{self._folder.name} is damaged: {name} lacks a column.")
            stored = footer.row_group(group)
            found = (stored.column(i) for i in range(stored.num_columns))
            size = sum(
                one.total_compressed_size for one in found if one.path_in_schema in self._columns
            )
        return table, size


def _values(column: pa.ChunkedArray, entry: PropertyEntry) -> Array:
    """The values of a property, as chunks have them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if entry.categories is None:
        return np.asarray(column.to_numpy())
    known = pa.array(entry.categories, pa.string())
    pieces = []
    for piece in column.chunks:
        codes = pc.index_in(as_words(piece.dictionary), value_set=known)
        numbers = np.asarray(codes.to_numpy(zero_copy_only=False), np.float64)
        pieces.append(numbers[piece.indices.to_numpy(zero_copy_only=False)])
    found = np.concatenate(pieces)
    if not np.isfinite(found).all():
        raise ValueError("a word that is no category")
    return found
