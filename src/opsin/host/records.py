"""Records: the workspace's database. It is written by a thread, so that nobody waits for the disk.

Another process may have locked it, or the disk be full. No run fails for that: it is told in the
log.
"""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeAlias

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, started REAL, seconds REAL, state TEXT, title TEXT,
    plugin TEXT, digest TEXT, operation TEXT, request TEXT, error TEXT, results TEXT, step TEXT
);
CREATE TABLE IF NOT EXISTS needs (
    digest TEXT, operation TEXT, voxels INTEGER, bytes INTEGER, seconds REAL, at REAL
);
CREATE INDEX IF NOT EXISTS needs_by_operation ON needs (digest, operation);
CREATE TABLE IF NOT EXISTS verified (
    digest TEXT, operation TEXT, packages TEXT, files TEXT, at REAL,
    PRIMARY KEY (digest, operation, packages)
);
CREATE TABLE IF NOT EXISTS agreements (
    plugin TEXT, terms TEXT, name TEXT, allowed INTEGER, folders TEXT, at REAL,
    PRIMARY KEY (plugin, terms, name)
);
CREATE TABLE IF NOT EXISTS plugin_origins (file TEXT PRIMARY KEY, origin TEXT);
CREATE TABLE IF NOT EXISTS plugin_settings (
    plugin TEXT, name TEXT, value TEXT, PRIMARY KEY (plugin, name)
);
"""
ADDED = {"step": "ALTER TABLE runs ADD COLUMN step TEXT"}
"""Columns of `runs` that came later, and what adds them to a database that is older."""
BUSY = 10.0
"""Seconds that another process may take to write."""
READ_WITHIN = 0.25
"""Seconds that reading waits for what was written here, and as long for other processes."""
CHANGE_WITHIN = 2.0
"""Seconds that somebody waits for another process whose answer must be kept."""
CLOSE_WITHIN = 5.0
"""Seconds that closing waits for what was written here."""

log = logging.getLogger("opsin")

Write: TypeAlias = tuple[str, Mapping[str, Any]]
"""A statement and its values."""


class Records:
    """A database, made if need be, for its user alone. May be used from any thread.

    Raises:
        OSError, sqlite3.Error: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with suppress(OSError):  # it is another user's
            path.chmod(0o600)
        self._reading = sqlite3.connect(path, timeout=READ_WITHIN, check_same_thread=False)
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Write | threading.Event | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._closed = False
        try:
            _prepare(self._reading)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                self._reading.close()
                raise
        except BaseException:
            self._reading.close()
            raise

    def write(self, statement: str, values: Mapping[str, Any]) -> None:
        """Have a statement executed soon, after all earlier ones. Neither waits nor raises."""
        with self._lock:
            if self._closed:
                log.warning("%s is closed: something could not be recorded.", self._path)
                return
            if self._writer is None:
                self._writer = threading.Thread(
                    target=self._work, name="opsin records", daemon=True
                )
                self._writer.start()
        self._queue.put((statement, values))

    def change(self, writes: Sequence[Write]) -> None:
        """Execute statements now, all or none, and wait until the disk has them.

        Raises:
            sqlite3.Error: it could not be done.
        """
        with closing(sqlite3.connect(self._path, timeout=CHANGE_WITHIN)) as database:
            _prepare(database)
            with database:
                for statement, values in writes:
                    database.execute(statement, {key: _text(one) for key, one in values.items()})

    def read(self, query: str, values: Mapping[str, Any] | Sequence[Any]) -> list[dict[str, Any]]:
        """The rows of a query, after what was written here; none if the database is locked."""
        self._flush(READ_WITHIN)
        try:
            with self._lock, closing(self._reading.cursor()) as cursor:
                rows = cursor.execute(query, values)
                names = [column[0] for column in rows.description]
                return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        except sqlite3.Error as error:
            log.warning("%s could not be read: %s", self._path, error)
            return []

    def close(self) -> None:
        """Write what is left, and end. Idempotent."""
        with self._lock:
            self._closed = True
            self._reading.close()
        self._queue.put(None)
        if self._writer is not None:
            self._writer.join(CLOSE_WITHIN)
            if self._writer.is_alive():
                log.warning("%s is locked: the last runs are not recorded.", self._path)

    def _flush(self, seconds: float) -> None:
        if self._writer is not None and not self._closed:
            written = threading.Event()
            self._queue.put(written)
            written.wait(seconds)

    def _work(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=BUSY)) as database:
            ends = False
            while not ends:
                found = [self._queue.get()]
                with suppress(queue.Empty):
                    while True:
                        found.append(self._queue.get_nowait())
                self._execute(database, [one for one in found if isinstance(one, tuple)])
                for one in found:
                    if isinstance(one, threading.Event):
                        one.set()
                ends = None in found

    def _execute(self, database: sqlite3.Connection, writes: Sequence[Write]) -> None:
        """All of them, in one transaction."""
        try:
            _prepare(database)  # it was locked when it was opened
            with database:
                for statement, values in writes:
                    database.execute(statement, {key: _text(one) for key, one in values.items()})
        except Exception as error:
            log.warning("%s could not be written: %s", self._path, error)


def _prepare(database: sqlite3.Connection) -> None:
    """Make what is missing."""
    database.executescript(SCHEMA)
    columns = {row[1] for row in database.execute("PRAGMA table_info(runs)")}
    for column, statement in ADDED.items():
        if column not in columns:
            database.execute(statement)


def _text(value: Any) -> Any:
    """A value as the database takes it: file names may hold bytes that are no text."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
