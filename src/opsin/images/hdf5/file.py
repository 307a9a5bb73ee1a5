"""Hdf5File: an HDF5 file of this computer, read by h5py, out of which no link leads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from opsin.errors import NotFound, OpenError, OpsinError, Unsupported
from opsin.images.local_file import LocalFile
from opsin.images.text import shown

if TYPE_CHECKING:
    import h5py

    Object: TypeAlias = h5py.Group | h5py.Dataset

_LINKS_LIMIT = 16
"""Soft links that are followed one behind the other."""

_ATTRIBUTE_LIMIT = 1 << 20

_ATTEMPTS: tuple[dict[str, Any], ...] = (
    {"locking": False},
    {},  # the file is open in this process already, with locking
)
"""Not `swmr`, which reads along with a writer: on a damaged file it waits for ever."""


class Hdf5File:
    """A file, open for reading on any thread. (h5py has one lock for all that it does.)"""

    def __init__(self, path: Path) -> None:
        """Open `path`.

        Raises:
            Unsupported: h5py is not installed.
            OpenError: it is damaged, or being written by another program.
            OSError: it cannot be read.
        """
        self.name = shown(path.name)
        """For messages."""
        self.path = path
        self.raw = LocalFile(path)
        """The same file, for reads that need no lock."""
        try:
            self._file = _opened(path, self.name)
        except BaseException:
            self.raw.close()
            raise

    def reopen(self) -> Hdf5File:
        """The same file again, to be closed on its own."""
        return Hdf5File(self.path)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self.raw.close()
        self._file.close()

    @property
    def root(self) -> h5py.Group:
        """The group that holds all others."""
        return self._file["/"]

    def find(self, path: str, start: h5py.Group | None = None) -> Object:
        """The group or dataset at `path`, `/`-separated, below `start` or the root.

        Raises:
            NotFound: there is none.
            Unsupported: the way there leads out of the file.
            OpenError: the file is damaged there.
        """
        here = self.root if start is None else start
        return self._found(here, path, path, _LINKS_LIMIT)

    def has(self, path: str, start: h5py.Group | None = None) -> bool:
        """Whether there is a group or dataset at `path` that can be opened."""
        try:
            self.find(path, start)
        except OpenError:
            return False
        return True

    def members(self, group: h5py.Group) -> Iterator[tuple[str, Object | OpenError]]:
        """Names and objects of a group, in the order of their names; or why one cannot be had."""
        try:
            names = sorted(name.decode(errors="surrogateescape") for name in group.id)
        except Exception as error:
            raise self._damaged(group.name, error) from error
        for name in names:
            try:
                yield name, self._found(group, name, name, _LINKS_LIMIT)
            except OpenError as error:
                yield name, error

    def _found(self, here: Object, path: str, asked: str, links: int) -> Object:
        import h5py

        try:
            if path.startswith("/"):
                here = self.root
            for part in path.split("/"):
                if part in ("", "."):
                    continue
                if not isinstance(here, h5py.Group):
                    raise NotFound(f"There is nothing called {shown(asked)} in {self.name}.")
                here = self._child(here, part, asked, links)
        except OpsinError:
            raise
        except Exception as error:
            raise self._damaged(asked, error) from error
        return here

    def _child(self, group: h5py.Group, name: str, asked: str, links: int) -> Object:
        """One step, by the link itself: h5py would open other files in passing."""
        import h5py

        key = name.encode(errors="surrogateescape")
        if not group.id.links.exists(key):
            raise NotFound(f"There is nothing called {shown(asked)} in {self.name}.")
        kind = group.id.links.get_info(key).type
        if kind == h5py.h5l.TYPE_SOFT:
            if links == 0:
                raise OpenError(f"The link {shown(asked)} in {self.name} leads nowhere.")
            target = group.id.links.get_val(key).decode(errors="surrogateescape")
            return self._found(group, target, asked, links - 1)
        if kind != h5py.h5l.TYPE_HARD:
            raise Unsupported(
                f"{shown(asked)} in {self.name} is a link to another file, which is not followed: "
                "open that file instead."
            )
        found = h5py.h5o.open(group.id, key)
        if isinstance(found, h5py.h5d.DatasetID):
            return h5py.Dataset(found)
        if isinstance(found, h5py.h5g.GroupID):
            return h5py.Group(found)
        raise NotFound(f"{shown(asked)} in {self.name} is a type, and holds no image.")

    def _damaged(self, what: str | None, error: Exception) -> OpenError:
        return OpenError(f"{self.name} is damaged: {shown(what or '/')} cannot be read ({error}).")


def path_of(node: Object) -> str:
    """The path of a group or dataset from the root, without a slash at its beginning."""
    name = node.name or ""
    if isinstance(name, bytes):  # no text in UTF-8
        name = name.decode(errors="surrogateescape")
    return str(name).strip("/")


def attribute(of: Object, name: str) -> Any:
    """An attribute as text, a number or an array; None where there is none that makes sense."""
    try:
        if name not in of.attrs:
            return None
        stored = of.attrs.get_id(name)
        if stored.get_storage_size() > _ATTRIBUTE_LIMIT:
            return None
        value = of.attrs[name]
    except Exception:  # damaged, or of a type that h5py does not know
        return None
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "S" and value.dtype.itemsize == 1 and value.ndim == 1:
            return _text(value.tobytes())  # Imaris: one character after the other
        if value.size == 1 and value.dtype.kind in "SUO":
            value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return _text(value)
    return shown(value) if isinstance(value, str) else value


def words(of: Object, name: str) -> str:
    """An attribute that is text; '' where there is none."""
    value = attribute(of, name)
    return value if isinstance(value, str) else ""


def _text(value: bytes) -> str:
    return value.split(b"\0")[0].decode(errors="replace")


def _opened(path: Path, name: str) -> h5py.File:
    try:
        import h5py
    except ImportError:
        raise Unsupported(
            f"{name} is an HDF5 file: to read it, install h5py with 'pip install opsin[hdf5]'."
        ) from None
    problem: Exception | None = None
    for options in _ATTEMPTS:
        try:
            # No cache of its own: what is decoded is kept, and counted, elsewhere.
            return h5py.File(path, "r", rdcc_nbytes=0, **options)
        except Exception as error:
            problem = problem or error
    reason = str(problem).partition("(")[2].removesuffix(")") or type(problem).__name__
    if "open for write" in reason:
        raise OpenError(
            f"{name} is being written by another program, or was not closed after writing: close "
            f"it there, or run 'h5clear -s {name}'."
        ) from problem
    raise OpenError(f"{name} is a damaged or truncated HDF5 file ({reason}).") from problem
