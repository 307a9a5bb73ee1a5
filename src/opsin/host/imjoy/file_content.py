"""File content: the bytes of what plugins hand over as a file."""

from __future__ import annotations

from typing import Any

from opsin.errors import PluginError

_TYPES = ("blob", "file", "memoryview", "typedarray")


def content_of(file: Any) -> tuple[bytes, str, str]:
    """Bytes, type and name of a text, bytes, a Blob or a File, carried.

    Raises:
        PluginError: it is none of these.
    """
    if isinstance(file, dict) and file.get("_rtype") in _TYPES:
        inner = file.get("_rvalue")
        content = inner if isinstance(inner, bytes) else str(inner or "").encode()
        mime = str(file.get("_rmime") or "application/octet-stream")
        return content, mime, str(file.get("_rname") or "")
    if isinstance(file, bytes):
        return file, "application/octet-stream", ""
    if isinstance(file, str):
        return file.encode(errors="replace"), "text/plain;charset=utf-8", ""
    raise PluginError("A file is a text, bytes, a Blob or a File.")
