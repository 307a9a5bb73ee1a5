"""Address: where an image is: a local path, a URL, or the name of one that is computed."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from opsin.errors import NotFound, OpenError, ReadError, Unsupported
from opsin.images.store import HttpStore, LocalStore, Store
from opsin.images.text import shown
from opsin.images.waiting import wait_for

HEAD = 4096
SYNTHETIC = "synthetic:"


@dataclass(frozen=True)
class Address:
    """A local path, an http(s) URL or a formula; exactly one of these is set."""

    text: str
    """As the user gave it, for messages."""
    path: Path | None
    """Absolute."""
    url: str | None
    """Without a slash at the end."""
    formula: str | None = None
    """What is computed: `mandelbrot` of `synthetic:mandelbrot`, with its settings."""
    inner: str = ""
    """What was named behind a local *file*: a node inside it, such as `raw/data` of
    `cells.h5/raw/data`."""

    @classmethod
    def parse(cls, given: str | Path) -> Address:
        """The address that a user means.

        Raises:
            Unsupported: a URL of a kind that Opsin cannot read, or that is none.
        """
        text = shown(str(given))
        if isinstance(given, str) and text.startswith(SYNTHETIC):
            return cls(text, None, None, text.removeprefix(SYNTHETIC))
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", text)
        if isinstance(given, Path) or scheme is None:
            path, inner = _inside(_expanded(Path(given)).absolute())
            return cls(text, path, None, inner=inner)
        try:
            parts = urlsplit(text)
            valid = parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise Unsupported(f"{text} cannot be read: it is no valid address.")
        if scheme[1].lower() not in ("file", "http", "https"):
            raise Unsupported(f"{text} cannot be read: give a local path or an http(s) address.")
        if parts.query or parts.fragment:
            raise Unsupported(f"{text} cannot be read: give the address without '?' and '#'.")
        if scheme[1].lower() == "file":
            if parts.netloc not in ("", "localhost") or not parts.path:
                raise Unsupported(
                    f"{text} cannot be read: give a local path, or a whole one behind 'file://'."
                )
            path, inner = _inside(Path(unquote(parts.path, errors="surrogateescape")))
            return cls(text, path, None, inner=inner)
        if not parts.hostname:
            raise Unsupported(f"{text} cannot be read: give a local path or an http(s) address.")
        return cls(text, None, text.rstrip("/"))

    @property
    def name(self) -> str:
        """Name of the file or folder, such as `plate.ome.zarr`."""
        if self.path is not None:
            return shown(self.path.name or str(self.path))
        if self.formula is not None:
            return self.formula
        assert self.url is not None
        parts = urlsplit(self.url)
        return unquote(parts.path.rsplit("/", 1)[-1]) or parts.netloc

    @property
    def stem(self) -> str:
        """`name` without what says the format, such as `plate`: the name of the image."""
        stem, _, suffix = self.name.rpartition(".")
        return stem.removesuffix(".ome") if stem and suffix.isalnum() else self.name

    @property
    def suffix(self) -> str:
        """The end of the name from its last dot on, in lower case, or ''."""
        return Path(self.name).suffix.lower()

    @property
    def is_folder(self) -> bool:
        """Whether this is a local folder, or an http address named like a zarr or inside one."""
        if self.path is not None:
            return self.path.is_dir()
        return self.url is not None and ".zarr" in urlsplit(self.url).path

    def store(self) -> Store:
        """What lies below this path or URL, as a new store; the caller closes it."""
        if self.path is not None:
            return LocalStore(self.path)
        assert self.url is not None
        return HttpStore(self.url)

    def head(self, count: int) -> bytes:
        """The first bytes of the file, at most `count` (up to 4096); none of a folder or formula.

        Raises:
            NotFound: there is nothing.
            OpenError: the file or server cannot be read.
        """
        return self._head[:count]

    @cached_property
    def _head(self) -> bytes:
        if self.is_folder or self.formula is not None:
            return b""
        try:
            if self.path is not None:
                store: Store = LocalStore(self.path.parent)
                return _present(self, wait_for(_head(store, self.path.name)))
            assert self.url is not None
            parent, _, name = self.url.rpartition("/")
            return _present(self, wait_for(_head(HttpStore(parent), unquote(name))))
        except ReadError as error:
            raise OpenError(f"{self.text} cannot be opened: {error}") from error


def _expanded(path: Path) -> Path:
    """With the user's home folder for `~`; `~somebody`, who is unknown, is a name like others."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _inside(path: Path) -> tuple[Path, str]:
    """The path, or where it leads on behind a file, that file and the rest."""
    with suppress(OSError, ValueError):  # what cannot be looked at is a path like others
        if not path.exists():
            for parent in path.parents:
                if parent.is_file():
                    return parent, path.relative_to(parent).as_posix()
                if parent.exists():
                    break
    return path, ""


async def _head(store: Store, key: str) -> bytes | None:
    try:
        return await store.get_range(key, start=0, length=HEAD)
    finally:
        store.close()


def _present(address: Address, head: bytes | None) -> bytes:
    if head is None:
        raise NotFound(f"There is nothing at {address.text}.")
    return head
