"""Run: what a job does: calls an operation at every position of a selection, writes the results."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from opsin.errors import Cancelled, UsageError, WriteError
from opsin.host.calls import PIXELS, Measured, Program, call_once, output_axes
from opsin.host.job import Job, Result
from opsin.host.results import CallsSource, join_rows, result_image, rows_of, write_table
from opsin.host.selection import Selection
from opsin.images.image import Image
from opsin.images.source import Array
from opsin.images.waiting import on_thread
from opsin.images.write import write_image
from opsin.plugins.manifest import Operation, Output
from opsin.workers.process import WorkerProcess

TABLES = ("table", "points", "tracks", "vectors")
"""What is written as rows."""


@dataclass(eq=False)
class Run:
    """One run in a worker. Not for use by several tasks."""

    job: Job
    program: Program
    selection: Selection
    targets: Sequence[Path]
    worker: WorkerProcess
    measured: Measured
    _made: int = 0
    _rows: dict[int, list[dict[str, list[Any]]]] = field(default_factory=dict)
    _pixels: dict[int, list[Array]] = field(default_factory=dict)
    _positions: list[tuple[int, ...]] = field(default_factory=list)

    async def run(self) -> list[Result]:
        """Make the calls and write their results.

        Raises whatever the plugin does, and WriteError. No result is left then.
        """
        outputs = self.program.operation.outputs
        images = [number for number, one in enumerate(outputs) if one.kind in PIXELS]
        self._positions = list(self.selection.positions())
        self.job.enter("running")
        first = await self._call(self._positions[0])
        streamed = images[0] if len(images) == 1 else None
        if streamed is None:
            for position in self._positions[1:]:
                await self._call(position)
        results: list[Result | None] = [None] * len(outputs)
        try:
            for number in images:
                array = first[number] if number == streamed else self._pixels[number][0]
                results[number] = await self._write_image(number, array, number == streamed)
                array = None
            del first
            for number, tables in self._rows.items():
                path = self.targets[number]
                rows = await asyncio.to_thread(write_table, join_rows(tables), path)
                output = outputs[number]
                results[number] = Result(output.kind, path.name, path, rows)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(_remove, [one for one in results if one]))
            raise
        return [one for one in results if one is not None]

    async def _call(self, position: tuple[int, ...]) -> list[Any]:
        """Make one call; keep of its outputs what is not streamed."""
        calls, number = self.selection.calls, self._made

        def listener(done: float | None, total: float | None, text: str | None) -> None:
            if calls == 1:
                self.job.progress(done, total, text or "")
            else:
                share = min(done / total, 1) if done is not None and total else 0
                self.job.progress(number + share, calls, text or "")

        if calls > 1:
            self.job.progress(number, calls)
        outputs = await call_once(
            self.program, self.selection, position, self.worker, listener, self.measured
        )
        self._made += 1
        kinds = [output.kind for output in self.program.operation.outputs]
        several = sum(kind in PIXELS for kind in kinds) > 1
        for index, (kind, value) in enumerate(zip(kinds, outputs, strict=True)):
            if kind in PIXELS and several:
                self._pixels.setdefault(index, []).append(value)
            elif kind not in PIXELS:
                rows = rows_of(kind, value, self.selection, position)
                self._rows.setdefault(index, []).append(rows)
        return outputs

    async def _write_image(self, number: int, first: Array, streamed: bool) -> Result:
        """Write one output; its further calls are made meanwhile, if it is streamed."""
        operation = self.program.operation
        output = operation.outputs[number]
        kind: Literal["image", "labels"] = "labels" if output.kind == "labels" else "image"
        failed: list[BaseException] = []

        async def ask(position: tuple[int, ...]) -> Array:
            try:
                if streamed:
                    array: Array = (await self._call(position))[number]
                else:
                    array = self._pixels[number][self._positions.index(position)]
            except BaseException as error:
                failed.append(error)
                raise
            return array

        image = result_image(
            self.selection,
            output_axes(operation, output),
            first,
            ask,
            name=result_name(operation, output, number),
            kind=kind,
        )
        del first
        path = self.targets[number]
        try:
            await self._write(image, path)
        except Exception:
            if failed and not isinstance(failed[0], asyncio.CancelledError):
                raise failed[0] from None  # the plugin's fault, and not the disk's
            raise
        return Result(kind, image.name, path)

    async def _write(self, image: Image, path: Path) -> None:
        loop = asyncio.get_running_loop()
        stopped = False

        def tell(done: int, total: int) -> None:
            if self._made == self.selection.calls:
                if self.job.state != "writing":
                    self.job.enter("writing")
                self.job.progress(done, total, "")

        def progress(done: int, total: int) -> None:
            if stopped:
                raise Cancelled("The job was cancelled.")
            loop.call_soon_threadsafe(tell, done, total)

        def write() -> None:
            write_image(image, path, progress=progress)

        writing = asyncio.ensure_future(on_thread(None, write))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            stopped = True
            raise
        finally:
            assert isinstance(image.source, CallsSource)
            image.source.close()
            with suppress(Exception):
                await asyncio.wait([writing])


def result_name(operation: Operation, output: Output, number: int) -> str:
    """What an output is called: as its operation, with its own title if there are several."""
    return operation.title if len(operation.outputs) == 1 else f"{operation.title}: {output.title}"


def suffix_of(kind: str) -> str:
    """What the name of a result's file ends with.

    Raises:
        UsageError: such a result cannot be written to a file.
    """
    if kind in PIXELS:
        return ".ome.zarr"
    if kind in TABLES:
        return ".csv"
    raise UsageError(f"A result of kind {kind} can only be had from Python yet: use opsin.run.")


def check_target(path: Path, kind: str) -> None:
    """Raise WriteError unless a result can be written there, as far as that can be known before."""
    suffix = suffix_of(kind)
    if path.exists() or path.is_symlink():
        raise WriteError(f"{path} exists already: choose another name, or remove it first.")
    if not path.parent.is_dir():
        raise WriteError(f"{path.parent} is no folder: make it first.")
    if suffix == ".csv" and path.suffix != ".csv":
        raise UsageError(f"{path} cannot hold a {kind}: let its name end with .csv.")
    if suffix != ".csv" and not path.name.endswith(".zarr"):
        raise UsageError(f"{path} cannot hold {kind}: let its name end with .ome.zarr.")


def _remove(results: Sequence[Result]) -> None:
    """A job that failed leaves nothing behind."""
    import shutil

    for result in results:
        if result.path.is_dir():
            shutil.rmtree(result.path, ignore_errors=True)
        else:
            with suppress(OSError):
                result.path.unlink(missing_ok=True)
