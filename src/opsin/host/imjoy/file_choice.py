"""File choice: files that the user picks for a plugin, which may then read them.

A worker sees nothing but what it was handed and the folders that its plugin was allowed. What is
picked elsewhere it sees after it was begun anew, and the user is asked before. Of what a plugin may
read it gets addresses, where there is a server; so it does of places in a folder of its own.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from pathlib import Path
from typing import Any, Protocol

from opsin.errors import UsageError
from opsin.host.host import Host
from opsin.host.imjoy.face import Face
from opsin.host.imjoy.file_system import HOME, FileSystem
from opsin.host.imjoy.loaded import Loaded
from opsin.host.imjoy.shared_files import SharedFile

FOLDER = "plugin_files"
"""In the workspace: what plugins keep."""


class Served(Protocol):
    """A server of files."""

    def address(self, file: SharedFile, *, network: bool) -> str:
        """Where a file is served, for a plugin that may reach the network, or may not."""

    def forget(self, owner: str) -> None:
        """Serve nothing of an owner's any more."""


class FileChoice:
    """What the user of one desk picks.

    Attributes:
        served: who serves files; None: their addresses are for this computer alone.
        kept: the files that plugins keep.
        is_own: who picks is the user of this computer; others pick nothing that is read here.
    """

    def __init__(self, host: Host, face: Face) -> None:
        self._host = host
        self._face = face
        self._desk = secrets.token_hex(8)
        self._chosen: dict[str, set[Path]] = {}
        self.served: Served | None = None
        self.is_own = True
        self.kept = FileSystem(host.workspace.folder / FOLDER)

    def close(self) -> None:
        """The desk has ended. Idempotent."""
        self.kept.close()

    def forget(self, loaded: Loaded) -> None:
        """A plugin has ended."""
        self._chosen.pop(loaded.id, None)
        if self.served is not None:
            self.served.forget(self._owner(loaded))

    async def choose(self, loaded: Loaded, asked: dict[str, Any]) -> list[Any] | None:
        """Let the user choose; None: nothing was chosen.

        Raises:
            UsageError: the plugin cannot read that, and why.
        """
        chosen = await self._face.choose_files(loaded.about, asked)
        if not chosen:
            return None
        if loaded.file.kind == "native-python":
            await self._make_readable(loaded, chosen)
        if not self.is_own:
            return chosen
        return await asyncio.to_thread(self._noted, loaded, chosen)

    def address(self, loaded: Loaded, name: str) -> str:
        """Where a file that a plugin may read can be fetched.

        Args:
            name: its path, the name of one of the plugin's attachments, or of a file that it keeps.

        Raises:
            UsageError: it may not read it, or there is none.
        """
        file = self._file(loaded, name)
        if self.served is not None:
            return self.served.address(file, network=self._has_network(loaded))
        if file.path is None:
            raise UsageError("An attachment has an address where there is a page: opsin view.")
        return file.path.as_uri()

    def upload_address(self, loaded: Loaded, name: str, *, overwrite: bool) -> str:
        """Where a file can be put, once, in the folder that the plugin has for its own.

        Raises:
            UsageError: it cannot be put there, or nobody could.
        """
        shown = self._own_name(loaded, name)
        path = self.kept.path(shown)
        if path.is_dir():
            raise UsageError(f"{name!s:.200} is a folder: say how the file is called (path).")
        if path.exists() and not overwrite:
            raise UsageError(f"{name!s:.200} is there already: say overwrite: true.")
        if self.served is None:
            raise UsageError(
                "Files are put at an address where there is a page (opsin view): write them with "
                "api.fs.writeFile."
            )
        file = SharedFile(
            name=path.name, path=path, shown=shown, overwrite=overwrite, owner=self._owner(loaded)
        )
        return self.served.address(file, network=self._has_network(loaded))

    def _file(self, loaded: Loaded, name: str) -> SharedFile:
        owner = self._owner(loaded)
        attached = loaded.file.attachment(name)
        if attached is not None:
            content = attached.encode(errors="replace")
            return SharedFile(name=name, path=None, content=content, owner=owner)
        if name and Path(name).is_absolute():
            path = Path(name).resolve()
            if self._may_read(loaded, path) and path.is_file():
                return SharedFile(name=path.name, path=path, owner=owner)
        if name:
            path = self.kept.path(self._own_name(loaded, name)).resolve()
            if path.is_file():
                return SharedFile(name=path.name, path=path, owner=owner)
        raise UsageError(
            f"{name or 'No path'} is no file that {loaded.name} was given to read: let the user "
            "choose it with api.showFileDialog()."
        )

    def _own_name(self, loaded: Loaded, name: str) -> str:
        """A file that a plugin keeps, as `api.fs` names it: a plain name is in a folder of its own.

        Raises:
            UsageError: it lies elsewhere.
        """
        plain = re.sub(r"[^\w.-]", "_", loaded.name).lstrip(".")[:80] or "plugin"
        own = f"/{HOME}/{plain}/"
        if name.startswith("/"):
            if not name.startswith(own):
                raise UsageError(
                    f"{name:.200} is no file that {loaded.name} was given to read, and not in the "
                    f"folder that it has for its own, {own}."
                )
            return name
        return own + name

    def _noted(self, loaded: Loaded, chosen: list[Any]) -> list[Any]:
        paths = {Path(str(one.get("path"))).resolve() for one in chosen if one.get("path")}
        self._chosen.setdefault(loaded.id, set()).update(paths)
        return [self._with_address(loaded, one) for one in chosen]

    def _with_address(self, loaded: Loaded, chosen: Any) -> Any:
        path = Path(str(chosen.get("path")))
        if chosen.get("url") or self.served is None or not path.is_file():
            return chosen
        return {**chosen, "url": self.address(loaded, str(path))}

    def _has_network(self, loaded: Loaded) -> bool:
        return self._host.agreements.allowed(loaded.registered).network

    def _owner(self, loaded: Loaded) -> str:
        return f"{self._desk}/{loaded.id}"

    async def _make_readable(self, loaded: Loaded, chosen: list[Any]) -> None:
        folders = self._unseen_folders(loaded, chosen)
        if not folders or loaded.isolation == "not isolated":
            return
        words = (
            f"{loaded.name} runs apart from your files and does not see {', '.join(folders)}. "
            "If you let it read there, it begins anew: what it does now is lost."
        )
        question = {"title": "Let it read this folder?", "content": words}
        if not await self._face.confirm(loaded.about, question):
            raise UsageError(f"{loaded.name} may not read what was chosen.")
        known = self._host.agreements.allowed(loaded.registered).folders
        answer = (*known, *map(Path, folders))
        self._host.agreements.answer(loaded.registered, {"files": answer})
        raise MustRestart(f"{loaded.name} begins anew, to read there: run it again.")

    def _unseen_folders(self, loaded: Loaded, chosen: list[Any]) -> list[str]:
        """Folders with what was chosen that the plugin may not read."""
        paths = [Path(str(one.get("path"))).resolve() for one in chosen]
        outside = [one for one in paths if not self._is_allowed(loaded, one)]
        return sorted({str(one if one.is_dir() else one.parent) for one in outside})

    def _may_read(self, loaded: Loaded, path: Path) -> bool:
        chosen = self._chosen.get(loaded.id, ())
        return self._is_allowed(loaded, path) or any(map(path.is_relative_to, chosen))

    def _is_allowed(self, loaded: Loaded, path: Path) -> bool:
        allowed = self._host.agreements.allowed(loaded.registered).folders
        return any(path.is_relative_to(folder.resolve()) for folder in allowed)


class MustRestart(UsageError):
    """The plugin's worker has to begin anew before the plugin can go on."""
