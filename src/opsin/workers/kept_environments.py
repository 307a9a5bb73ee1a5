"""Kept environments: what was made for plugins, when it was last used, and how much room it takes.

Beside the folder of an environment lies a file `KEY.used`. Its time is that of the last use, and
whoever uses the environment holds a lock on it, which the system takes away when that process ends,
however it does.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

COMPLETE = "complete"
"""The file of an environment that says that it can be used; it holds its lock."""
ASKED = "asked.txt"
"""The file of an environment that names the requirements that it was first made for."""
KEPT_FOR = "kept-for.txt"
"""The file of an environment that names the plugins that lie in it and let it stay."""
WHEELS = "wheels"
"""The folder of what bundles brought, by the name of the lock that it belongs to."""
USED = ".used"
DAY = 86400.0
UNUSED = 90 * DAY
"""Seconds after which an environment that nobody used goes when another one is made."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One environment. Sizes are bytes on the disk, times seconds since 1970."""

    key: str
    home: Path
    asked: tuple[str, ...]
    """The requirements that it was made for."""
    packages: int
    used: float
    bytes: int
    """Of all its files."""
    own: int
    """Of those that nothing else shares, such as the cache of uv: what removing it would free."""
    busy: bool
    """Whether somebody uses it now."""
    whole: bool
    """Whether it can be used; otherwise making it was broken off."""
    kept_for: tuple[str, ...] = ()
    """Plugins that were added, and lie in it."""

    @property
    def stays(self) -> bool:
        """Whether it may not be removed now."""
        return self.busy or bool(self.kept_for)


def used_file(home: Path) -> Path:
    """The file that tells when an environment was used, and by whom it is."""
    return home.with_name(home.name + USED)


@contextmanager
def in_use(home: Path) -> Iterator[None]:
    """Nobody removes the environment within this block."""
    import fcntl

    descriptor = os.open(used_file(home), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with suppress(OSError):
            os.utime(descriptor)
        yield
    finally:
        os.close(descriptor)


def keep_for(home: Path, plugin: str) -> None:
    """Let an environment stay, since a plugin lies in it."""
    _write_kept(home, sorted({*_kept_for(home), plugin}))


def keep_no_more(home: Path, plugin: str) -> None:
    """Let it go when nobody uses it, as far as this plugin is concerned."""
    _write_kept(home, [one for one in _kept_for(home) if one != plugin])


def kept(folder: Path, *, sizes: bool = True) -> list[Kept]:
    """The environments in a folder, the one that was used last first.

    `sizes`: whether to add up what they take; otherwise it is 0, and told at once.
    """
    found = []
    with suppress(OSError):
        for home in sorted(folder.iterdir()):
            if (home / "pyvenv.cfg").is_file() or (home / COMPLETE).is_file():
                found.append(_looked_at(home, sizes))
    return sorted(found, key=lambda one: -one.used)


def to_remove(
    there: Sequence[Kept], now: float, *, older: float | None = None, most: int | None = None
) -> list[Kept]:
    """Those that go, the longest unused first; never one that is in use, or kept. Pure.

    Args:
        there: all of them.
        now: seconds since 1970.
        older: seconds; those that were not used for so long go, and what is not whole goes too.
        most: bytes; of what is left so many stay, those used last. What would free nothing stays.
    """
    going = [
        one
        for one in there
        if not one.stays and older is not None and (not one.whole or now - one.used >= older)
    ]
    staying = [one for one in there if one not in going]
    if most is not None:
        total = sum(one.own for one in staying)
        for one in sorted(staying, key=lambda one: one.used):
            if total > most and one.own and not one.stays:
                going.append(one)
                total -= one.own
    return sorted(going, key=lambda one: one.used)


def remove(one: Kept) -> bool:
    """Take an environment away. False: somebody has begun to use it."""
    import fcntl

    path = used_file(one.home)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # First what says that it is whole, so that half of it is never taken for all.
        (one.home / COMPLETE).unlink(missing_ok=True)
        shutil.rmtree(one.home, ignore_errors=True)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def forget_locks(folder: Path) -> int:
    """Forget which versions were chosen for what was asked for; returns how many locks there were.

    Environments stay; wheels that came with bundles go. Where a plugin asks again, the newest
    versions that fit are chosen.
    """
    locks = list((folder / "locks").glob("*.txt"))
    for lock in locks:
        lock.unlink(missing_ok=True)
        shutil.rmtree(folder / WHEELS / lock.stem, ignore_errors=True)
    return len(locks)


def remove_unused(folder: Path) -> list[Kept]:
    """Take away what was not used for long, and what was never finished; returns what has gone."""
    going = to_remove(kept(folder, sizes=False), time.time(), older=UNUSED)
    return [one for one in going if remove(one)]


def _looked_at(home: Path, sizes: bool) -> Kept:
    used = home.stat().st_mtime
    with suppress(OSError):
        used = used_file(home).stat().st_mtime
    lines: list[str] = []
    with suppress(OSError):
        lines = (home / COMPLETE).read_text().splitlines()
    asked: tuple[str, ...] = ()
    with suppress(OSError):
        asked = tuple((home / ASKED).read_text().split("\n"))
    size, own = _sizes(home) if sizes else (0, 0)
    return Kept(
        key=home.name,
        home=home,
        asked=tuple(one for one in asked if one),
        packages=sum("==" in line.partition("#")[0] for line in lines),
        used=used,
        bytes=size,
        own=own,
        busy=_is_held(used_file(home)) or _is_held(home.with_name(f"{home.name}.making")),
        whole=(home / COMPLETE).is_file(),
        kept_for=_kept_for(home),
    )


def _kept_for(home: Path) -> tuple[str, ...]:
    with suppress(OSError):
        return tuple(one for one in (home / KEPT_FOR).read_text().split("\n") if one)
    return ()


def _write_kept(home: Path, plugins: Sequence[str]) -> None:
    path = home / KEPT_FOR
    if plugins:
        path.write_text("\n".join(plugins))
    else:
        path.unlink(missing_ok=True)


def _sizes(home: Path) -> tuple[int, int]:
    size = own = 0
    for folder, _, names in os.walk(home):
        for name in names:
            with suppress(OSError):
                status = Path(folder, name).lstat()
                size += status.st_blocks * 512
                own += status.st_blocks * 512 if status.st_nlink == 1 else 0
    return size, own


def _is_held(path: Path) -> bool:
    """Whether somebody holds a lock on a file."""
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
