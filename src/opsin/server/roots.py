"""Roots: folders below which images may be opened by name, and nothing outside of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from opsin.errors import UsageError

END = ".zarr"
MOST_PARTS = 64
"""Of a name: deeper folders are not looked into."""


class Roots:
    """Folders by name, which is that of the folder, with a number where several are called alike.

    Raises:
        UsageError: one of them is no folder.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.folders: dict[str, Path] = {}
        for folder in folders:
            real = Path(os.path.realpath(folder.expanduser()))
            if not real.is_dir():
                raise UsageError(f"{folder} is not a folder: give --root one that is.")
            plain = real.name or "root"
            names = itertools.chain([plain], (f"{plain}-{n}" for n in itertools.count(2)))
            self.folders[next(name for name in names if name not in self.folders)] = real

    def path(self, name: str) -> Path | None:
        """The real path of what is at `ROOT/FOLDER/FILE`; None if that is not below the root.

        Links are followed, as long as they stay below the root; hidden files are not there.
        """
        root, *parts = name.split("/")
        folder = self.folders.get(root)
        if folder is None or not parts or len(parts) > MOST_PARTS:
            return None
        if not all(map(_is_plain, parts)):
            return None
        try:
            real = Path(os.path.realpath(folder.joinpath(*parts), strict=True))
        except (OSError, ValueError):
            return None
        below = real.is_relative_to(folder) and real != folder
        if not below or not all(map(_is_plain, real.relative_to(folder).parts)):
            return None
        return real

    def real(self, path: Path) -> Path | None:
        """The real path of a file or folder that is called by its whole path; None as in `path`."""
        try:
            real = Path(os.path.realpath(path, strict=True))
        except (OSError, ValueError):
            return None
        for name, folder in self.folders.items():
            if real.is_relative_to(folder):
                return self.path("/".join((name, *real.relative_to(folder).parts)))
        return None

    def split(self, name: str) -> tuple[str, Path, str] | None:
        """The image that a name below the roots leads into: its own name, its path, and the rest.

        `data/a/cells.tif.zarr/0/zarr.json` is `0/zarr.json` of `data/a/cells.tif`, and
        `data/plate.ome.zarr/zarr.json` is `zarr.json` of `data/plate.ome.zarr`. What is there under
        the whole name comes first. None if there is nothing.
        """
        parts = name.split("/")
        for count in range(2, min(len(parts), MOST_PARTS) + 1):
            if not parts[count - 1].endswith(END):
                continue
            whole = "/".join(parts[:count])
            for own in (whole, whole.removesuffix(END)):
                if (path := self.path(own)) is not None:
                    return own, path, "/".join(parts[count:])
        return None


def _is_plain(part: str) -> bool:
    """Whether this is the name of a file that is not hidden, and no way to anywhere else."""
    separators = {os.sep, os.altsep, "\\", "\0"} - {None}
    return bool(part) and not part.startswith(".") and not separators & set(part)
