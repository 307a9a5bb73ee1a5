"""File system: what ImJoy's `api.fs` and its plugin BrowserFS are here, with the calls of Node.

`/tmp` is there as long as its desk; `/home` is kept in the workspace, for all plugins. Nothing else
of the computer can be named.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from opsin.errors import UsageError
from opsin.host.imjoy.file_content import content_of

LARGEST = 2**28
"""Bytes of a file that is read or written by one call."""
MOST = 2**32
"""Bytes of all that plugins keep."""
HOME, TEMPORARY = "home", "tmp"
_ENCODINGS = ("utf8", "utf-8", "ascii", "latin1", "binary", "base64", "hex", "ucs2", "utf16le")
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\\:*?"<>|]')


class FileSystem:
    """The files that plugins of one desk keep.

    Args:
        home: where `/home` is kept; None: it is there as long as the desk, too.
    """

    def __init__(self, home: Path | None) -> None:
        self._home = home
        self._temporary: TemporaryDirectory[str] | None = None
        self._used = -1

    def close(self) -> None:
        """Remove what was there for the desk alone. Idempotent."""
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    async def call(self, name: str, *args: Any) -> Any:
        """Answer a call, such as `readFile`; a function at the end is called with what it gives.

        Raises:
            UsageError: there is no such call or file, with Node's code before it.
        """
        callback = args[-1] if args and callable(args[-1]) else None
        given = [one for one in args if not callable(one)]
        try:
            result = await asyncio.to_thread(self._answer, name, given)
        except UsageError as error:
            if callback is None:
                raise
            await _told(callback, {"_rtype": "error", "_rvalue": str(error)})
            return None
        if callback is None:
            return result
        # `exists` alone has no place for an error.
        await (_told(callback, result) if name == "exists" else _told(callback, None, result))
        return None

    def path(self, name: str) -> Path:
        """Where the file of a name such as `/tmp/notes.txt` lies; it need not be there.

        Raises:
            UsageError: it is no name of this file system.
        """
        top, *parts = [part for part in str(name).split("/") if part not in ("", ".")] or [""]
        if top not in (HOME, TEMPORARY) or any(map(_is_strange, parts)):
            raise UsageError(f"ENOENT: {name!s:.200} is not there: files are in /home and /tmp.")
        if top == HOME and self._home is not None:
            folder = self._home
        else:
            if self._temporary is None:
                self._temporary = TemporaryDirectory(prefix="opsin-plugins-")
            folder = Path(self._temporary.name, top)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.joinpath(*parts)
        if not found.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"ENOENT: {name!s:.200} leads elsewhere.")
        return found

    def check_room(self, size: int) -> None:
        """Say that so many bytes are written.

        Raises:
            UsageError: that is too much.
        """
        if self._used < 0:
            files = self._home.rglob("*") if self._home is not None else ()
            self._used = sum(one.stat().st_size for one in files if one.is_file())
        if size > LARGEST or self._used + size > MOST:
            raise UsageError(
                f"ENOSPC: plugins keep {MOST // 2**30} GiB at most, and write "
                f"{LARGEST // 2**20} MiB at once."
            )
        self._used += size

    def _answer(self, name: str, args: list[Any]) -> Any:
        answer = _ANSWERS.get(name)
        if answer is None:
            raise UsageError(f"ENOSYS: there is no fs.{name:.60} in Opsin: it has {_NAMED}.")
        try:
            return answer(self, *args)
        except FileNotFoundError:
            raise UsageError(f"ENOENT: {args[0]!s:.200} is not there.") from None
        except FileExistsError:
            raise UsageError(f"EEXIST: {args[0]!s:.200} is there already.") from None
        except OSError as error:
            raise UsageError(f"EIO: {args[0]!s:.200}: {error.strerror or error}.") from None
        except TypeError:
            raise UsageError(f"EINVAL: fs.{name} got too little: say which file.") from None

    def _read(self, name: Any, how: Any = None, *_: Any) -> Any:
        path = self.path(name)
        if path.is_dir():
            raise UsageError(f"EISDIR: {name!s:.200} is a folder.")
        if path.stat().st_size > LARGEST:
            raise UsageError(f"EFBIG: {name!s:.200} is too large to be read at once.")
        content = path.read_bytes()
        encoding = how.get("encoding") if isinstance(how, dict) else how
        return content.decode(errors="replace") if encoding in _ENCODINGS else content

    def _write(self, name: Any, data: Any = b"", *_: Any) -> None:
        content = content_of(data)[0]
        self.check_room(len(content))
        self.path(name).write_bytes(content)

    def _append(self, name: Any, data: Any = b"", *_: Any) -> None:
        content = content_of(data)[0]
        self.check_room(len(content))
        with self.path(name).open("ab") as file:
            file.write(content)

    def _list(self, name: Any, *_: Any) -> list[str]:
        if not str(name).strip("/"):
            return [HOME, TEMPORARY]
        return sorted(one.name for one in self.path(name).iterdir())

    def _make_folder(self, name: Any, how: Any = None, *_: Any) -> None:
        deep = bool(how.get("recursive")) if isinstance(how, dict) else False
        self.path(name).mkdir(parents=deep, exist_ok=deep)

    def _remove_folder(self, name: Any, how: Any = None, *_: Any) -> None:
        path = self.path(name)
        if isinstance(how, dict) and how.get("recursive"):
            shutil.rmtree(path)
        else:
            path.rmdir()
        self._used = -1

    def _remove(self, name: Any, *_: Any) -> None:
        self.path(name).unlink()
        self._used = -1

    def _rename(self, name: Any, to: Any = None, *_: Any) -> None:
        self.path(name).replace(self.path(to))

    def _exists(self, name: Any, *_: Any) -> bool:
        with suppress(UsageError):
            return not str(name).strip("/") or self.path(name).exists()
        return False

    def _reach(self, name: Any, *_: Any) -> None:
        self.path(name).stat()

    def _about(self, name: Any, *_: Any) -> dict[str, Any]:
        path = self.path(name)
        status, is_folder = path.stat(), path.is_dir()
        return {
            "size": status.st_size,
            "mtimeMs": status.st_mtime * 1000,
            "type": "directory" if is_folder else "file",
            "isFile": _always(not is_folder),
            "isDirectory": _always(is_folder),
            "_rintf": True,
        }


_ANSWERS: dict[str, Callable[..., Any]] = {
    "access": FileSystem._reach,
    "appendFile": FileSystem._append,
    "exists": FileSystem._exists,
    "lstat": FileSystem._about,
    "mkdir": FileSystem._make_folder,
    "readFile": FileSystem._read,
    "readdir": FileSystem._list,
    "rename": FileSystem._rename,
    "rmdir": FileSystem._remove_folder,
    "stat": FileSystem._about,
    "unlink": FileSystem._remove,
    "writeFile": FileSystem._write,
}
CALLS = tuple(_ANSWERS)
_NAMED = ", ".join(CALLS)


def _is_strange(part: str) -> bool:
    return (
        part == ".." or len(part.encode(errors="replace")) > 200 or bool(_NOT_IN_NAMES.search(part))
    )


def _always(value: bool) -> Callable[..., Awaitable[bool]]:
    async def answer(*_: Any) -> bool:
        return value

    return answer


async def _told(callback: Callable[..., Awaitable[Any]], *args: Any) -> None:
    await callback(*args)
