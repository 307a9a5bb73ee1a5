"""History: what was run in one place, as steps that are undone, changed, and done to whole folders.

A place is a session of the browser app, or a viewer of napari. It says what becomes of layers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from opsin.errors import UsageError
from opsin.host.folder_run import folder_job
from opsin.host.host import Host
from opsin.host.job import Job
from opsin.host.script import script
from opsin.host.step import dependent


def is_step(job: Job) -> bool:
    """Whether it gave something that counts, and that a script repeats."""
    return job.state == "done" and not job.undone and job.step is not None


def check_undoable(job: Job) -> None:
    """Raise UsageError unless a job can be undone, and done again."""
    if job.state != "done":
        raise UsageError(f"{job.title} is not done, so there is nothing to undo.")
    if job.step is None:
        raise UsageError(f"{job.title} cannot be undone: its results are files of yours.")


def check_changeable(job: Job) -> None:
    """Raise UsageError unless a job can be run again with other parameters."""
    if job.state == "done" and job.step is None:
        raise UsageError(f"{job.title} was not started from a form, so it cannot be changed.")
    if not is_step(job):
        raise UsageError(f"{job.title} does not count: run it anew instead.")


def dependents(jobs: Iterable[Job], first: Job) -> list[Job]:
    """Of those that count, the ones that took a result of this one, or of one that did. In order.

    Hand-made edits of a result are data of their own: what took them does not depend on it.
    """
    by_id = {job.id: job for job in jobs if is_step(job)}
    steps = [job.step for job in by_id.values() if job.step is not None]
    return [by_id[step.id] for step in dependent(steps, first.id)]


async def make_anew(
    old: Job,
    new: Job,
    later: Sequence[Job],
    again: Callable[[Job], Awaitable[Job]],
    replaced: Callable[[Job, Job], Awaitable[None]],
) -> None:
    """Once a changed job is done, run again what depends on it, one after the other.

    It ends early if one of them is not done.

    Args:
        new: the changed job, which was started.
        later: what depends on `old`.
        again: starts one of these anew, on what was made by then.
        replaced: of a job and that which was made anew: the first does not count any more.

    Raises whatever these do.
    """
    for before in (old, *later):
        if before is not old:
            new = await again(before)
        await new.wait()
        if new.state != "done":
            return
        await replaced(before, new)


async def script_of(host: Host, ids: Sequence[str]) -> str:
    """A program that repeats these jobs, and those before whose results they took.

    Raises:
        UsageError: one cannot be repeated.
    """
    return await asyncio.to_thread(lambda: script(host.recorder.steps(), ids))


async def run_on_folder(host: Host, ids: Sequence[str], folder: Path, out: Path) -> Job:
    """Start the script of jobs on every image in a folder.

    Raises:
        UsageError: there is no such folder, or a job cannot be repeated.
        WriteError: the results cannot be written.
    """
    text = await script_of(host, ids)
    names = " and ".join(dict.fromkeys(host.job(id).operation for id in ids))
    title = f"{names} · images in {folder.name}"
    job = folder_job(title, text, folder, out, host.workspace.folder, host.supervision)
    host.watch(job)
    return job
