"""Text columns: a table in a text file as columns, without pyarrow.

The text is read once, or once more where a column turns out to be something else than it looked
like: whole numbers, then numbers, then texts.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from opsin.errors import Corrupt, OpenError, Unsupported
from opsin.images.points.table import MOST_NOTES, notes_above
from opsin.images.source import Array
from opsin.images.text import shown

TEXT = (".csv", ".tsv", ".txt")
"""What the names of such files end with."""
MOST_ROWS = 1 << 24
"""Of a table that is held at once."""
MOST_COLUMNS = 4096
BATCH = 1 << 16
"""Rows that are made numbers at once."""
LONGEST = 1 << 20
"""Letters of a cell."""

_Converted = Callable[[Sequence[str]], Any]


def read_text_columns(path: Path) -> dict[str, Any]:
    """The columns of a file whose first line has their names, separated by comma, semicolon or tab.

    Columns of whole numbers are int64, of numbers float64 (an empty cell is NaN), of `true` and
    `false` bool, all others lists of texts. Columns without a name are left out.

    Raises:
        Unsupported: it is no text, or has too many rows.
        OpenError, Corrupt: it cannot be read.
    """
    name = shown(path.name)
    try:
        with path.open("rb") as file:
            head = file.read(LONGEST)
    except OSError as error:
        raise OpenError(f"{name} cannot be opened: {error.strerror or error}.") from error
    if b"\0" in head:
        raise Unsupported(f"{name} is no text, whatever its name says.")
    first = head.decode("utf-8", "replace").lstrip("\ufeff").splitlines()[:1]
    if not first:
        raise OpenError(f"{name} is empty: its first line has to name the columns.")
    delimiter = max(",;\t", key=first[0].count)
    kinds: dict[int, int] = {}
    while True:
        try:
            return _read(path, name, delimiter, kinds)
        except _Otherwise as found:
            kinds[found.column] = kinds.get(found.column, 0) + 1


class _Otherwise(Exception):
    """A column is not what it looked like."""

    def __init__(self, column: int) -> None:
        self.column = column


def _read(path: Path, name: str, delimiter: str, kinds: dict[int, int]) -> dict[str, Any]:
    """All columns, each of the kind that is known by now."""
    limit = csv.field_size_limit(LONGEST)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, delimiter=delimiter)
            names = next(rows)
            if len(names) > MOST_COLUMNS:
                raise Unsupported(f"{name} has {len(names)} columns, which are too many.")
            doubled = {one for one in names if one and names.count(one) > 1}
            if doubled:
                raise OpenError(f"{name} has two columns called {min(doubled)!r}: rename one.")
            parts: list[list[Any]] = [[] for _ in names]
            count = 0
            for batch in _batches(_without_notes(rows)):
                for number, row in enumerate(batch):
                    if len(row) != len(names):
                        raise Corrupt(
                            f"{name} cannot be read: line {count + number + 2} has {len(row)} "
                            f"cells, and there are {len(names)} columns."
                        )
                count += len(batch)
                if count > MOST_ROWS:
                    raise Unsupported(
                        f"{name} has more than {MOST_ROWS} rows, too many for an operation at once."
                    )
                for number, texts in enumerate(zip(*batch, strict=True)):
                    try:
                        parts[number].append(_KINDS[kinds.get(number, 0)](texts))
                    except (ValueError, OverflowError, KeyError):
                        raise _Otherwise(number) from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise Corrupt(f"{name} cannot be read: {error}.") from error
    except OSError as error:
        raise OpenError(f"{name} cannot be read: {error.strerror or error}.") from error
    finally:
        csv.field_size_limit(limit)
    return {
        one: _joined(parts[number], kinds.get(number, 0)) for number, one in enumerate(names) if one
    }


def _without_notes(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Rows, but for what some programs write below the names to say what columns mean."""
    above = list(islice(rows, 1 + MOST_NOTES))
    return chain(above[notes_above(above) :], rows)


def _batches(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    """Rows, many at once, without empty lines."""
    while batch := list(islice(rows, BATCH)):
        if filled := [row for row in batch if row]:
            yield filled


def _joined(parts: Sequence[Any], kind: int) -> Any:
    if _KINDS[kind] is _texts:
        return [text for part in parts for text in part]
    if not parts:
        return np.empty(0, np.int64 if kind == 0 else np.float64)
    return np.concatenate(parts)


def _whole(texts: Sequence[str]) -> Array:
    _check_plain(texts)
    return np.array(list(map(int, texts)), np.int64)


def _numbers(texts: Sequence[str]) -> Array:
    _check_plain(texts)
    try:
        return np.array(list(map(float, texts)), np.float64)
    except ValueError:
        if not any(text.strip() for text in texts):  # nothing but empty cells
            raise
    return np.array([float(text) if text.strip() else np.nan for text in texts], np.float64)


def _check_plain(texts: Sequence[str]) -> None:
    """Raise ValueError for digits with underscores, which Python takes for numbers."""
    if "_" in "".join(texts):
        raise ValueError("an underscore")


def _truths(texts: Sequence[str]) -> Array:
    return np.array([_TRUTHS[text] for text in texts], np.bool_)


def _texts(texts: Sequence[str]) -> list[str]:
    return list(texts)


_TRUTHS = {"True": True, "true": True, "False": False, "false": False}
_KINDS: tuple[_Converted, ...] = (_whole, _numbers, _truths, _texts)
