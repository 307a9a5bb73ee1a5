"""Package sources: where the packages of plugins come from. A setting of the computer's owner.

It is one small file of JSON beside the environments. Whatever it leaves out is as uv does it: by
its own variables and files, else from PyPI (https://docs.astral.sh/uv/configuration).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from opsin.errors import EnvironmentFailed, UsageError

FILE = "sources.json"
TORCH = re.compile(r"auto|cpu|cu\d{2,3}|rocm\d+(\.\d+)*|xpu")
"""Builds of PyTorch that uv knows to choose."""
MOST = 1 << 16

Text = Annotated[str, msgspec.Meta(max_length=4096)]


class PackageSources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where packages come from, and which build of PyTorch is taken.

    Attributes:
        index: address of the index that stands in for PyPI (PEP 503); '': as uv is set.
        find_links: folders, or pages, with wheels; they are looked at as well.
        offline: nothing is fetched: folders and the cache of uv have to do.
        torch: build of PyTorch: `auto` looks for a GPU and its driver, `cpu`, `cu128` and so on
            name one; '': whatever the index gives.
    """

    index: Text = ""
    find_links: tuple[Text, ...] = ()
    offline: bool = False
    torch: Text = ""

    def checked(self) -> PackageSources:
        """The same, with absolute paths.

        Raises:
            UsageError: one of them cannot be meant.
        """
        if self.index and not _is_address(self.index):
            raise UsageError(
                f"{self.index!r} is no index: give an address that begins with https:// "
                "(or http:// of this computer, or file://)."
            )
        if self.torch and not TORCH.fullmatch(self.torch):
            raise UsageError(
                f"{self.torch!r} is no build of PyTorch: give auto, cpu, or one like cu128."
            )
        links = []
        for link in self.find_links:
            if _is_address(link):
                links.append(link)
                continue
            path = Path(link).expanduser().absolute()
            if not path.is_dir():
                raise UsageError(f"{link} is no folder of wheels: there is no such folder.")
            links.append(str(path))
        return msgspec.structs.replace(self, find_links=tuple(links))

    def arguments(self) -> tuple[str, ...]:
        """For uv, where it resolves and where it installs."""
        words: list[str] = []
        if self.index:
            words += ["--default-index", self.index]
        for link in self.find_links:
            words += ["--find-links", link]
        if self.offline:
            words.append("--offline")
        if self.torch:
            words += ["--torch-backend", self.torch]
        return tuple(words)

    def choice(self) -> tuple[str, ...]:
        """What decides which versions are chosen; () where nothing is set."""
        if not (self.index or self.find_links or self.torch):
            return ()
        return self.index, *self.find_links, f"torch={self.torch}"

    def lines(self) -> Sequence[str]:
        """To read."""
        index = shown(self.index) or "as uv is set, otherwise PyPI"
        return (
            f"index       {index}",
            *(f"find-links  {shown(link)}" for link in self.find_links),
            f"network     {'not used' if self.offline else 'used'}",
            f"torch       {self.torch or 'whatever the index gives'}",
        )


def read_sources(folder: Path) -> PackageSources:
    """Those that were set for the environments in a folder.

    Raises:
        EnvironmentFailed: the file cannot be read.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(MOST), type=PackageSources).checked()
    except FileNotFoundError:
        return PackageSources()
    except (OSError, msgspec.MsgspecError, UsageError) as error:
        raise EnvironmentFailed(
            f"Where packages come from cannot be read from {path} ({error}): set it anew with "
            "`opsin envs sources --reset`."
        ) from None


def write_sources(folder: Path, sources: PackageSources) -> None:
    """Set where packages come from. Only the user may read it, as an address may hold a password.

    Raises:
        EnvironmentFailed: it cannot be written.
    """
    path = folder / FILE
    draft = path.with_name(f"{FILE}.{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.touch(0o600)
        draft.write_bytes(msgspec.json.encode(sources))
        draft.replace(path)
    except OSError as error:
        raise EnvironmentFailed(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        draft.unlink(missing_ok=True)


def shown(address: str) -> str:
    """An address without its user name and password."""
    parts = urlsplit(address)
    if not parts.netloc or "@" not in parts.netloc:
        return address
    return parts._replace(netloc=f"…@{parts.netloc.rpartition('@')[2]}").geturl()


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    if parts.scheme == "https":
        return bool(parts.netloc)
    if parts.scheme == "http":
        return parts.hostname in ("localhost", "127.0.0.1", "::1")
    return parts.scheme == "file"
