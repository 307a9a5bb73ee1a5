"""Draft: what is being written, under a name of its own, and what killed processes left of it.

A draft says in its name who writes it, and goes with that process. A *kept* draft says what it is a
draft of instead, so that the next who writes the same can go on with it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from opsin.errors import WriteError

_LOCK = "lock"


def draft_name(name: str) -> str:
    """What is being written is called so. It says who writes, so that others can clear up."""
    return f".{name}.{uuid.uuid4().hex[:8]}.{platform.node()}.{os.getpid()}.part"


def remove_dead_drafts(folder: Path) -> None:
    """Remove what processes of this computer that were killed left half written in a folder."""
    ours = re.compile(rf"\..+\.[0-9a-f]{{8}}\.{re.escape(platform.node())}\.([0-9]{{1,9}})\.part")
    for draft in folder.glob(".*.part"):
        named = ours.fullmatch(draft.name)
        if named is None or int(named[1]) == os.getpid() or is_alive(int(named[1])):
            continue
        if draft.is_dir() and not draft.is_symlink():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            with suppress(OSError):
                draft.unlink()


def kept_drafts(target: Path) -> list[Path]:
    """The kept drafts of a target, which lie beside it."""
    named = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{16}}\.draft")
    try:
        return sorted(p for p in target.parent.iterdir() if named.fullmatch(p.name))
    except OSError:
        return []


@contextmanager
def kept_draft(target: Path, what: str) -> Iterator[Path]:
    """The folder of the draft of `what` for a target, for one process at a time.

    It is there again when it was left before; those of anything else for the same target are
    removed. Whoever is done with it removes it.

    Raises:
        WriteError: another process has it.
        OSError: it cannot be made.
    """
    key = hashlib.sha256(what.encode()).hexdigest()[:16]
    folder = target.with_name(f".{target.name}.{key}.draft")
    for other in kept_drafts(target):
        if other != folder:
            with suppress(OSError, WriteError), _held(other):
                shutil.rmtree(other, ignore_errors=True)
    with _held(folder):
        yield folder


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Make a folder, and hold its lock, which the system lets go of when this process ends."""
    try:
        import fcntl
    except ImportError:  # Windows; untested
        folder.mkdir(exist_ok=True)
        yield
        return
    while True:
        same = False
        folder.mkdir(exist_ok=True)
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:  # whoever had it removes it just now
            continue
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WriteError(
                    f"Another process is writing {folder}: wait for it, or choose another name."
                ) from None
            except OSError:  # a file system without locks
                pass
            with suppress(OSError):
                same = os.fstat(lock).st_ino == (folder / _LOCK).stat().st_ino
            if same:
                yield
                return
            # Whoever had it has removed it meanwhile.
        finally:
            os.close(lock)


def is_alive(process: int) -> bool:
    """Whether a process of this computer runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
