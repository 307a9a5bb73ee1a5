"""Recorder: keeps of every run what is needed to tell, repeat and undo it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path

import msgspec

from opsin import __version__
from opsin.errors import OpsinError, UsageError
from opsin.host.calls import FIRST_SEED, Program
from opsin.host.job import Job
from opsin.host.results import write_table
from opsin.host.selection import Selection
from opsin.host.step import Given, Step, Taken, changed, decode, encode, taken, taken_of
from opsin.host.workspace import Workspace
from opsin.images.content import content_identity
from opsin.images.crop import crop
from opsin.images.draft import draft_name
from opsin.images.image import Image
from opsin.images.points.rows import Rows
from opsin.images.waiting import on_thread
from opsin.images.write import write_image
from opsin.workers.environment import Environment, packages_of

log = logging.getLogger("opsin")

LARGEST_KEPT = 1 << 30
"""Bytes of an input that was only in memory, and is kept so that the run can be repeated."""
MOST = 1000
"""Runs that are looked at."""


class Recorder:
    """Records the runs of one host in its workspace.

    Args:
        front_end: where they are asked for, such as `browser`, if a job does not say it itself.
    """

    def __init__(self, workspace: Workspace, front_end: str) -> None:
        self._workspace = workspace
        self.front_end = front_end

    async def take(self, selection: Selection) -> dict[str, Taken]:
        """What a run takes, with its content. What was only in memory is kept in the workspace.

        What cannot be read or kept is told in what is returned; nothing is raised for that.
        """
        found = taken(selection)
        for name, one in found.items():
            try:
                if name in selection.rows:
                    found[name] = await self._take_rows(one, selection.rows[name])
                    continue
                part = selection.parts[name]
                # What is taken, and no more: the rest may be far away.
                piece = crop(taken_of(part, selection.axes)[1], one.level, **one.cut)
                if one.address:
                    content = await content_identity(piece)
                    found[name] = msgspec.structs.replace(one, content=content)
                else:
                    found[name] = await self._keep(one, piece)
            except Exception as error:  # no run fails for what is only its record
                found[name] = msgspec.structs.replace(one, lost=str(error))
                if not isinstance(error, OpsinError | OSError):
                    log.exception("%s could not be recorded.", one.layer)
        return found

    def record(
        self,
        job: Job,
        program: Program,
        inputs: Mapping[str, Taken],
        environment: Environment | None,
    ) -> Step:
        """Keep what is known of a run that has ended; `job.step` is that, too."""
        plugin, operation = program.plugin, program.operation
        step = Step(
            id=job.id,
            front_end=job.front_end or self.front_end,
            plugin=program.registered.address,
            name=plugin.name,
            version=plugin.version,
            digest=plugin.digest,
            packages=packages_of(environment, plugin.requirements) if environment else (),
            operation=operation.name,
            axes=program.axes,
            title=job.title,
            parameters=dict(program.parameters),
            changed=changed(operation, program.parameters),
            inputs={one.name: inputs[one.name] for one in operation.inputs if one.name in inputs},
            outputs=tuple(Given(one.kind, one.name, str(one.path)) for one in job.results),
            state=job.state,
            error=f"{job.error.type}: {job.error.message}" if job.error else "",
            seed=FIRST_SEED,
            isolation=job.isolation,
            permissions=program.allowed.words(),
            once=program.once.words(),
            started=job.started,
            timings={name: round(seconds, 6) for name, seconds in job.timings.items()},
            opsin=__version__,
        )
        self._workspace.record_run(
            {
                "id": step.id,
                "started": step.started,
                "seconds": job.seconds,
                "state": step.state,
                "title": step.title,
                "plugin": step.plugin,
                "digest": step.digest,
                "operation": step.operation,
                "request": {"parameters": step.parameters},
                "error": step.error or None,
                "results": [given.path for given in step.outputs],
                "step": encode(step),
            }
        )
        job.step = step
        return step

    def steps(self) -> list[Step]:
        """The latest runs of all front ends, the oldest first."""
        found = [decode(row["step"]) for row in self._workspace.runs(MOST)]
        return [step for step in reversed(found) if step is not None]

    def step(self, id: str) -> Step:
        """The run of that id.

        Raises:
            UsageError: there is none.
        """
        found = decode(next((row["step"] for row in self._workspace.run(id)), None))
        if found is None:
            raise UsageError(f"No run called {id} is recorded here.")
        return found

    def set_undone(self, id: str, undone: bool) -> Step:
        """Let a run not count any more, or count again; its results stay where they are."""
        step = msgspec.structs.replace(self.step(id), undone=undone)
        self._workspace.change_step(id, encode(step))
        return step

    async def _take_rows(self, one: Taken, rows: Rows) -> Taken:
        """What a run takes of rows. They are kept in the workspace if they are in no file."""
        content = await on_thread(None, rows.identity)
        if one.address:
            return msgspec.structs.replace(one, content=content)
        path = self._workspace.inputs / f"{content.replace(':', '-')[:40]}.csv"
        if not path.exists():
            await on_thread(None, write_table, rows.kept(), path)
        return Taken(layer=one.layer, address=str(path), content=content)

    async def _keep(self, one: Taken, image: Image) -> Taken:
        """Write what is only in memory into the workspace, once for the same pixels."""
        size = math.prod(image.shape) * image.dtype.itemsize
        if size > LARGEST_KEPT:
            reason = f"{image.name} was in memory, and has more than 1 GiB"
            return msgspec.structs.replace(one, lost=reason)
        content = await content_identity(image)
        name = content.replace(":", "-")[:40]
        path = self._workspace.inputs / f"{name}.ome.zarr"
        if not path.exists():
            await on_thread(None, _write, image, path)
        return Taken(layer=one.layer, address=str(path), content=content)


def _write(image: Image, path: Path) -> None:
    draft = path.with_name(draft_name(path.name))
    write_image(image, draft)
    try:
        draft.rename(path)
    except OSError:
        if not path.exists():  # another process wrote the same
            raise
