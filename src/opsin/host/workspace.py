"""Workspace: where a user's plugins, results, environments and the record of all runs are kept.

plugins/             files that were dropped onto a window; names of those that were added
sources/             plugins that were given as text
fetched/             what plugins of ImJoy named by address, and they themselves
results/<job>/       what runs gave, if it was not asked for elsewhere
logs/                what runs printed
inputs/              what runs took that was in no file, so that they can be repeated
answers/             what verified operations gave, to be given again
environments/        packages of plugins, shared by those with an equal lock
workspace.sqlite     every run, what each operation was seen to need, which are verified, what
                     plugins are allowed
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from opsin.errors import PluginError, UsageError
from opsin.host.job_logs import JobLogs
from opsin.host.permissions import Agreement
from opsin.host.records import Records, Write
from opsin.images.draft import draft_name, remove_dead_drafts

if TYPE_CHECKING:
    from opsin.host.kept_answers import KeptAnswers

NAMES_MANIFEST = ".napari"
"""What the name of a file ends with that names the manifest of a plugin of napari."""
KEPT = (".py", ".pyi", ".imjoy.html")
"""What the names of plugins end with that are kept as they are."""
ANSWERS = "answers"
LONGEST_PATH = 4096
MOST_NEEDS = 20
"""Runs of an operation that are looked at, and kept."""
_FORGET = "DELETE FROM agreements WHERE plugin = :plugin"
_WHICH = "digest = :digest AND operation = :operation"
_LATEST = f"{_WHICH} ORDER BY at DESC, rowid DESC LIMIT :most"


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
        self.sources = self.folder / "sources"
        self.fetched = self.folder / "fetched"
        self.results = self.folder / "results"
        self.inputs = self.folder / "inputs"
        self.environments = self.folder / "environments"
        logs = self.folder / "logs"
        self.logs = JobLogs(logs)
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            kept = (self.plugins, self.sources, self.results, logs, self.inputs, self.environments)
            for one in (self.folder, *kept):
                one.mkdir(mode=0o700, exist_ok=True)
            self._records = Records(self.folder / "workspace.sqlite")
            self._in_use = os.open(self.results, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, sqlite3.Error) as error:
            raise UsageError(
                f"{self.folder} cannot be used for plugins and results ({error}): "
                "set OPSIN_DATA to a folder of yours."
            ) from error
        self._clear_up()

    def close(self) -> None:
        """Write what has been recorded, and let go of the folder. Idempotent."""
        self._records.close()
        self.logs.close()
        if self._in_use >= 0:
            os.close(self._in_use)
            self._in_use = -1

    @cached_property
    def answers(self) -> KeptAnswers:
        """What verified operations gave."""
        from opsin.host.kept_answers import KeptAnswers

        return KeptAnswers(self.folder / ANSWERS)

    def plugin_files(self) -> list[Path]:
        """The plugins that are kept here, in the order of their names."""
        return [*self.kept_files(), *map(_named_in, self.kept_manifests())]

    def kept_files(self) -> list[Path]:
        """The files of plugins that lie here themselves, in the order of their names."""
        found = (path for suffix in KEPT for path in self.plugins.glob(f"*{suffix}"))
        return sorted(path for path in found if path.is_file())

    def keep_plugin(self, file_name: str, text: str) -> Path:
        """Keep a plugin's file; one of the same name is replaced.

        Raises:
            PluginError: this cannot be a file's name, or it cannot be written.
        """
        if not re.fullmatch(r"[\w-][\w. -]{0,80}(\.pyi?|\.imjoy\.html)", file_name):
            raise PluginError(
                f"{file_name[:80]!r} is no name for a plugin: use letters, digits, - and _, "
                "and .py, .pyi or .imjoy.html at the end."
            )
        return _written(self.plugins / file_name, text)

    def keep_source(self, digest: str, text: str) -> Path:
        """Keep the text of an ImJoy plugin that came without a file, by its SHA-256.

        Raises:
            PluginError: it cannot be written.
        """
        path = self.sources / f"{digest[:32]}.imjoy.html"
        return path if path.is_file() else _written(path, text)

    def keep_origin(self, file_name: str, origin: str) -> None:
        """Remember where a plugin that is kept here came from; it neither waits nor raises."""
        values = {"file": file_name, "origin": origin}
        self._records.write("INSERT OR REPLACE INTO plugin_origins VALUES (:file, :origin)", values)

    def origin(self, file_name: str) -> str:
        """Where it came from; '' if that is not known."""
        query = "SELECT origin FROM plugin_origins WHERE file = ?"
        rows = self._records.read(query, (file_name,))
        return str(rows[0]["origin"]) if rows else ""

    def plugin_setting(self, plugin: str, name: str) -> str | None:
        """What an ImJoy plugin has kept under a name."""
        query = "SELECT value FROM plugin_settings WHERE plugin = ? AND name = ?"
        rows = self._records.read(query, (plugin, name))
        return rows[0]["value"] if rows else None

    def keep_plugin_setting(self, plugin: str, name: str, value: str | None) -> None:
        """Keep it; None: keep nothing. It neither waits nor raises."""
        values = {"plugin": plugin, "name": name, "value": value}
        if value is None:
            which = "plugin = :plugin AND name = :name"
            self._records.write(f"DELETE FROM plugin_settings WHERE {which}", values)
        else:
            columns = "plugin_settings VALUES (:plugin, :name, :value)"
            self._records.write(f"INSERT OR REPLACE INTO {columns}", values)

    def kept_manifests(self) -> list[Path]:
        """The files that name manifests, which lie in environments, in the order of their names."""
        return sorted(self.plugins.glob(f"*{NAMES_MANIFEST}"))

    def keep_manifest(self, name: str, manifest: Path) -> None:
        """Keep where the manifest of a plugin of napari lies.

        Raises:
            PluginError: it cannot be written.
        """
        path = self.plugins / f"{name}{NAMES_MANIFEST}"
        draft = path.with_name(draft_name(path.name))
        try:
            draft.write_text(f"{manifest}\n", encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            raise PluginError(f"{path} cannot be written: {error.strerror}.") from error
        finally:
            draft.unlink(missing_ok=True)

    def keeper_of(self, path: Path) -> Path | None:
        """The file here by which a plugin is known the next time, too; None: it is not.

        It is that of the plugin itself, or one that names its manifest.
        """
        if path.parent == self.plugins:
            return path
        return next((one for one in self.kept_manifests() if _named_in(one) == path), None)

    def record_run(self, record: dict[str, Any]) -> None:
        """Keep what is known of a run that has ended; the keys are the columns of `runs`.

        This and `record_need` neither wait nor raise: what cannot be kept is told in the log.
        """
        values = {
            key: json.dumps(value, default=str) if isinstance(value, (dict, list)) else value
            for key, value in record.items()
        }
        places = ", ".join(f":{key}" for key in values)
        self._records.write(
            f"INSERT OR REPLACE INTO runs ({', '.join(values)}) VALUES ({places})", values
        )

    def runs(self, limit: int = 100) -> list[dict[str, Any]]:
        """The latest runs, newest first."""
        return self._records.read("SELECT * FROM runs ORDER BY started DESC LIMIT ?", (limit,))

    def run(self, id: str) -> list[dict[str, Any]]:
        """The run of that id, if there is one."""
        return self._records.read("SELECT * FROM runs WHERE id = ?", (id,))

    def change_step(self, id: str, step: str) -> None:
        """Keep something else of a run's step; it neither waits nor raises."""
        self._records.write("UPDATE runs SET step = :step WHERE id = :id", {"id": id, "step": step})

    def record_need(self, digest: str, operation: str, need: Need, at: float) -> None:
        """Keep what a call needed."""
        which = {"digest": digest, "operation": operation, "most": MOST_NEEDS}
        values = {"voxels": need.voxels, "bytes": need.bytes, "seconds": need.seconds, "at": at}
        self._records.write(
            "INSERT INTO needs VALUES (:digest, :operation, :voxels, :bytes, :seconds, :at)",
            which | values,
        )
        kept = f"SELECT rowid FROM needs WHERE {_LATEST}"
        self._records.write(f"DELETE FROM needs WHERE {_WHICH} AND rowid NOT IN ({kept})", which)

    def needs(self, digest: str, operation: str) -> list[Need]:
        """What the latest calls of an operation needed."""
        which = {"digest": digest, "operation": operation, "most": MOST_NEEDS}
        query = f"SELECT voxels, bytes, seconds FROM needs WHERE {_LATEST}"
        return [Need(**row) for row in self._records.read(query, which)]

    def verified(self, digest: str, operation: str) -> list[dict[str, Any]]:
        """With which packages and modules an operation was found functional, latest first."""
        which = {"digest": digest, "operation": operation}
        query = f"SELECT packages, files FROM verified WHERE {_WHICH} ORDER BY at DESC"
        return self._records.read(query, which)

    def verified_operations(self) -> set[tuple[str, str]]:
        """The operations that were ever found functional: digest of the plugin, and name."""
        rows = self._records.read("SELECT DISTINCT digest, operation FROM verified", ())
        return {(row["digest"], row["operation"]) for row in rows}

    def record_verified(
        self, digest: str, operation: str, packages: str, files: dict[str, str]
    ) -> None:
        """Keep that an operation was found functional; it neither waits nor raises."""
        self._records.write(
            "INSERT OR REPLACE INTO verified VALUES (:digest, :operation, :packages, :files, :at)",
            {
                "digest": digest,
                "operation": operation,
                "packages": packages,
                "files": json.dumps(files, sort_keys=True),
                "at": time.time(),
            },
        )

    def forget_verified(self, digest: str, operation: str) -> None:
        """Keep that it was not; it neither waits nor raises."""
        which = {"digest": digest, "operation": operation}
        self._records.write(f"DELETE FROM verified WHERE {_WHICH}", which)

    def agreements(self) -> list[Agreement]:
        """What the user answered to plugins that ask to be allowed something; none if unknown."""
        rows = self._records.read("SELECT * FROM agreements ORDER BY at", ())
        return [
            Agreement(
                row["plugin"],
                row["terms"],
                row["name"],
                bool(row["allowed"]),
                tuple(map(Path, json.loads(row["folders"]))),
            )
            for row in rows
        ]

    def agree(self, made: Sequence[Agreement]) -> None:
        """Keep answers. One that allows nothing takes back all earlier ones of its name.

        Raises:
            UsageError: they cannot be kept.
        """
        writes: list[Write] = []
        for one in made:
            which = {"plugin": one.plugin, "name": one.name}
            if not one.allowed:
                writes.append((f"{_FORGET} AND name = :name", which))
            values = which | {
                "terms": one.terms,
                "allowed": int(one.allowed),
                "folders": json.dumps(list(map(str, one.folders))),
                "at": time.time(),
            }
            columns = ", ".join(values)
            places = ", ".join(f":{name}" for name in values)
            writes.append(
                (f"INSERT OR REPLACE INTO agreements ({columns}) VALUES ({places})", values)
            )
        self._change(writes)

    def forget_agreements(self, plugin: str) -> None:
        """Forget all answers to a plugin.

        Raises:
            UsageError: they cannot be forgotten.
        """
        self._change([(_FORGET, {"plugin": plugin})])

    def _change(self, writes: Sequence[Write]) -> None:
        try:
            self._records.change(writes)
        except sqlite3.Error as error:
            raise UsageError(
                f"What plugins are allowed cannot be kept in {self.folder} ({error}): try again."
            ) from error

    def _clear_up(self) -> None:
        """Remove what runs left half written whose process was killed."""
        self.logs.clear_up()
        for folder in (self.plugins, self.sources, self.results, self.inputs, self.environments):
            remove_dead_drafts(folder)
        if (self.folder / ANSWERS).is_dir():
            remove_dead_drafts(self.folder / ANSWERS)
        for folder in self.results.iterdir():
            if any(folder.glob(".*.part")):
                remove_dead_drafts(folder)
                with suppress(OSError):  # there is something else in it
                    folder.rmdir()
        # A run that goes on has an empty folder too: only who is alone can tell whose that is not.
        if self._lock_results(alone=True):
            for folder in self.results.iterdir():
                if re.fullmatch(r"[0-9a-f]{12}", folder.name):
                    with suppress(OSError):  # there is something in it
                        folder.rmdir()
        self._lock_results(alone=False)

    def _lock_results(self, *, alone: bool) -> bool:
        """Say that the results are in use, until this is closed or the process ends."""
        try:
            import fcntl

            if alone:
                fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                fcntl.flock(self._in_use, fcntl.LOCK_SH)
        except (ImportError, OSError):  # in use, or a file system that has no locks
            return False
        return True


def _written(path: Path, text: str) -> Path:
    draft = path.with_name(draft_name(path.name))
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise PluginError(f"{path} cannot be written: {error.strerror}.") from error
    except UnicodeError:
        raise PluginError(f"{path.name} is no text: save it as UTF-8.") from None
    finally:
        draft.unlink(missing_ok=True)
    return path


def _named_in(path: Path) -> Path:
    """The path that stands in a file."""
    try:
        with path.open(encoding="utf-8") as file:
            return Path(file.read(LONGEST_PATH).strip() or os.devnull)
    except (OSError, UnicodeError, ValueError):
        return path


def _default_folder() -> Path:
    given = os.environ.get("OPSIN_DATA")
    return Path(given).absolute() if given else Path(platformdirs.user_data_dir("opsin", False))
