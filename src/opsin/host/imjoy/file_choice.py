"""File choice: files that the user picks for a plugin, which may then read them.

A worker sees nothing but what it was handed and the folders that its plugin was allowed. What is
picked elsewhere it sees after it was begun anew, and the user is asked before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opsin.errors import UsageError
from opsin.host.host import Host
from opsin.host.imjoy.face import Face
from opsin.host.imjoy.loaded import Loaded


class FileChoice:
    """What the user of one desk picks."""

    def __init__(self, host: Host, face: Face) -> None:
        self._host = host
        self._face = face

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
        return chosen

    def address(self, loaded: Loaded, path: str) -> str:
        """Where a file that a plugin may read can be fetched.

        Raises:
            UsageError: it may not read it.
        """
        if not path or not self._may_read(loaded, Path(path)):
            raise UsageError(
                f"{path or 'No path'} is nothing that {loaded.name} was given to read."
            )
        return Path(path).resolve().as_uri()

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
        outside = [one for one in paths if not self._may_read(loaded, one)]
        return sorted({str(one if one.is_dir() else one.parent) for one in outside})

    def _may_read(self, loaded: Loaded, path: Path) -> bool:
        allowed = self._host.agreements.allowed(loaded.registered).folders
        return any(path.resolve().is_relative_to(folder.resolve()) for folder in allowed)


class MustRestart(UsageError):
    """The plugin's worker has to begin anew before the plugin can go on."""
