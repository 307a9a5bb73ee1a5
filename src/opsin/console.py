"""Console: a run of an operation in a terminal, with a progress bar."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from opsin.errors import UsageError
from opsin.host.host import Host
from opsin.host.job import Job, NewLines
from opsin.host.selection import PIXELS, Given, Whole
from opsin.host.workspace import Workspace
from opsin.images.image import Image
from opsin.images.layer import Layer
from opsin.images.points.rows import ROWS, Rows, holds_rows, read_rows
from opsin.images.readers import open_image
from opsin.plugins.address import OperationAddress
from opsin.plugins.manifest import Operation
from opsin.plugins.parameters import from_words
from opsin.workers.supervision import Supervision

SHOWN_EVERY = 0.1
"""Seconds between two looks of the bar."""

Say = Callable[[str], None]

_STATES = {
    "queued": "waiting",
    "preparing": "preparing packages",
    "running": "running",
    "writing": "writing",
}


def run_operation(
    operation: str,
    words: Sequence[str],
    targets: Sequence[Path],
    *,
    level: int,
    channel: str | None,
    axes: str = "",
    allow: Sequence[str] = (),
    anew: bool = False,
    time_limit: float | None = None,
    memory_limit: int | None = None,
    say: Say,
    complain: Say,
) -> int:
    """Run an operation on files and wait; returns the exit status.

    Args:
        operation: `file.py:operation`.
        words: inputs, and parameters as `name=value`; an input may be given as `name=path` too.
        targets: a file for each result.
        level: of the inputs.
        channel: name or number; None: every one.
        axes: that each call works on, of an operation that declares none; '': planes.
        allow: what the plugin may in this run, beside what it was allowed.
        anew: it is computed, even if the result of an earlier run is kept that was given the same.
        time_limit, memory_limit: seconds and bytes of the run; None: what `OPSIN_LIMITS` says.

    Raises:
        OpsinError: it cannot be run so.
    """
    granted = Supervision.given().but(time=time_limit, memory=memory_limit)
    work = _run(
        operation, words, targets, level, channel, axes, allow, anew, granted, say, complain
    )
    return asyncio.run(until_signal(work))


def _without_shown(message: str, shown: list[str]) -> str:
    """An error without the last lines of output that explain it, where they stand just above."""
    first, *rest = message.split("\n")
    return first if rest == shown[len(shown) - len(rest) :] else message


async def until_signal(work: Coroutine[Any, Any, int]) -> int:
    """Let SIGTERM and SIGHUP cancel what runs, as Ctrl-C does, so that nothing is left behind."""
    taken: list[int] = []
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)

    def stop(number: int) -> None:
        taken.append(number)
        task.cancel()

    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)):
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if taken:
            return 128 + taken[0]
        raise


async def _run(
    text: str,
    words: Sequence[str],
    targets: Sequence[Path],
    level: int,
    channel: str | None,
    axes: str,
    allow: Sequence[str],
    anew: bool,
    granted: Supervision,
    say: Say,
    complain: Say,
) -> int:
    address = OperationAddress.parse(text)
    with ExitStack() as opened:
        async with Host(Workspace(), front_end="command line", supervision=granted) as host:
            registered = host.registry.add(address.source)
            operation = registered.operation(address.operation)[1]
            paths, settings = sorted_words(operation, words)
            values = from_words(operation, settings)
            program = host.program(registered, operation.name, values, axes, allow, anew=anew)
            layers: dict[str, Given] = {}
            kinds = {one.name: one.kind for one in operation.inputs}
            for name, path in paths.items():
                if kinds[name] in ROWS:
                    layers[name] = await asyncio.to_thread(_rows, path, kinds[name], complain)
                    continue
                if holds_rows(path):
                    raise UsageError(
                        f"{operation.name} takes an image as its input {name!r}, and {path} is a "
                        "table."
                    )
                image = opened.enter_context(await asyncio.to_thread(open_image, path))
                for warning in image.warnings:
                    complain(f"{image.name}: {warning}")
                layers[name] = layer_of(image, channel)
            job = host.run(program, layers, Whole(level), [path.absolute() for path in targets])
            await _watched(job)
    if job.isolation == "not isolated":
        complain(f"{program.plugin.name} was not isolated: it could read and write all your files.")
    elif job.isolation and sys.stderr.isatty():
        also = f"; allowed: {', '.join(job.permissions)}" if job.permissions else ""
        _write(sys.stderr, [f"Isolated by {job.isolation}{also}."])
    if job.state == "done":
        for result in job.results:
            rows = f" ({result.rows} rows)" if result.rows is not None else ""
            say(f"{result.path}{rows}")
        return 0
    if job.error is None:  # it was cancelled
        return 1
    if job.error.traceback:
        complain(job.error.traceback.rstrip())
        complain(f"{operation.name} failed with {job.error.type}: {job.error.message}")
    else:
        complain(_without_shown(job.error.message, list(job.log)))
    return 1


async def _watched(job: Job) -> None:
    """Show a job's progress until it has ended."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        await _with_bar(job, console)
        return
    printed = NewLines(job)

    def changed(_: Job) -> None:
        if lines := printed.take():
            _write(sys.stderr, lines)

    stop = job.listen(changed)
    changed(job)
    try:
        await job.wait()
    finally:
        stop()


async def _with_bar(job: Job, console: Console) -> None:
    """Show a bar, and what is printed above it; a few times a second, however much happens."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
        console=console,
        auto_refresh=False,
        transient=True,
    )
    printed = NewLines(job)
    waiting: list[str] = []

    def changed(_: Job) -> None:
        waiting.extend(printed.take())

    def show() -> None:
        if waiting:
            _write(bar.console, waiting)
            waiting.clear()
        bar.update(
            task,
            description=_STATES.get(job.state, job.state),
            completed=job.done or 0,
            total=job.total,
            said=job.text,
            refresh=True,
        )

    with bar:
        task = bar.add_task("waiting", total=None, said="")
        stop = job.listen(changed)
        changed(job)
        ended = asyncio.ensure_future(job.wait())
        try:
            while not ended.done():
                show()
                await asyncio.wait([ended], timeout=SHOWN_EVERY)
        finally:
            ended.cancel()
            stop()
            show()


def _write(place: TextIO | Console, lines: Sequence[str]) -> None:
    with suppress(OSError):  # nobody reads it any more
        text = "\n".join(lines)
        if isinstance(place, Console):
            place.out(text, highlight=False)
        else:
            place.write(f"{text}\n")
            place.flush()


def sorted_words(operation: Operation, words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Paths of the inputs by name, and the words that are parameters."""
    inputs = [one.name for one in operation.inputs]
    parameters = {one.name for one in operation.parameters}
    paths: dict[str, Any] = {}
    free: list[str] = []
    settings: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in parameters:
            settings.append(word)
        elif equals and name in inputs:
            paths[name] = value
        elif equals and not Path(word).exists() and name.isidentifier():
            settings.append(word)  # which says that there is no such parameter
        else:
            free.append(word)
    if not inputs:  # a reader takes the path of a file, and no image
        given = {word.partition("=")[0] for word in settings}
        asked = [one.name for one in operation.parameters if one.required and one.format == "path"]
        open_paths = [name for name in asked if name not in given]
        settings += [
            f"{name}={Path(word).absolute()}" for name, word in zip(open_paths, free, strict=False)
        ]
        free = free[len(open_paths) :]
    open_inputs = [name for name in inputs if name not in paths]
    if len(free) > len(open_inputs):
        images = all(one.kind in PIXELS for one in operation.inputs)
        raise UsageError(
            f"{operation.name} takes {len(inputs)} {'images' if images else 'inputs'} "
            f"({', '.join(inputs)}), "
            f"not {len(free) + len(paths)}."
        )
    paths |= dict(zip(open_inputs, free, strict=False))
    return paths, settings


def _rows(path: str, kind: Any, complain: Say) -> Rows:
    """What is at a path, as points, shapes or a table."""
    rows = read_rows(path).said_to_be(kind)
    if left_out := rows.count - int(rows.placed.sum()):
        has = "row has" if left_out == 1 else "rows have"
        complain(f"{rows.name}: {left_out} {has} no position and were left out.")
    return rows


def layer_of(image: Image, channel: str | None) -> Layer:
    """An image, or one channel of it, as a layer.

    Raises:
        UsageError: it has no such channel.
    """
    axis = image.channel_axis
    if channel is None:
        return Layer(image.name, image)
    if axis is None:
        raise UsageError(f"{image.name} has no channels: leave --channel out.")
    names = [one.name for one in image.channels]
    if channel in names:
        number = names.index(channel)
    elif channel.isdecimal() and int(channel) < image.shape[axis]:
        number = int(channel)
    else:
        known = ", ".join(names) or f"0 to {image.shape[axis] - 1}"
        raise UsageError(f"{image.name} has no channel {channel}: it has {known}.")
    return replace(Layer(image.name, image), channel=number)
