"""The processes of workers, as the system sees them."""

from __future__ import annotations

from contextlib import suppress

import psutil  # type: ignore[import-untyped]

NAME = "opsin-worker"


def workers_of(pid: int | None = None) -> list[psutil.Process]:
    """Workers that a process has, by default this one, the oldest first. It may have children of
    other kinds: those of `multiprocessing`, of a browser.
    """
    found = [one for one in _below(pid) if _name(one) == NAME]
    return sorted(found, key=lambda one: one.pid)


def _below(pid: int | None) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return list(psutil.Process(pid).children(recursive=True))
    return []


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):  # it has ended
        return str(process.name()) if process.status() != psutil.STATUS_ZOMBIE else ""
    return ""
