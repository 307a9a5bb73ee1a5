"""Run: what a job does: calls an operation at every position of a selection, writes the results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsin.errors import Cancelled, UsageError, WriteError
from opsin.host.ahead import Ahead
from opsin.host.calls import Measured, Program, call_once, output_axes
from opsin.host.job import Job, Result
from opsin.host.results import (
    Ask,
    CallsSource,
    counted_axes,
    join_rows,
    result_image,
    rows_of,
    write_table,
)
from opsin.host.selection import PIXELS, Selection
from opsin.host.spool import Spool
from opsin.images.draft import draft_name
from opsin.images.image import Image
from opsin.images.memory import image_from_array
from opsin.images.points.rows import PARQUET
from opsin.images.points.table import needs_pyarrow
from opsin.images.source import Array, Source
from opsin.images.waiting import on_thread
from opsin.images.write import write_image
from opsin.plugins.manifest import Operation, Output
from opsin.rpc.progress import Listener
from opsin.workers.process import to_the_end
from opsin.workers.worker import Worker

Calling = Callable[[tuple[int, ...]], Awaitable[list[Any]]]

TABLES = ("table", "points", "tracks", "vectors")
"""What is written as rows."""


@dataclass(eq=False)
class Run:
    """One run in a worker. Not for use by several tasks.

    Attributes:
        worker: runs so many calls at the same time as `width` says.
    """

    job: Job
    program: Program
    selection: Selection
    targets: Sequence[Path]
    worker: Worker
    measured: Measured
    width: int = 1
    _ahead: Ahead | None = None
    _made: int = 0
    _calls: dict[tuple[int, ...], int] = field(default_factory=dict)
    _rows: dict[int, list[dict[str, list[Any]]]] = field(default_factory=dict)
    _spools: dict[int, Spool] = field(default_factory=dict)

    @classmethod
    def check_targets(cls, operation: Operation, targets: Sequence[Path]) -> None:
        """Raise unless the outputs can be written, and there, as far as that is known before.

        Raises:
            UsageError, WriteError: they cannot.
        """
        for output in operation.outputs:
            suffix_of(output.kind)
        for path, output in zip(targets, operation.outputs, strict=False):
            check_target(path, output.kind)

    async def run(self) -> list[Result]:
        """Make the calls and write their results.

        Raises whatever the plugin does, and WriteError. No result is left then.
        """
        outputs = self.program.operation.outputs
        images = [number for number, one in enumerate(outputs) if one.kind in PIXELS]
        positions = list(self.selection.positions())
        results: dict[int, Result] = {}
        self.job.enter("running")
        if self.width > 1:
            self._ahead = Ahead(self._at, positions, self.width)
        try:
            for number in images[1:]:
                self._spools[number] = Spool(_draft(self.targets[number]))
            first = await self._call(positions[0])
            if images:
                array, first = first[images[0]], []
                results[images[0]] = await self._write_image(images[0], array, self._call)
                del array
            else:
                for position in positions[1:]:
                    await self._call(position)
            for number, spool in self._spools.items():
                results[number] = await self._write_spooled(number, spool)
            for number, tables in self._rows.items():
                path = self.targets[number]
                rows = await asyncio.to_thread(write_table, join_rows(tables), path)
                counted = {}
                if outputs[number].kind != "points":
                    counted = counted_axes(self.selection)
                results[number] = Result(outputs[number].kind, path.name, path, rows, counted)
        except BaseException:
            await to_the_end(asyncio.to_thread(_remove, list(results.values())))
            raise
        finally:
            if self._ahead is not None:
                await to_the_end(self._ahead.close())
            for spool in self._spools.values():
                spool.close()
        return [results[number] for number in sorted(results)]

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
        outputs = await self._ask(position, listener)
        self._calls[position] = self._made
        self._made += 1
        for index, output in enumerate(self.program.operation.outputs):
            if index in self._spools:
                await on_thread(None, self._spools[index].add, outputs[index])
                outputs[index] = None
            elif output.kind not in PIXELS:
                rows = self._rows_of(index, outputs[index], position)
                self._rows.setdefault(index, []).append(rows)
        return outputs

    async def _ask(self, position: tuple[int, ...], listener: Listener) -> list[Any]:
        """What the call at a position gives, one value for each output."""
        if self._ahead is not None:
            return await self._ahead.get(position)
        return await self._at(position, listener)

    async def _at(self, position: tuple[int, ...], listener: Listener | None = None) -> list[Any]:
        return await call_once(
            self.program, self.selection, position, self.worker, listener, self.measured
        )

    def _rows_of(self, number: int, value: Any, position: tuple[int, ...]) -> dict[str, list[Any]]:
        """What a call gave for an output that is a table, as columns."""
        return rows_of(self.program.operation.outputs[number].kind, value, self.selection, position)

    def _image_of(self, number: int, first: Array, ask: Ask) -> Image:
        """An output as an image, whose pixels are what the calls give. The first is made."""
        operation = self.program.operation
        output = operation.outputs[number]
        if not self.selection.parts:  # of points: it lies where its pixels are
            return image_from_array(
                first,
                axes=output_axes(operation, output),
                name=result_name(operation, output, number),
                kind="labels" if output.kind == "labels" else "image",
            )
        return result_image(
            self.selection,
            output_axes(operation, output),
            first,
            ask,
            name=result_name(operation, output, number),
            kind="labels" if output.kind == "labels" else "image",
        )

    async def _write_spooled(self, number: int, spool: Spool) -> Result:
        """Write an output whose arrays were put aside."""

        async def read(position: tuple[int, ...]) -> list[Any]:
            return [None] * number + [spool.get(self._calls[position])]

        return await self._write_image(number, spool.get(0), read)

    async def _write_image(self, number: int, first: Array, call: Calling) -> Result:
        """Write one output, of which the first call is made; `call` makes the others meanwhile."""
        failed: list[BaseException] = []

        async def ask(position: tuple[int, ...]) -> Array:
            try:
                array: Array = (await call(position))[number]
            except BaseException as error:
                failed.append(error)
                raise
            return array

        image = self._image_of(number, first, ask)
        del first
        path = self.targets[number]
        try:
            await self._write(image, path)
        except Exception:
            if failed and not isinstance(failed[0], asyncio.CancelledError):
                raise failed[0] from None  # the plugin's fault, and not the disk's
            raise
        return Result(image.kind, image.name, path)

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
            await to_the_end(_ended(writing, image.source))


def result_name(operation: Operation, output: Output, number: int) -> str:
    """What an output is called: as its operation, with its own title if there are several."""
    return operation.title if len(operation.outputs) == 1 else f"{operation.title}: {output.title}"


def suffix_of(kind: str) -> str:
    """What the name of a result's file ends with; of `layers`, nothing as long as nothing is known.

    Raises:
        UsageError: such a result cannot be written to a file.
    """
    if kind == "layers":
        return ""
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
    if suffix == ".csv" and path.suffix not in (".csv", *PARQUET):
        raise UsageError(f"{path} cannot hold a {kind}: let its name end with .csv or .parquet.")
    if suffix == ".csv" and path.suffix in PARQUET:
        needs_pyarrow("Parquet is written")
    if suffix != ".csv" and not path.name.endswith(".zarr"):
        raise UsageError(f"{path} cannot hold {kind}: let its name end with .ome.zarr.")


async def _ended(writing: asyncio.Future[None], source: Source) -> None:
    """Until neither the writer nor a call for it goes on."""
    if isinstance(source, CallsSource):
        await source.finish()
    await asyncio.wait([writing])
    if not writing.cancelled():
        writing.exception()  # looked at: whoever waits for it has raised it, or was cancelled


def _draft(target: Path) -> Path:
    """Where what belongs to a target is kept meanwhile."""
    return target.with_name(draft_name(target.name))


def _remove(results: Sequence[Result]) -> None:
    """A job that failed leaves nothing behind."""
    import shutil

    for result in results:
        if result.path.is_dir():
            shutil.rmtree(result.path, ignore_errors=True)
        else:
            with suppress(OSError):
                result.path.unlink(missing_ok=True)
