"""Offers: services that running programs of this user have for others on this computer.

A program that listens (`opsin.rpc.connect.serve`) writes a file with its address and token into a
folder that only the user may enter; others look there. What a program that was killed has left is
removed by whoever looks next: the kernel tells that nobody listens any more.

    with Announced("napari", title="cells.tif") as offer:      # then: serve(offer.address, …)
    for offer in offers("napari"): …                           # then: connect(offer.address, …)
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import stat
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsin.errors import UsageError

LARGEST_FILE = 4096
MOST = 100
"""Offers that are looked at."""
LONGEST_FOLDER = 64
"""Bytes of a folder's path that leave room for the name of a socket, which has a hundred or so."""
STARTS_WITHIN = 10.0
"""Seconds that a program may take from its announcement until it listens."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A service of a running program: where it listens, what it wants to be shown, what it is."""

    name: str
    address: str
    token: str
    pid: int
    title: str
    file: Path


class Announced:
    """An offer of this process, until it is closed. A context manager.

    Args:
        name: of the kind of program, such as `napari`.
        title: what tells it from others of its kind.

    Raises:
        UsageError: there is no folder that only this user may enter.
    """

    def __init__(self, name: str, title: str = "") -> None:
        folder = offers_folder()
        stem = f"{name}-{os.getpid()}-{secrets.token_hex(3)}"
        self.offer = Offer(
            name=name,
            address=f"unix:{folder / stem}.sock",
            token=secrets.token_urlsafe(24),
            pid=os.getpid(),
            title=title,
            file=folder / f"{stem}.json",
        )
        told = {
            key: getattr(self.offer, key) for key in ("name", "address", "token", "pid", "title")
        }
        try:
            descriptor = os.open(self.offer.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(told, file)
        except OSError as error:
            raise UsageError(f"{self.offer.file} cannot be written: {error.strerror}.") from error

    @property
    def address(self) -> str:
        """Where to listen."""
        return self.offer.address

    @property
    def token(self) -> str:
        """What to ask of those who connect."""
        return self.offer.token

    def close(self) -> None:
        """Take it back. Idempotent."""
        _remove(self.offer)

    def __enter__(self) -> Announced:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def offers(name: str) -> list[Offer]:
    """The offers of running programs of a kind, the newest first.

    Those of programs that have ended are removed on the way.
    """
    try:
        folder = offers_folder()
    except UsageError:
        return []
    found: list[tuple[float, Offer]] = []
    for path in sorted(folder.glob(f"{name}-*.json"))[:MOST]:
        with suppress(OSError):
            at = path.stat().st_mtime
            offer = _read(path)
            if offer is not None and offer.name == name and _listens(offer, at):
                found.append((at, offer))
    return [offer for _, offer in sorted(found, key=lambda one: -one[0])]


def offers_folder() -> Path:
    """Where they are, made if need be: below `XDG_RUNTIME_DIR`, or where the system keeps such.

    Raises:
        UsageError: others may enter it.
    """
    given = os.environ.get("XDG_RUNTIME_DIR")
    usual = Path(f"/run/user/{os.geteuid()}") if hasattr(os, "geteuid") else Path("/nonexistent")
    if given and Path(given).is_dir():
        folder: Path | None = Path(given) / "opsin"
    elif usual.is_dir() and os.access(usual, os.W_OK):
        folder = usual / "opsin"
    else:
        folder = None
    if folder is None or len(os.fsencode(folder)) > LONGEST_FOLDER:
        who = os.geteuid() if hasattr(os, "geteuid") else "user"
        folder = Path(tempfile.gettempdir()) / f"opsin-{who}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise UsageError(f"{folder} cannot be used: {error.strerror or error}.") from error
    is_ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    if not stat.S_ISDIR(status.st_mode) or not is_ours or status.st_mode & 0o077:
        raise UsageError(
            f"Other users may enter {folder}: set XDG_RUNTIME_DIR to a folder of yours."
        )
    return folder


def _read(path: Path) -> Offer | None:
    """The offer in a file; None if it holds none."""
    try:
        with path.open("rb") as file:
            told: Any = json.loads(file.read(LARGEST_FILE))
        offer = Offer(
            str(told["name"]),
            str(told["address"]),
            str(told["token"]),
            int(told["pid"]),
            str(told["title"]),
            path,
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    # It names a socket beside it, and nothing else on this computer.
    return offer if offer.address == f"unix:{path.with_suffix('.sock')}" else None


def _listens(offer: Offer, at: float) -> bool:
    """Whether somebody does there; what nobody stands behind any more is removed."""
    place = offer.address.removeprefix("unix:")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(place)
        except BlockingIOError:
            return True  # it has more to do than it can
        except OSError:
            if time.time() - at > STARTS_WITHIN or not _is_running(offer.pid):
                _remove(offer)
            return False
    return True


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


def _remove(offer: Offer) -> None:
    for path in (offer.file, Path(offer.address.removeprefix("unix:"))):
        with suppress(OSError):
            path.unlink()
