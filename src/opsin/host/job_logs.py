"""Job logs: all that runs have printed, a file each, written by a thread. Nobody waits for a disk.

A log that is too long loses its middle. As long as it is written, its end lies in two files beside
it, each of which takes the place of the other when it is full.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

HEAD, TAIL = 8 * 2**20, 4 * 2**20
"""Bytes of the beginning that are kept, and of each of the files of the end."""
LEFT_OUT = "\n[… The middle was left out, because this is too long …]\n\n"
LOST = "[… The disk was too slow: lines were lost here …]\n"
MOST_WAITING = 16 * 2**20
"""Letters that wait for the disk."""
MOST, MOST_BYTES = 1000, 2**29
"""Logs that are kept, and bytes of them all."""
CLOSE_WITHIN = 5.0
"""Seconds that closing waits for what was written here."""
SUFFIX = ".log"

log = logging.getLogger("opsin")

Note: TypeAlias = tuple[str, str] | tuple[str, None] | threading.Event | None
"""A run and what it has printed, or None at its end; who waits; or the end of all."""


class JobLogs:
    """The logs in a folder. May be used from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._queue: queue.SimpleQueue[Note] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None
        self._waiting = 0
        self._lost: set[str] = set()
        self._closed = False

    def write(self, id: str, text: str) -> None:
        """Have lines of a run written soon. Neither waits nor raises."""
        with self._lock:
            if self._closed:
                return
            if self._waiting > MOST_WAITING:
                self._lost.add(id)
                return
            if id in self._lost:
                self._lost.discard(id)
                text = LOST + text
            self._waiting += len(text)
            self._begin()
        self._queue.put((id, text))

    def end(self, id: str) -> None:
        """The run prints no more."""
        if self._writer is not None:
            self._queue.put((id, None))

    def read(self, id: str) -> str:
        """What a run has printed by now; '' if that is nothing, or it is not kept any more."""
        if self._writer is not None and not self._closed:
            written = threading.Event()
            self._queue.put(written)
            written.wait(CLOSE_WITHIN)
        return b"".join(_parts(self._folder / f"{id}{SUFFIX}")).decode(errors="replace")

    def close(self) -> None:
        """Write what is left, and end. Idempotent."""
        with self._lock:
            self._closed = True
        self._queue.put(None)
        if self._writer is not None:
            self._writer.join(CLOSE_WITHIN)

    def clear_up(self) -> None:
        """Remove the oldest logs, if there are too many."""
        found = []
        for path in self._folder.glob(f"*{SUFFIX}*"):
            with suppress(OSError):
                about = path.stat()
                found.append((about.st_mtime, about.st_size, path))
        kept = 0
        for number, (_, size, path) in enumerate(sorted(found, reverse=True)):
            kept += size
            if number >= MOST or kept > MOST_BYTES:
                path.unlink(missing_ok=True)

    def _begin(self) -> None:
        if self._writer is None:
            self._writer = threading.Thread(target=self._work, name="opsin logs", daemon=True)
            self._writer.start()

    def _work(self) -> None:
        files: dict[str, _File] = {}
        while (note := self._queue.get()) is not None:
            if isinstance(note, threading.Event):
                note.set()
                continue
            id, text = note
            try:
                if id not in files:
                    files[id] = _File(self._folder / f"{id}{SUFFIX}")
                if text is None:
                    files.pop(id).end()
                else:
                    with self._lock:
                        self._waiting -= len(text)
                    files[id].write(text.encode(errors="backslashreplace"))
            except OSError as error:
                log.warning("The log of the run %s could not be written: %s", id, error)
        for file in files.values():
            with suppress(OSError):
                file.end()


class _File:
    """One log while it is written: its beginning, and two files of its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._at = path
        self._now: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        room = HEAD if self._at == self._path else TAIL
        if self._now is None:
            self._open(self._path)
        elif self._size + len(data) > room:
            self._next()
        assert self._now is not None
        self._now.write(data)
        self._now.flush()
        self._size += len(data)

    def end(self) -> None:
        """Put the pieces together."""
        if self._now is None:
            return
        self._now.close()
        newer, older, cut = _beside(self._path)
        if newer.exists():
            rest = list(_parts(self._path))[1:]
            with self._path.open("ab") as file:
                file.writelines(rest)
        for one in (newer, older, cut):
            one.unlink(missing_ok=True)

    def _open(self, path: Path) -> None:
        if self._now is not None:
            self._now.close()
        how = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._now = os.fdopen(os.open(path, how, 0o600), "ab")
        self._at, self._size = path, self._now.tell()

    def _next(self) -> None:
        newer, older, cut = _beside(self._path)
        if self._at == newer:
            if older.exists():
                cut.touch(mode=0o600)
            newer.replace(older)
        self._open(newer)


def _beside(path: Path) -> tuple[Path, Path, Path]:
    """The newer and the older file of the end, and what is there if something is left out."""
    newer, older, cut = (path.with_name(f"{path.name}.{word}") for word in ("1", "2", "cut"))
    return newer, older, cut


def _parts(path: Path) -> Iterator[bytes]:
    newer, older, cut = _beside(path)
    with suppress(FileNotFoundError):
        yield path.read_bytes()
    if cut.exists():
        yield LEFT_OUT.encode()
    for one in (older, newer):
        with suppress(FileNotFoundError):
            yield one.read_bytes()
