"""Workspace: where a user's plugins, results, environments and the record of all runs are kept.

plugins/             files that were dropped onto a window
results/<job>/       what runs gave, if it was not asked for elsewhere
environments/        packages of plugins, shared by those with an equal lock
workspace.sqlite     every run, and what each operation was seen to need
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from opsin.errors import PluginError, UsageError
from opsin.images.write import remove_dead_drafts

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, started REAL, seconds REAL, state TEXT, title TEXT,
    plugin TEXT, digest TEXT, operation TEXT, request TEXT, error TEXT, results TEXT
);
CREATE TABLE IF NOT EXISTS needs (
    digest TEXT, operation TEXT, voxels INTEGER, bytes INTEGER, seconds REAL, at REAL
);
CREATE INDEX IF NOT EXISTS needs_by_operation ON needs (digest, operation);
"""
BUSY = 10.0
"""Seconds that another process may take to write."""
MOST_NEEDS = 20
"""Runs of an operation that are looked at."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a call of an operation was seen to need, beside what a worker is without it."""

    voxels: int
    bytes: int
    seconds: float


class Workspace:
    """A folder of the user's, made if need be. May be used from any thread, and by many processes.

    Args:
        folder: by default that of `OPSIN_DATA`, or where the system keeps a user's data.

    Raises:
        UsageError: it cannot be written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _default_folder()
        self.plugins = self.folder / "plugins"
        self.results = self.folder / "results"
        self.environments = self.folder / "environments"
        try:
            for one in (self.plugins, self.results, self.environments):
                one.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                self.folder / "workspace.sqlite", timeout=BUSY, check_same_thread=False
            )
            with self._database:
                self._database.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise UsageError(
                f"{self.folder} cannot be used for plugins and results ({error}): "
                "set OPSIN_DATA to a folder of yours."
            ) from error
        self._lock = threading.Lock()
        self._clear_up()

    def close(self) -> None:
        """Let go of the database. Idempotent."""
        self._database.close()

    def plugin_files(self) -> list[Path]:
        """The plugins that are kept here, in the order of their names."""
        return sorted(path for path in self.plugins.glob("*.py") if path.is_file())

    def keep_plugin(self, file_name: str, text: str) -> Path:
        """Keep a plugin's file; one of the same name is replaced.

        Raises:
            PluginError: this cannot be a file's name, or it cannot be written.
        """
        if not re.fullmatch(r"[\w-][\w. -]{0,80}\.py", file_name):
            raise PluginError(
                f"{file_name[:80]!r} is no name for a plugin: use letters, digits, - and _, "
                "and .py at the end."
            )
        path = self.plugins / file_name
        draft = path.with_suffix(f".{os.getpid()}.part")
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            raise PluginError(f"{path} cannot be written: {error.strerror}.") from error
        finally:
            draft.unlink(missing_ok=True)
        return path

    def record_run(self, record: dict[str, Any]) -> None:
        """Keep what is known of a run that has ended; the keys are the columns of `runs`."""
        values = {
            key: json.dumps(value) if isinstance(value, (dict, list)) else value
            for key, value in record.items()
        }
        places = ", ".join(f":{key}" for key in values)
        self._write(f"INSERT OR REPLACE INTO runs ({', '.join(values)}) VALUES ({places})", values)

    def runs(self, limit: int = 100) -> list[dict[str, Any]]:
        """The latest runs, newest first."""
        with self._lock, closing(self._database.cursor()) as cursor:
            rows = cursor.execute("SELECT * FROM runs ORDER BY started DESC LIMIT ?", (limit,))
            names = [column[0] for column in rows.description]
            return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]

    def record_need(self, digest: str, operation: str, need: Need, at: float) -> None:
        """Keep what a call needed."""
        values = (digest, operation, need.voxels, need.bytes, need.seconds, at)
        self._write("INSERT INTO needs VALUES (?, ?, ?, ?, ?, ?)", values)

    def needs(self, digest: str, operation: str) -> list[Need]:
        """What the latest calls of an operation needed."""
        query = (
            "SELECT voxels, bytes, seconds FROM needs WHERE digest = ? AND operation = ? "
            "ORDER BY at DESC LIMIT ?"
        )
        with self._lock, closing(self._database.cursor()) as cursor:
            rows = cursor.execute(query, (digest, operation, MOST_NEEDS)).fetchall()
        return [Need(*row) for row in rows]

    def _clear_up(self) -> None:
        """Remove what runs left half written whose process was killed."""
        for folder in self.results.iterdir():
            if any(folder.glob(".*.part")):
                remove_dead_drafts(folder)
                with suppress(OSError):  # there is something else in it
                    folder.rmdir()

    def _write(self, statement: str, values: Any) -> None:
        with self._lock, self._database:
            self._database.execute(statement, values)


def _default_folder() -> Path:
    given = os.environ.get("OPSIN_DATA")
    return Path(given).absolute() if given else Path(platformdirs.user_data_dir("opsin", False))
