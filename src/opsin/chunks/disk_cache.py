"""Disk cache: encoded chunks of sources that are far away, kept from one session to the next.

A chunk is a file of its own, named by the hash of what it is a chunk of. It appears under its name
whole or not at all, and says how long it is and what its checksum is; what does not agree with that
is a miss, and removed. An index in SQLite knows sizes and ages, so that the oldest can go. It can
be thrown away: it is made again from the files. Several processes may use one folder at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
import sqlite3
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import google_crc32c

from opsin.errors import UsageError

DEFAULT_SIZE = 4 << 30
"""Bytes that are kept on the disk."""
FREE_SHARE = 0.1
"""Of the free room on the disk, no more than this is taken."""

_HEADER = struct.Struct("<8s32sQI")
_MAGIC = b"opsin\x00\x01\n"
_WAITING = 64 << 20
"""Bytes that wait to be written; more are not kept: reading must not wait for the disk."""
_TOLD_LATER = 5.0
"""Seconds for which the index may not know that a chunk was used or added …"""
_TOLD_AT_ONCE = 32
"""… unless there are so many."""
_PATIENCE = 10.0
"""Seconds to wait for another process that has the index."""
_NAME_LENGTH = 64
_LEFT_OVER = 600.0
"""Seconds after which a file that is still being written belongs to nobody."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS chunks (name TEXT PRIMARY KEY, bytes INTEGER, used REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_age ON chunks (used);
CREATE TABLE IF NOT EXISTS total (bytes INTEGER);
INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT * FROM total);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON chunks
  BEGIN UPDATE total SET bytes = bytes + new.bytes; END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON chunks
  BEGIN UPDATE total SET bytes = bytes - old.bytes; END;
CREATE TRIGGER IF NOT EXISTS resized AFTER UPDATE OF bytes ON chunks
  BEGIN UPDATE total SET bytes = bytes + new.bytes - old.bytes; END;
"""
_USE = """
INSERT INTO chunks VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET bytes = excluded.bytes, used = excluded.used
"""


def chunk_name(identity: str, level: int, index: tuple[int, ...]) -> str:
    """The name of a chunk of an image whose content has this identity."""
    return hashlib.sha256(f"{identity}\n{level}\n{index}".encode()).hexdigest()


class DiskCache:
    """Encoded chunks in a folder, at most `size` bytes of them.

    Raises:
        UsageError: the folder cannot be made or written to.
    """

    def __init__(self, folder: str | Path, size: int = DEFAULT_SIZE) -> None:
        self.folder = Path(folder)
        self.hits = 0
        self.misses = 0
        self._index = self.folder / "index.sqlite"
        self._lock = threading.Lock()
        self._used: dict[str, tuple[int, float]] = {}
        self._told = time.monotonic()
        self._waiting = 0
        self._closed = False
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
            self._make_index()
        except (OSError, sqlite3.Error) as error:
            said = getattr(error, "strerror", None) or error
            raise UsageError(f"{folder} cannot be the disk cache: {said}.") from None
        self.size = min(size, int(free * FREE_SHARE))
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="opsin-disk-cache")
        self._pool.submit(self._reconcile)

    async def get(self, name: str) -> bytes | None:
        """The bytes of a chunk; None if they are not here, or damaged."""
        if self._closed:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, name)

    def put(self, name: str, data: bytes) -> None:
        """Keep the bytes of a chunk, soon. Quietly does nothing if that cannot be."""
        with self._lock:
            waiting = self._waiting + len(data)
            if self._closed or waiting > _WAITING or len(data) > self.size // 8:
                return
            self._waiting = waiting
        self._pool.submit(self._write, name, data)

    def close(self) -> None:
        """Finish what waits to be written. Idempotent."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=True)
        self._tell(now=True)

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """The index, in a transaction of its own."""
        with closing(sqlite3.connect(self._index, timeout=_PATIENCE)) as connection:
            connection.execute("PRAGMA synchronous = NORMAL")
            with connection:
                yield connection

    def _read(self, name: str) -> bytes | None:
        try:
            with self._path(name).open("rb") as file:
                header, data = file.read(_HEADER.size), file.read()
        except OSError:
            self.misses += 1
            return None
        if not _agrees(name, header, data):
            self.misses += 1
            self._remove([name])
            return None
        self.hits += 1
        with self._lock:
            self._used[name] = len(header) + len(data), time.time()
        self._tell()
        return data

    def _write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        part = path.with_name(f".{name[:16]}.{os.getpid()}.{secrets.token_hex(4)}.part")
        header = _HEADER.pack(_MAGIC, bytes.fromhex(name), len(data), google_crc32c.value(data))
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                with part.open("xb") as file:
                    file.write(header)
                    file.write(data)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            with self._lock:
                self._used[name] = len(header) + len(data), time.time()
            self._tell()
        except (OSError, sqlite3.Error):
            pass  # a full disk, say: what is not kept is fetched again
        finally:
            with self._lock:
                self._waiting -= len(data)

    def _make_room(self) -> None:
        """If there is too much, remove the oldest, and some more, so that it is not done often."""
        oldest: list[str] = []
        with self._connection() as index:
            over = index.execute("SELECT bytes FROM total").fetchone()[0] - self.size
        if over <= 0:
            return
        wanted = over + self.size // 20
        with self._connection() as index:
            for name, size in index.execute("SELECT name, bytes FROM chunks ORDER BY used"):
                if wanted <= 0:
                    break
                oldest.append(name)
                wanted -= size
        self._remove(oldest)

    def _remove(self, names: list[str]) -> None:
        for name in names:
            with suppress(OSError):
                self._path(name).unlink()
        with suppress(sqlite3.Error), self._connection() as index:
            index.executemany("DELETE FROM chunks WHERE name = ?", [(name,) for name in names])

    def _tell(self, *, now: bool = False) -> None:
        """Write into the index what was used and added, and make room."""
        with self._lock:
            due = now or len(self._used) >= _TOLD_AT_ONCE
            if not self._used or not (due or time.monotonic() - self._told > _TOLD_LATER):
                return
            used, self._used = self._used, {}
            self._told = time.monotonic()
        with suppress(sqlite3.Error):
            with self._connection() as index:
                index.executemany(_USE, [(name, *entry) for name, entry in used.items()])
            self._make_room()

    def _make_index(self) -> None:
        """Make sure that there is one; a new one if the file is damaged."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                with self._connection() as index:
                    index.execute("PRAGMA journal_mode = WAL")
                    index.executescript(_SCHEMA)
                return
            except sqlite3.OperationalError as error:
                # SQLite itself does not wait for who makes it, or repairs it, at the same time.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.02)
            except sqlite3.DatabaseError:
                if time.monotonic() > end:
                    raise
                for ending in ("", "-wal", "-shm"):
                    self._index.with_name(self._index.name + ending).unlink(missing_ok=True)

    def _reconcile(self) -> None:
        """Let the index and the files agree, and remove what an interrupted process has left."""
        with suppress(OSError, sqlite3.Error):
            with self._connection() as index:
                known = {name for (name,) in index.execute("SELECT name FROM chunks")}
            unknown: list[tuple[str, int, float]] = []
            for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
                if path.name in known:
                    known.discard(path.name)
                    continue
                with suppress(OSError):
                    state = path.stat()
                    if len(path.name) == _NAME_LENGTH:
                        unknown.append((path.name, state.st_size, state.st_mtime))
                    elif time.time() - state.st_mtime > _LEFT_OVER:
                        path.unlink()
            gone = [(name,) for name in known if not self._path(name).exists()]
            with self._connection() as index:
                index.executemany("INSERT OR IGNORE INTO chunks VALUES (?, ?, ?)", unknown)
                index.executemany("DELETE FROM chunks WHERE name = ?", gone)
            self._make_room()


def _agrees(name: str, header: bytes, data: bytes) -> bool:
    """Whether these are the header and the bytes of the chunk of that name."""
    if len(header) < _HEADER.size:
        return False
    magic, named, length, checksum = _HEADER.unpack(header)
    said = (magic, named.hex(), length)
    return said == (_MAGIC, name, len(data)) and checksum == google_crc32c.value(data)
