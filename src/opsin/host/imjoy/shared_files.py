"""Shared files: files that plugins were given addresses of, by the secret in each address."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from opsin.errors import UsageError

MOST = 10_000
"""Addresses at a time."""
LARGEST_UPLOAD = 2**30
"""Bytes."""


@dataclass(frozen=True, slots=True)
class SharedFile:
    """One file that is served, or one place where a file may be put, once.

    Attributes:
        name: with which its address ends.
        path: where it lies, with no link in it; None: `content` is all of it.
        shown: the path of an upload as the plugin knows it; '' if this is none.
        overwrite: an upload may replace what is there.
        owner: who gave the address, and takes it back.
    """

    name: str
    path: Path | None
    content: bytes = b""
    shown: str = ""
    overwrite: bool = False
    owner: str = ""

    @property
    def is_upload(self) -> bool:
        """Whether something is to be put there."""
        return self.shown != ""


class SharedFiles:
    """Those of one server. Belongs to its event loop."""

    def __init__(self) -> None:
        self._files: dict[str, SharedFile] = {}

    def share(self, file: SharedFile) -> str:
        """Share a file; gives its secret. The same file has the same one.

        Raises:
            UsageError: there are too many.
        """
        if not file.is_upload:
            for key, known in self._files.items():
                if known == file:
                    return key
        if len(self._files) >= MOST:
            raise UsageError("Too many files have an address: stop a plugin that does not end.")
        key = secrets.token_urlsafe(24)
        self._files[key] = file
        return key

    def file(self, key: str) -> SharedFile | None:
        """What is to be read; None: nothing has that secret."""
        found = self._files.get(key)
        return None if found is None or found.is_upload else found

    def take_place(self, key: str) -> SharedFile | None:
        """Where something may be put, which is asked once; None: nowhere."""
        found = self._files.get(key)
        if found is None or not found.is_upload:
            return None
        return self._files.pop(key)

    def forget(self, owner: str) -> None:
        """Take all addresses of one back."""
        self._files = {key: one for key, one in self._files.items() if one.owner != owner}
