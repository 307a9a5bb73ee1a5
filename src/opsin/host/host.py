"""Host: the one way to run an operation. Log, progress, cancel and results are views of a job."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsin.errors import PluginError, UsageError
from opsin.host.added_plugins import forget_kept
from opsin.host.agreements import Agreements
from opsin.host.calls import Program, plain_metadata
from opsin.host.estimate import Estimate, estimate
from opsin.host.in_process import check_in_process
from opsin.host.job import Job, NewLines
from opsin.host.layers_run import LayersRun, arrays_of, gives_layers
from opsin.host.lazy_types import register as register_lazy_types
from opsin.host.lent_workers import is_kept, lent_workers
from opsin.host.permissions import NOTHING, from_words, said_of
from opsin.host.recorder import Recorder
from opsin.host.registry import Registered, Registry
from opsin.host.run import Run, suffix_of
from opsin.host.run_limits import within
from opsin.host.selection import Given, Selection, Visible, Where, select
from opsin.host.step import taken
from opsin.host.verified import verified
from opsin.host.workspace import Need, Workspace
from opsin.plugins.imjoy_uri import SUFFIX
from opsin.plugins.manifest import Plugin
from opsin.plugins.parameters import complete
from opsin.rpc.pool import default_pool
from opsin.worker_main import Answer
from opsin.workers.environment import Environment, current, packages_of, prepare
from opsin.workers.in_process import InProcess, apart
from opsin.workers.isolation.visible import gpus
from opsin.workers.offered_readers import offer_readers
from opsin.workers.pool import WorkerPool
from opsin.workers.repositories import obtain
from opsin.workers.supervision import Supervision
from opsin.workers.worker import Worker

TAKING = 10.0
"""Seconds that a run which is done is held up by finding out what its inputs were."""


class Host:
    """Runs operations on layers, each in a worker of its own. Belongs to one event loop.

    Args:
        workspace: where plugins, results and environments are kept; the host closes it.
        parallel: jobs that run at the same time; others wait.
        front_end: where jobs are asked for, for the record: `browser`, `napari`, `command line`.
        supervision: what workers are granted; by default, what `OPSIN_LIMITS` says.
        agreements: what plugins are allowed; by default, what is kept in the workspace.
        has_user: this process is the user's own program, in which plugins may run by choice.

    Raises:
        UsageError: `OPSIN_LIMITS` cannot be understood.
    """

    def __init__(
        self,
        workspace: Workspace,
        parallel: int | None = None,
        *,
        front_end: str = "python",
        supervision: Supervision | None = None,
        agreements: Agreements | None = None,
        has_user: bool = False,
    ) -> None:
        register_lazy_types()
        offer_readers()
        self.workspace = workspace
        self.agreements = agreements or Agreements(workspace)
        self.recorder = Recorder(workspace, front_end)
        self.registry = Registry()
        self.jobs: dict[str, Job] = {}
        self.supervision = supervision or Supervision.given()
        self._pool = WorkerPool(workspace.environments, self.supervision)
        parallel = parallel or min(os.cpu_count() or 2, self.supervision.workers)
        self._parallel = parallel
        self._places = asyncio.Semaphore(parallel)
        self._listeners: list[Callable[[Job], None]] = []
        self._has_user = has_user
        self._loop = asyncio.get_running_loop()
        self.agreements.listen(self._agreed)
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
        self,
        registered: Registered,
        operation: str | None,
        parameters: Mapping[str, Any],
        axes: str = "",
        allow: Iterable[str] = (),
        in_process: bool = False,
        anew: bool = False,
    ) -> Program:
        """An operation with its parameters, checked and completed.

        Args:
            axes: that each call works on, such as `zyx`, of an operation that declares none; '':
                those that it declares, or planes.
            allow: what the plugin may in this run beside what it was allowed, as `network`.
            in_process: the user trusts the plugin as this program itself: it runs in it.
            anew: it runs, whatever is kept of earlier runs.

        Raises:
            PluginError: the plugin cannot be used, or has no such operation.
            UsageError: a parameter does not fit, or the plugin does not ask for what it may, or it
                cannot run in this process.
        """
        plugin, found = registered.operation(operation)
        if registered.path.name.lower().endswith(SUFFIX):
            raise UsageError(f"{plugin.name} is a plugin of ImJoy, which runs as a whole.")
        found = found.along(axes) if axes else found
        values, once = complete(found, parameters), from_words(plugin, allow)
        if in_process and not self._has_user:
            raise UsageError(
                "A plugin runs in its user's own program only, and this serves others."
            )
        if in_process:
            check_in_process(plugin, found)
        return Program(
            registered,
            plugin,
            found,
            values,
            axes,
            once=once,
            in_process=in_process,
            anew=anew,
            # Files that were dropped came from anywhere: one must not be what another imports.
            alone=registered.path.parent == self.workspace.plugins,
        )

    def imjoy_program(self, registered: Registered, plugin: Plugin) -> Program:
        """A plugin of ImJoy, which a worker runs as a whole.

        Args:
            plugin: as it was read for one of its tags.

        Raises:
            PluginError: it cannot be run here; the message says why.
        """
        (found,) = plugin.operations
        if found.refused:
            raise PluginError(f"{plugin.name} cannot be run by Opsin. {found.refused}")
        return Program(registered, plugin, found, {}, alone=True)

    def forget_plugin(self, id: str) -> None:
        """Take a plugin from the list, also from that of the next time, with what it was allowed.

        A file that is kept in the workspace is deleted; of a plugin from PyPI the environment goes
        when nobody has used it for long.

        Raises:
            UsageError: there is none of that id, or the disk does not let go of it.
        """
        gone = self.registry.get(id)
        self.agreements.forget(gone)
        forget_kept(self.workspace, gone.path)
        self.registry.remove(id)

    # ------------------------------------------------------------------ jobs

    def estimate(self, program: Program, layers: Mapping[str, Given], where: Where) -> Estimate:
        """What a run will need.

        Raises:
            UsageError: it cannot be run so.
        """
        selection = select(program.operation, layers, where)
        return estimate(selection, self._needs(program), self.supervision.memory)

    def run(
        self,
        program: Program,
        layers: Mapping[str, Given],
        where: Where,
        targets: Sequence[Path] | None = None,
        *,
        front_end: str = "",
        supervision: Supervision | None = None,
    ) -> Job:
        """Start a run.

        Args:
            layers: the inputs, by their names: layers, or the rows of points, shapes and tables.
            targets: where to write each output: `.ome.zarr` for images and labels, `.csv` or
                `.parquet` for tables and points. By default into the workspace. Of layers one is
                enough: the second is written beside it, with `-2` in its name, and so on.
            front_end: where it is asked for, if not where all of this host are.
            supervision: what it is granted, if not what all are.

        Raises:
            UsageError, WriteError: it cannot be run so; nothing was started.
        """
        selection = select(program.operation, layers, where)
        outputs = program.operation.outputs
        run = LayersRun if gives_layers(program.operation) else Run
        if targets is not None and len(targets) != len(outputs) and run is Run:
            raise UsageError(
                f"{program.operation.title} gives {len(outputs)} results: name as many files."
            )
        run.check_targets(program.operation, targets or ())
        title = f"{program.operation.title} · {_described(selection, where)}"
        job = Job(title, program.plugin.name, program.operation.name, front_end=front_end)
        if not targets:
            targets = self._own_targets(job, program)
        self.jobs[job.id] = job
        job.listen(self._changed)
        self._keep_log(job)
        granted = supervision or self.supervision
        work = self._run(job, program, selection, targets, run, granted)
        job.start(asyncio.get_running_loop().create_task(work))
        self._tell(job)
        return job

    async def call(
        self,
        program: Program,
        inputs: Mapping[str, Any],
        output: Callable[[str], None],
        supervision: Supervision | None = None,
    ) -> list[Any]:
        """Call an operation once, on arrays as they are, and give back what it gives.

        Of layers, that is their data.

        Raises whatever the plugin does.
        """
        metadata = {name: plain_metadata(program, name, value) for name, value in inputs.items()}
        if program.in_process:
            inputs = apart(dict(inputs))
        granted = supervision or self.supervision
        async with (
            self._place(program, output),
            self.worker(program, output, granted) as worker,
            within(granted),
        ):
            given = (await worker.run(program.call(dict(inputs), metadata))).outputs
        return arrays_of(given[0]) if gives_layers(program.operation) else given

    def watch(self, job: Job) -> None:
        """Have a job among the others that is not a run of an operation."""
        self.jobs[job.id] = job
        job.listen(self._changed)
        self._keep_log(job)
        self._tell(job)

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
        self, program: Program, output: Callable[[str], None], granted: Supervision
    ) -> AsyncIterator[Worker]:
        """A worker in the environment of a program, for this block alone."""
        environment = await self._environment(program, output)
        program = self._with_what_is_allowed(await self._with_repositories(program, output))

        @asynccontextmanager
        async def lend() -> AsyncIterator[Worker]:
            async with self._worker(program, environment, output, granted) as worker:
                if line := _goes_without(program, worker, environment):
                    output(line)
                yield worker

        words = await self._verified(program, environment)
        async with lent_workers(lend, words, self.workspace.answers) if words else lend() as worker:
            yield worker

    @asynccontextmanager
    async def _workers(
        self,
        job: Job,
        program: Program,
        environment: Environment,
        selection: Selection,
        granted: Supervision,
    ) -> AsyncIterator[tuple[Worker, int]]:
        """What runs the calls of a job, and how many at the same time.

        A verified operation takes places that nobody else needs, call by call.
        """

        @asynccontextmanager
        async def lend() -> AsyncIterator[Worker]:
            async with self._worker(program, environment, job.say, granted) as worker:
                if not job.isolation:
                    job.isolation = str(worker.level)
                    if line := _goes_without(program, worker, environment):
                        job.say(line)
                yield worker

        words = await self._verified(program, environment)
        if not words:
            async with lend() as worker:
                yield worker, 1
            return
        needed = estimate(selection, self._needs(program), granted.memory)
        room = needed.available_bytes // 2 // max(1, needed.worker_bytes)
        width = max(1, min(selection.calls, room, self._parallel))
        places = self._places if width > 1 else None
        async with lent_workers(lend, words, self.workspace.answers, places) as workers:
            yield workers, width
            if workers.kept:
                share = "" if workers.kept == selection.calls else f" of {selection.calls}"
                job.say(
                    f"{workers.kept}{share} results are those of an earlier run, which was given "
                    "the same."
                )

    async def _verified(self, program: Program, environment: Environment) -> str:
        """What the results of a program depend on beside what it is given; '' if nobody knows."""
        lazy = any(given.lazy for given in program.operation.inputs)
        if program.anew or program.in_process or program.allowed != NOTHING or lazy:
            return ""
        return await asyncio.to_thread(verified, self.workspace, program, environment)

    @asynccontextmanager
    async def _worker(
        self,
        program: Program,
        environment: Environment,
        output: Callable[[str], None],
        granted: Supervision,
    ) -> AsyncIterator[Worker]:
        if program.in_process:
            yield InProcess(output)
            return
        async with self._pool.worker(
            environment, _key(program), output, program.sandbox(), granted
        ) as worker:
            yield worker

    def _agreed(self, registered: Registered) -> None:
        """What a plugin may has changed: workers of it that rest may have more. From any thread."""
        with suppress(RuntimeError):  # the loop has ended, and they with it
            self._loop.call_soon_threadsafe(self._pool.end_idle, _place_of(registered))

    def _with_what_is_allowed(self, program: Program) -> Program:
        """A program that begins now, after what the user has said until now."""
        return replace(program, allowed=self.agreements.allowed(program.registered) | program.once)

    @asynccontextmanager
    async def _place(self, program: Program, output: Callable[[str], None]) -> AsyncIterator[None]:
        """One of the places for what runs at the same time; nobody waits in it for a pause."""
        while True:
            await self._pool.until_tried(_key(program), output)
            async with self._places:
                if not self._pool.waits(_key(program)):
                    yield
                    return

    async def _with_repositories(self, program: Program, output: Callable[[str], None]) -> Program:
        """A program whose repositories are there."""
        asked, folder = program.plugin.repositories, self.workspace.environments
        if not asked:
            return program
        return replace(program, work=await obtain(asked, folder=folder, output=output))

    async def _environment(self, program: Program, output: Callable[[str], None]) -> Environment:
        plugin = program.plugin
        if program.in_process:
            return current()
        return await prepare(
            plugin.requirements,
            plugin.python,
            folder=self.workspace.environments,
            output=output,
        )

    async def _run(
        self,
        job: Job,
        program: Program,
        selection: Selection,
        targets: Sequence[Path],
        kind: type[Run],
        granted: Supervision,
    ) -> None:
        def measured(voxels: int, answer: Answer) -> None:
            need = Need(voxels, answer.memory, answer.seconds)
            digest, name = program.plugin.digest, program.operation.name
            if not program.in_process and not is_kept(answer):  # of this process, nobody knows
                self.workspace.record_need(digest, name, need, time.time())

        def told(line: str) -> None:
            job.say(line)
            job.progress(None, None, line)

        taking = asyncio.create_task(self.recorder.take(selection))
        environment: Environment | None = None
        inputs = taken(selection)
        try:
            async with self._place(program, told):
                job.enter("preparing")
                environment = await self._environment(program, job.say)
                program = await self._with_repositories(program, job.say)
                program = self._with_what_is_allowed(program)
                job.permissions = program.allowed.words()
                async with self._workers(job, program, environment, selection, granted) as given:
                    run = kind(job, program, selection, targets, given[0], measured, given[1])
                    async with within(granted):
                        job.results = await run.run()
            await asyncio.wait([taking], timeout=TAKING)
            inputs = taking.result() if taking.done() else inputs
            job.enter("done")
        except asyncio.CancelledError:
            job.enter("cancelled")
        except Exception as error:
            job.fail(error)
        finally:
            taking.cancel()
            default_pool().trim()
            self.recorder.record(job, program, inputs, environment)

    def _own_targets(self, job: Job, program: Program) -> list[Path]:
        folder = self.workspace.results / job.id
        folder.mkdir(mode=0o700)
        name, outputs = program.operation.name, program.operation.outputs
        return [
            folder / f"{name}{f'-{number + 1}' if len(outputs) > 1 else ''}{suffix_of(one.kind)}"
            for number, one in enumerate(outputs)
        ]

    def _keep_log(self, job: Job) -> None:
        printed = NewLines(job)

        def changed(job: Job) -> None:
            if lines := printed.take():
                self.workspace.logs.write(job.id, "\n".join([*lines, ""]))
            if job.has_ended:
                self.workspace.logs.end(job.id)

        job.listen(changed)

    def _changed(self, job: Job) -> None:
        if job.has_ended and not job.results:  # of one that came to nothing, nothing stays
            shutil.rmtree(self.workspace.results / job.id, ignore_errors=True)
        self._tell(job)

    def _needs(self, program: Program) -> list[Need]:
        return self.workspace.needs(program.plugin.digest, program.operation.name)

    def _tell(self, job: Job) -> None:
        for listener in list(self._listeners):
            listener(job)


def _described(selection: Selection, where: Where) -> str:
    if not selection.parts:
        return ", ".join(one.name for one in selection.rows.values()) or "no input"
    part = selection.first
    if isinstance(where, Visible):
        return f"{part.layer.name}, visible region"
    return f"{part.layer.name}, level {part.level}"


def _goes_without(program: Program, worker: Worker, environment: Environment) -> str:
    """One line that tells what it asks for and is kept from; '' if there is nothing."""
    if not worker.level.is_isolated:
        return ""
    plugin, address = program.plugin, program.registered.address
    packages = packages_of(environment, plugin.requirements)
    return said_of(plugin, address, program.allowed, packages, has_gpu=bool(gpus()))


def _key(program: Program) -> str:
    """Programs with the same key may use one worker after another."""
    return f"{_place_of(program.registered)}{program.plugin.digest}"


def _place_of(registered: Registered) -> str:
    """What the keys of all programs of a plugin begin with."""
    return f"{registered.path} "
