"""Table: rows and columns from a file of any size, or from memory, batch by batch.

Parquet (one file, or a folder of them), CSV and other text with one line per row, or what pyarrow
takes for a table: a dict of arrays, a DataFrame.
"""

from __future__ import annotations

import csv
import importlib.util
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from opsin.errors import Corrupt, NotFound, OpenError, Unsupported, UsageError
from opsin.images.text import shown

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 1 << 17
"""Rows read at once, at most."""
BLOCK = 1 << 22
"""Bytes of text read at once; a line is no longer."""

_TEXT = (".csv", ".tsv", ".txt")
_PARQUET = (".parquet", ".pq", ".parq")
_LOOKED_AT = 64
MOST_NOTES = 4
"""Rows below the names that may hold notes and not points."""


class Table(Protocol):
    """Rows that can be read several times, from the first to the last."""

    name: str
    stem: str
    """The name without what says the format."""

    def schema(self) -> pa.Schema:
        """Names and types of the columns."""

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, float]]:
        """All rows of some columns, and after each batch which part of all has been read.

        Raises:
            Corrupt: the table is damaged.
            TypeChanged: the text of a column is not what its beginning looked like: read again.
        """


class TypeChanged(Exception):
    """A column of a text has another type than was thought; it is known now."""


def needs_pyarrow(what: str) -> None:
    """Check that pyarrow is there.

    Raises:
        Unsupported: it is not.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise Unsupported(f"{what} by pyarrow, which is missing: pip install opsin[points].")


def open_table(source: Any) -> Table:
    """The table of a path, or of what pyarrow takes for one.

    Raises:
        NotFound: there is nothing at the path.
        Unsupported: it is no table, or pyarrow is missing.
        OpenError: it cannot be read.
        UsageError: what is no path is no table.
    """
    needs_pyarrow("Tables of points are read")
    if not isinstance(source, str | Path):
        return _ArrowTable(source)
    path = Path(source).expanduser()
    name = shown(path.name)
    if not path.exists():
        raise NotFound(f"There is nothing at {shown(str(source))}.")
    try:
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if p.suffix.lower() in _PARQUET)
            if not files:
                raise Unsupported(f"{name} is a folder without Parquet files.")
            return _ParquetTable(name, files)
        if is_parquet(path):
            return _ParquetTable(name, [path])
    except OSError as error:
        raise OpenError(f"{name} cannot be opened: {error.strerror or error}.") from error
    if path.suffix.lower() in _TEXT:
        return _TextTable(name, path)
    raise Unsupported(f"{name} is no table of points: give Parquet or CSV.")


def _stem(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return stem if stem and suffix.isalnum() else name


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def is_table(path: Path) -> bool:
    """Whether a file looks like a table, by its first bytes or its name; or a folder of some."""
    if path.is_dir():
        return any(p.suffix.lower() in _PARQUET for p in islice(path.iterdir(), _LOOKED_AT))
    if not path.is_file():
        return False
    return path.suffix.lower() in _TEXT[:2] or is_parquet(path)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Say in one sentence what pyarrow says in many.

    Raises:
        Corrupt: something inside could not be read.
    """
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Corrupt(f"{name} cannot be read: {_first_sentence(error)}.") from error


def _first_sentence(error: BaseException) -> str:
    first = str(error).strip().split("\n")[0].rstrip(".")
    return first[:200] or type(error).__name__


class _ParquetTable:
    def __init__(self, name: str, files: Sequence[Path]) -> None:
        import pyarrow.parquet as pq

        self.name = name
        self.stem = _stem(name)
        self._files = files
        self._rows = 0
        self._schema: pa.Schema = None
        try:
            for path in files:
                with reading(shown(path.name)), pq.ParquetFile(path) as file:
                    self._rows += file.metadata.num_rows
                    schema = file.schema_arrow.remove_metadata()
                if self._schema is None:
                    self._schema = schema
                elif not schema.equals(self._schema):
                    raise Corrupt(
                        f"{shown(path.name)} cannot be read: it has other columns than "
                        f"{shown(files[0].name)}."
                    )
        except Corrupt as error:
            raise OpenError(str(error)) from error

    def schema(self) -> pa.Schema:
        return self._schema

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, float]]:
        import pyarrow.parquet as pq

        done = 0
        for path in self._files:
            # Read as it comes: a row group may be larger than the memory.
            with (
                reading(shown(path.name)),
                pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file,
            ):
                for batch in file.iter_batches(BATCH, columns=list(columns)):
                    done += batch.num_rows
                    yield batch, done / max(self._rows, 1)


class _ArrowTable:
    def __init__(self, source: Any) -> None:
        import pyarrow as pa

        self.name = self.stem = "table"
        try:
            table = source if isinstance(source, pa.Table) else pa.table(source)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise UsageError(f"This is no table: {_first_sentence(error)}.") from error
        self._table = table
        self._rows = table.num_rows

    def schema(self) -> pa.Schema:
        return self._table.schema.remove_metadata()

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, float]]:
        done = 0
        for batch in self._table.select(list(columns)).to_batches(max_chunksize=BATCH):
            done += batch.num_rows
            yield batch, done / max(self._rows, 1)


class _TextTable:
    """One line per row, with names in the first. What a column holds is seen while it is read.

    pyarrow goes by the first block. Where a later one says otherwise, the column becomes the next
    of: whole numbers, numbers, words; and reading begins again.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.stem = _stem(name)
        self._path = path
        self._types: dict[str, pa.DataType] = {}
        try:
            with path.open("rb") as file:
                head = file.read(1 << 16)
        except OSError as error:
            raise OpenError(f"{name} cannot be opened: {error.strerror or error}.") from error
        if b"\0" in head:
            raise Unsupported(f"{name} is no text, whatever its name says.")
        lines = head.decode("utf-8", "replace").strip("\ufeff").splitlines()[: 2 + MOST_NOTES]
        self._delimiter = max(",;\t", key=(lines or [""])[0].count)
        rows = list(csv.reader(lines, delimiter=self._delimiter))
        self._names = rows[0] if rows else []
        self._notes = notes_above(rows[1:])
        doubled = {one for one in self._names if one and self._names.count(one) > 1}
        if doubled:
            raise OpenError(f"{name} has two columns called {min(doubled)!r}: rename one.")
        try:
            with self._reader() as reader:
                self._types = {field.name: _wider(field.type) for field in reader.schema}
        except Corrupt as error:
            raise OpenError(str(error)) from error

    def schema(self) -> pa.Schema:
        import pyarrow as pa

        return pa.schema([(name, kind) for name, kind in self._types.items() if name])

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, float]]:
        import pyarrow as pa

        blocks = max(1, self._path.stat().st_size / BLOCK)
        with self._reader(columns) as reader:
            number = 0
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
                except pa.ArrowInvalid as error:
                    self._learn(str(error))
                    raise
                number += 1
                yield batch, min(1.0, number / blocks)

    def _learn(self, problem: str) -> None:
        """Take another type for a column, if that was the problem.

        Raises:
            TypeChanged: it was.
        """
        import pyarrow as pa

        found = re.match(r"In CSV column #(\d+): .*conversion error", problem)
        if found is None or int(found[1]) >= len(self._names):
            return
        name = self._names[int(found[1])]
        known = self._types.get(name)
        if known is None or pa.types.is_string(known):
            return
        whole = pa.types.is_integer(known)
        self._types[name] = pa.float64() if whole else pa.string()
        raise TypeChanged

    @contextmanager
    def _reader(self, columns: Sequence[str] = ()) -> Iterator[Any]:
        import pyarrow.csv as pacsv

        options = pacsv.ConvertOptions(
            column_types=self._types,
            include_columns=list(columns),
            strings_can_be_null=False,
        )
        with reading(self.name):
            reader = pacsv.open_csv(
                self._path,
                read_options=pacsv.ReadOptions(block_size=BLOCK, skip_rows_after_names=self._notes),
                parse_options=pacsv.ParseOptions(delimiter=self._delimiter),
                convert_options=options,
            )
            with reader:
                yield reader


def notes_above(rows: Sequence[Sequence[str]]) -> int:
    """How many rows come before the first with a number; 0 if there is none.

    TrackMate, for one, writes what columns mean, and units, below their names.
    """
    for place, row in enumerate(rows):
        for cell in row:
            with suppress(ValueError):
                float(cell)
                return place
    return 0


def _wider(kind: pa.DataType) -> pa.DataType:
    """The type for a column that looks like this at its beginning."""
    import pyarrow as pa

    return pa.string() if pa.types.is_null(kind) else kind
