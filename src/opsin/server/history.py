"""History: what was run in this session, as a script, undone, changed, and on whole folders."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from opsin.errors import OpsinError, UsageError
from opsin.host.history import (
    check_changeable,
    check_undoable,
    dependents,
    make_anew,
    run_on_folder,
    script_of,
)
from opsin.host.host import Host
from opsin.host.job import Job
from opsin.server.session import Session

log = logging.getLogger("opsin")


class Start(Protocol):
    """Starts a run as a page asks for it."""

    def __call__(self, request: Mapping[str, Any]) -> Job:
        """The job.

        Raises:
            UsageError: it cannot be run so.
        """


class History:
    """The jobs of a session, as steps.

    Args:
        start: starts a run.
    """

    def __init__(self, session: Session, start: Start) -> None:
        self._session = session
        self._start = start
        self._changing: set[asyncio.Task[None]] = set()

    @property
    def _host(self) -> Host:
        return self._session.host

    async def script(self, ids: Sequence[str]) -> str:
        """A program that repeats these jobs, and those before whose results they took.

        Raises:
            UsageError: one cannot be repeated.
        """
        return await script_of(self._host, ids)

    async def set_undone(self, id: str, undone: bool) -> None:
        """Let a job not count, and take its layers away; or the other way round.

        Raises:
            UsageError: it is not there, or is not done.
        """
        job = self._host.job(id)
        check_undoable(job)
        if job.undone == undone:
            return
        job.undone = undone
        scene = self._session.scene
        for number in self._session.job_layers.get(id, ()):
            is_there = number in scene.layers or number in scene.points
            if undone and is_there:
                self._session.remove_layer(number)
            elif not undone and not is_there:
                self._session.restore_layer(number)
        job.progress(None, None)  # so that it is heard
        await asyncio.to_thread(self._host.recorder.set_undone, id, undone)

    def change(self, id: str, parameters: Mapping[str, Any]) -> str:
        """Run a job again with other parameters, and then what took its results. All else stays.

        What was made anew takes the place of what it was made from; that is undone.

        Returns:
            the id of the first new job.

        Raises:
            UsageError: it cannot be run so; nothing was started then.
        """
        old = self._host.job(id)
        check_changeable(old)
        new = self._start({**old.request, "parameters": dict(parameters)})
        task = asyncio.create_task(self._follow(old, new))
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)
        return new.id

    async def run_on_folder(self, ids: Sequence[str], folder: str, out: str) -> str:
        """Run the script of jobs on every image in a folder; the id of the job that does.

        Raises:
            UsageError: there is no such folder, or a job cannot be repeated.
        """
        place, results = Path(folder), Path(out)
        if not place.is_absolute() or not results.is_absolute():
            raise UsageError("Give whole paths, such as /data/plate 7.")
        return (await run_on_folder(self._host, ids, place, results)).id

    async def _follow(self, old: Job, new: Job) -> None:
        """Once a changed job is done, run again what depends on it, on the layers of now."""
        session = self._session
        layers: dict[int | str, int | str] = {}

        async def again(before: Job) -> Job:
            inputs = {name: layers.get(n, n) for name, n in before.request["inputs"].items()}
            return self._start({**before.request, "inputs": inputs})

        async def replaced(before: Job, made: Job) -> None:
            mine = await session.layers_of_job(made.id)
            layers.update(zip(await session.layers_of_job(before.id), mine, strict=False))
            for number in range(len(before.results)):
                layers[table_address(before, number)] = table_address(made, number)
            await self.set_undone(before.id, True)

        later = [one for one in dependents(self._host.jobs.values(), old) if one.request]
        try:
            await make_anew(old, new, later, again, replaced)
        except OpsinError as error:
            session.scene.notify("error", f"What depends on {old.title}: {error}")
        except Exception as error:
            session.scene.notify("error", f"{old.title}: {type(error).__name__}: {error}")
            log.exception("%s", old.title)


def table_address(job: Job, number: int) -> str:
    """Where a page gets a result that is a table."""
    return f"/api/jobs/{job.id}/results/{number}"
