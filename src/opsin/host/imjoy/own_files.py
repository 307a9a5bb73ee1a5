"""Own files: the file manager that every plugin finds, for the files that plugins keep."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

Call = Callable[..., Awaitable[Any]]


def own_manager(call: Callable[[str, list[Any]], Awaitable[Any]], url: str) -> dict[str, Any]:
    """What `api.getFileManager` gives of Opsin itself.

    Args:
        call: asks the plugin's `api`.
        url: by which it is found.
    """

    def asks(name: str) -> Call:
        async def ask(*args: Any) -> Any:
            return await call(name, list(args))

        return ask

    async def list_files(path: Any = "/home", *_: Any) -> dict[str, Any]:
        names = await call("fs.readdir", [path])
        children = []
        for name in names:
            about = await call("fs.stat", [f"{path}/{name}"])
            children.append({"name": name, "type": about["type"], "size": about["size"]})
        return {"path": path, "name": str(path).rpartition("/")[2], "children": children}

    async def heartbeat(*_: Any) -> bool:
        return True

    return {
        "_rintf": True,
        "type": "file-manager",
        "name": "Files that plugins keep",
        "url": url,
        "getFileUrl": asks("getFileUrl"),
        "requestUploadUrl": asks("requestUploadUrl"),
        "showFileDialog": asks("showFileDialog"),
        "listFiles": list_files,
        "getFile": asks("fs.readFile"),
        "putFile": asks("fs.writeFile"),
        "removeFile": asks("fs.unlink"),
        "heartbeat": heartbeat,
    }
