"""Kept answers: what verified operations gave, on the disk, to be given again for equal inputs.

One file for each call, named by a checksum over all that it depends on. They take a bounded number
of bytes: those go first that nobody has used for longest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from opsin.images.draft import draft_name
from opsin.images.source import Array
from opsin.worker_main import Answer, Call

MOST_BYTES = 4 * 2**30
LARGEST_SHARE = 4
"""One answer takes at most this part of all."""
LEAST_FREE = 2 * 2**30
"""Bytes that stay free on the disk."""
WORTH = 2**29
"""Bytes per second: what is computed faster than that is not worth keeping."""
MAGIC = b"opsin answer 1\n"
LARGEST_HEADER = 2**26


class Unkept(Exception):
    """A value that no answer can be kept for, or that cannot be kept itself."""


class KeptAnswer(Answer, frozen=True):
    """An answer that no worker has given."""


class KeptAnswers:
    """A folder of answers. May be used from any thread, and by many processes.

    Args:
        folder: need not be there.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self._most_bytes = most_bytes

    def get(self, key: str) -> KeptAnswer | None:
        """What is kept, as arrays of one's own; None if there is nothing, or it is damaged."""
        path = self.folder / key
        try:
            with path.open("rb") as file:
                answer = _read(file, path.stat().st_size)
            now = time.time()
            os.utime(path, (now, now))
        except FileNotFoundError:
            return None
        except Exception:  # whatever may be wrong with it
            with suppress(OSError):
                path.unlink()
            return None
        return answer

    def put(self, key: str, answer: Answer, given: int = 0) -> bool:
        """Keep an answer, if it is worth it; whether it is kept. A full disk is no error.

        Args:
            given: bytes of what it was computed from, which has to be looked at each time.
        """
        arrays: list[Array] = []
        try:
            outputs = _plain(answer.outputs, arrays)
        except Unkept:
            return False
        size = sum(array.nbytes for array in arrays)
        if answer.seconds * WORTH < size + given or size > self._most_bytes // LARGEST_SHARE:
            return False
        shapes = [(array.dtype.str, array.shape) for array in arrays]
        header = msgspec.msgpack.encode([outputs, shapes, answer.seconds, answer.memory])
        draft = self.folder / draft_name(key)
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if shutil.disk_usage(self.folder).free < size + LEAST_FREE:
                return False
            with draft.open("wb") as file:
                file.write(MAGIC + len(header).to_bytes(8, "little") + header)
                for array in arrays:
                    file.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
            draft.replace(self.folder / key)
        except OSError:
            return False
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
        self._shrink()
        return True

    def size(self) -> int:
        """Bytes that they take."""
        return sum(size for _, size, _ in self._entries())

    def clear(self) -> None:
        """Forget all."""
        for _, _, path in self._entries():
            with suppress(OSError):
                path.unlink()

    def _shrink(self) -> None:
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= self._most_bytes:
                return
            with suppress(OSError):
                path.unlink()
            total -= size

    def _entries(self) -> list[tuple[float, int, Path]]:
        """When each was last used, its bytes, and where it lies."""
        found = []
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat()
                    found.append((status.st_mtime, status.st_size, Path(entry.path)))
        return found


def key_of(words: str, call: Call) -> str:
    """A checksum over all that the answer to a call of a verified operation depends on.

    Raises:
        Unkept: an input cannot be looked at as a whole.
    """
    digest = hashlib.sha256()
    plain = (call.function, call.entry, call.outputs, call.paths, sorted(call.enums.items()))
    _feed(digest, [words, repr(plain), call.parameters, call.metadata, call.inputs])
    return digest.hexdigest()


def bytes_of(call: Call) -> int:
    """Bytes of the arrays that a call is given."""
    return sum(getattr(value, "nbytes", 0) for value in call.inputs.values())


def _feed(digest: Any, value: Any) -> None:
    """Add a value, so that no two different ones add the same."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        digest.update(f"a{value.dtype.str}{value.shape};".encode())
        digest.update(np.ascontiguousarray(value).data.cast("B") if value.size else b"")
    elif isinstance(value, Mapping):
        digest.update(f"m{len(value)};".encode())
        for name in value:  # the order of columns is part of a table
            _feed(digest, name)
            _feed(digest, value[name])
    elif isinstance(value, (list, tuple)):
        digest.update(f"l{len(value)};".encode())
        for one in value:
            _feed(digest, one)
    elif value is None or isinstance(value, (bool, int, float, str, np.number)):
        text = f"{type(value).__name__} {value!r}".encode(errors="surrogateescape")
        digest.update(f"s{len(text)};".encode() + text)
    else:
        raise Unkept


def _plain(value: Any, arrays: list[Array]) -> Any:
    """A value with numbers in place of its arrays, which are added to `arrays`."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {"map": [[name, _plain(one, arrays)] for name, one in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_plain(one, arrays) for one in value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"value": value}
    raise Unkept


def _whole(found: Any, arrays: list[Array]) -> Any:
    ((kind, value),) = found.items()
    if kind == "array":
        return arrays[value]
    if kind == "map":
        return {name: _whole(one, arrays) for name, one in value}
    return [_whole(one, arrays) for one in value] if kind == "list" else value


def _read(file: Any, size: int) -> KeptAnswer:
    """The answer in a file of that size.

    Raises:
        ValueError, MsgspecError: it holds none.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("it is no kept answer")
    length = int.from_bytes(file.read(8), "little")
    if length > min(size, LARGEST_HEADER):
        raise ValueError("it is shorter than it says")
    outputs, shapes, seconds, memory = msgspec.msgpack.decode(file.read(length))
    arrays = []
    for dtype, shape in shapes:
        kind = np.dtype(dtype)
        if kind.itemsize * int(np.prod(shape, dtype=object)) > size:
            raise ValueError("it is shorter than it says")
        array = np.empty(tuple(shape), kind)
        if array.size and file.readinto(array.data.cast("B")) != array.nbytes:
            raise ValueError("it is shorter than it says")
        arrays.append(array)
    if file.read(1):
        raise ValueError("it is longer than it says")
    return KeptAnswer(outputs=_whole(outputs, arrays), seconds=seconds, memory=memory)
