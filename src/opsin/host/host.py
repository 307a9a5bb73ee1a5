"""Host: the one way to run an operation. Log, progress, cancel and results are views of a job."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from opsin.errors import UsageError
from opsin.host.calls import Program
from opsin.host.estimate import Estimate, estimate
from opsin.host.job import Job
from opsin.host.lazy_types import register as register_lazy_types
from opsin.host.registry import Registered, Registry
from opsin.host.run import Run, check_target, suffix_of
from opsin.host.selection import Selection, Visible, Where, select
from opsin.host.workspace import Need, Workspace
from opsin.images.layer import Layer
from opsin.plugins.parameters import complete
from opsin.rpc.pool import default_pool
from opsin.worker_main import Answer
from opsin.workers.environment import prepare
from opsin.workers.pool import WorkerPool
from opsin.workers.process import WorkerProcess


class Host:
    """Runs operations on layers, each in a worker of its own. Belongs to one event loop.

    Args:
        workspace: where plugins, results and environments are kept; the host closes it.
        parallel: jobs that run at the same time; others wait.
    """

    def __init__(self, workspace: Workspace, parallel: int | None = None) -> None:
        register_lazy_types()
        self.workspace = workspace
        self.registry = Registry()
        self.jobs: dict[str, Job] = {}
        self._pool = WorkerPool(workspace.environments)
        self._places = asyncio.Semaphore(parallel or os.cpu_count() or 2)
        self._listeners: list[Callable[[Job], None]] = []
        for path in workspace.plugin_files():
            self.registry.add(path)

    async def close(self) -> None:
        """Cancel all jobs and stop all workers. Idempotent."""
        for job in self.jobs.values():
            job.cancel()
        for job in list(self.jobs.values()):
            await job.wait()
        await self._pool.close()
        self.workspace.close()

    async def __aenter__(self) -> Host:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------------ plugins

    def program(
        self, registered: Registered, operation: str | None, parameters: Mapping[str, Any]
    ) -> Program:
        """An operation with its parameters, checked and completed.

        Raises:
            PluginError: the plugin cannot be used, or has no such operation.
            UsageError: a parameter does not fit.
        """
        plugin, found = registered.operation(operation)
        return Program(registered, plugin, found, complete(found, parameters))

    def forget_plugin(self, id: str) -> None:
        """Take a plugin from the list; one that is kept in the workspace is deleted."""
        removed = self.registry.remove(id)
        if removed.path.parent == self.workspace.plugins:
            removed.path.unlink(missing_ok=True)

    # ------------------------------------------------------------------ jobs

    def estimate(self, program: Program, layers: Mapping[str, Layer], where: Where) -> Estimate:
        """What a run will need.

        Raises:
            UsageError: it cannot be run so.
        """
        selection = select(program.operation, layers, where)
        return estimate(selection, self._needs(program))

    def run(
        self,
        program: Program,
        layers: Mapping[str, Layer],
        where: Where,
        targets: Sequence[Path] | None = None,
    ) -> Job:
        """Start a run.

        Args:
            layers: the inputs, by their names.
            targets: where to write each output: `.ome.zarr` for images and labels, `.csv` for
                tables and points. By default into the workspace.

        Raises:
            UsageError, WriteError: it cannot be run so; nothing was started.
        """
        selection = select(program.operation, layers, where)
        outputs = program.operation.outputs
        if targets is not None and len(targets) != len(outputs):
            raise UsageError(
                f"{program.operation.title} gives {len(outputs)} results: name as many files."
            )
        for output in outputs:
            suffix_of(output.kind)
        for path, output in zip(targets or (), outputs, strict=False):
            check_target(path, output.kind)
        title = f"{program.operation.title} · {_described(selection, where)}"
        job = Job(title, program.plugin.name, program.operation.name)
        if not targets:
            targets = self._own_targets(job, program)
        self.jobs[job.id] = job
        job.listen(self._changed)
        work = self._run(job, program, selection, targets)
        job.start(asyncio.get_running_loop().create_task(work))
        self._tell(job)
        return job

    async def call(
        self, program: Program, inputs: Mapping[str, Any], output: Callable[[str], None]
    ) -> list[Any]:
        """Call an operation once, on arrays as they are, and give back what it gives.

        Raises whatever the plugin does.
        """
        metadata = {name: _metadata(program, name, value) for name, value in inputs.items()}
        async with self._places, self.worker(program, output) as worker:
            return (await worker.run(program.call(dict(inputs), metadata))).outputs

    def forget_job(self, id: str) -> None:
        """Take a job that has ended from the list. Its results stay.

        Raises:
            UsageError: it has not ended.
        """
        job = self.job(id)
        if not job.has_ended:
            raise UsageError(f"{job.title} has not ended: cancel it first.")
        del self.jobs[id]

    def job(self, id: str) -> Job:
        """The job of that id.

        Raises:
            UsageError: there is none.
        """
        try:
            return self.jobs[id]
        except KeyError:
            raise UsageError("That job is not here any more.") from None

    def listen(self, listener: Callable[[Job], None]) -> Callable[[], None]:
        """Call `listener` after every change of a job, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # ------------------------------------------------------------------ inside

    @asynccontextmanager
    async def worker(
        self, program: Program, output: Callable[[str], None]
    ) -> AsyncIterator[WorkerProcess]:
        """A worker in the environment of a program, for this block alone."""
        plugin = program.plugin
        environment = await prepare(
            plugin.requirements,
            plugin.python,
            folder=self.workspace.environments,
            output=output,
        )
        key = f"{program.registered.path} {plugin.digest}"
        async with self._pool.worker(environment, key, output) as worker:
            yield worker

    async def _run(
        self, job: Job, program: Program, selection: Selection, targets: Sequence[Path]
    ) -> None:
        def measured(voxels: int, answer: Answer) -> None:
            need = Need(voxels, answer.memory, answer.seconds)
            digest, name = program.plugin.digest, program.operation.name
            self.workspace.record_need(digest, name, need, time.time())

        try:
            async with self._places:
                job.enter("preparing")
                async with self.worker(program, job.say) as worker:
                    run = Run(job, program, selection, targets, worker, measured)
                    job.results = await run.run()
            job.enter("done")
        except asyncio.CancelledError:
            job.enter("cancelled")
        except Exception as error:
            job.fail(error)
        finally:
            default_pool().trim()
            self._record(job, program, selection)

    def _own_targets(self, job: Job, program: Program) -> list[Path]:
        folder = self.workspace.results / job.id
        folder.mkdir(mode=0o700)
        name, outputs = program.operation.name, program.operation.outputs
        return [
            folder / f"{name}{f'-{number + 1}' if len(outputs) > 1 else ''}{suffix_of(one.kind)}"
            for number, one in enumerate(outputs)
        ]

    def _changed(self, job: Job) -> None:
        if job.has_ended and not job.results:  # of one that came to nothing, nothing stays
            shutil.rmtree(self.workspace.results / job.id, ignore_errors=True)
        self._tell(job)

    def _record(self, job: Job, program: Program, selection: Selection) -> None:
        self.workspace.record_run(
            {
                "id": job.id,
                "started": job.started,
                "seconds": job.seconds,
                "state": job.state,
                "title": job.title,
                "plugin": str(program.registered.path),
                "digest": program.plugin.digest,
                "operation": program.operation.name,
                "request": {
                    "parameters": dict(program.parameters),
                    "inputs": {name: _place(part) for name, part in selection.parts.items()},
                },
                "error": job.error and f"{job.error.type}: {job.error.message}",
                "results": [str(result.path) for result in job.results],
            }
        )

    def _needs(self, program: Program) -> list[Need]:
        return self.workspace.needs(program.plugin.digest, program.operation.name)

    def _tell(self, job: Job) -> None:
        for listener in list(self._listeners):
            listener(job)


def _described(selection: Selection, where: Where) -> str:
    part = selection.first
    if isinstance(where, Visible):
        return f"{part.layer.name}, visible region"
    return f"{part.layer.name}, level {part.level}"


def _place(part: Any) -> dict[str, Any]:
    return {
        "layer": part.layer.name,
        "level": part.level,
        "start": list(part.start),
        "stop": list(part.stop),
    }


def _metadata(program: Program, name: str, value: Any) -> dict[str, Any]:
    """Of an array of which nothing more is known."""
    axes = tuple(program.operation.axes)
    ndim = getattr(value, "ndim", len(axes))
    axes = axes[-ndim:] if ndim <= len(axes) else tuple(f"d{i}" for i in range(ndim))
    return {
        "axes": axes,
        "scale": (1.0,) * ndim,
        "translation": (0.0,) * ndim,
        "units": (None,) * ndim,
        "name": name,
    }
