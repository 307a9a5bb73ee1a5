"""Job script: what was run from a viewer, as a Python program that repeats it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from opsin.errors import UsageError, WriteError
from opsin.host.host_thread import HostThread
from opsin.host.script import script
from opsin.napari.viewer_job import ViewerJob


def script_of(jobs: Iterable[ViewerJob]) -> str:
    """A program that repeats those of the jobs that count, and what they took results of.

    Raises:
        UsageError: none does, or one cannot be repeated.
    """
    done = [job.job.id for job in jobs if job.job is not None and job.is_step]
    if not done:
        raise UsageError("Nothing has been run to its end: there is nothing to write.")
    return script(HostThread.shared().host.recorder.steps(), done)


def save_script(jobs: Iterable[ViewerJob], path: Path) -> None:
    """Write that program to a file.

    Raises:
        UsageError: there is nothing to repeat.
        WriteError: the disk does not take it.
    """
    text = script_of(jobs)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error.strerror or error}.") from error
