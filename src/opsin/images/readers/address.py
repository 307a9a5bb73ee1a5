"""Address: where an image is: a local path, a URL, or the name of one that is computed."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from opsin.errors import NotFound, OpenError, ReadError, Unsupported
from opsin.images.remote_store import remote_store
from opsin.images.store import LocalStore, Store
from opsin.images.text import shown
from opsin.images.waiting import wait_for

HEAD = 4096
SYNTHETIC = "synthetic:"
_GIVE = "give a local path, or an http(s) or s3 address"


@dataclass(frozen=True)
class Address:
    """A local path, a URL or a formula; exactly one of these is set."""

    text: str
    """As the user gave it, for messages; but without a query, which may hold a signature."""
    path: Path | None
    """Absolute."""
    url: str | None
    """Of http, https or s3, without a slash at the end of its path. Only http has a query."""
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
        kind = scheme[1].lower()
        if kind not in ("file", "http", "https", "s3"):
            raise Unsupported(f"{text} cannot be read: {_GIVE}.")
        if parts.fragment or (parts.query and kind not in ("http", "https")):
            raise Unsupported(f"{text} cannot be read: give the address without '?' and '#'.")
        if kind == "file":
            if parts.netloc not in ("", "localhost") or not parts.path:
                raise Unsupported(
                    f"{text} cannot be read: give a local path, or a whole one behind 'file://'."
                )
            path, inner = _inside(Path(unquote(parts.path, errors="surrogateescape")))
            return cls(text, path, None, inner=inner)
        if not parts.hostname:
            raise Unsupported(f"{text} cannot be read: {_GIVE}.")
        place, mark, query = text.partition("?")
        place = place.rstrip("/")
        return cls(f"{place}?…" if query else text, None, f"{place}{mark}{query}".rstrip("?"))

    @property
    def whole(self) -> str:
        """What means the same in every working folder; without a query, which may be a secret."""
        if self.path is not None:
            return str(self.path / self.inner) if self.inner else str(self.path)
        return self.text if self.formula is not None else self.place

    @property
    def name(self) -> str:
        """Name of the file or folder, such as `plate.ome.zarr`."""
        if self.path is not None:
            return shown(self.path.name or str(self.path))
        if self.formula is not None:
            return self.formula
        return self._parent_and_key[1] or urlsplit(self.place).netloc

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
        """Whether this is a local folder, or a URL named like a zarr or inside one."""
        if self.path is not None:
            return self.path.is_dir()
        return self.url is not None and ".zarr" in urlsplit(self.place).path

    def store(self) -> Store:
        """What lies below this path or URL, as a new store; the caller closes it."""
        if self.path is not None:
            return LocalStore(self.path)
        assert self.url is not None
        return remote_store(self.url)

    def beside(self) -> tuple[Store, str]:
        """The store that a file lies in, as a new one, and its key there."""
        if self.path is not None:
            return LocalStore(self.path.parent), self.path.name
        parent, key = self._parent_and_key
        return remote_store(parent), key

    @property
    def place(self) -> str:
        """The URL without its query."""
        return (self.url or "").partition("?")[0]

    @property
    def _parent_and_key(self) -> tuple[str, str]:
        """The URL that the last part of the path is below, with the query; and that part."""
        assert self.url is not None
        place, mark, query = self.url.partition("?")
        scheme, _, rest = place.partition("://")
        host, _, path = rest.partition("/")
        parent, _, key = path.rpartition("/")
        # Keys in a bucket stand for themselves.
        key = key if scheme.lower() == "s3" else unquote(key)
        return f"{scheme}://{host}/{parent}{mark}{query}", key

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
            store, key = self.beside()
            return _present(self, wait_for(_head(store, key)))
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
