"""napari reading: readers of napari's plugins, each in an isolated process that has no window.

It may read the file, and what lies beside it: many formats are of several files.
What a reader gives stays there as far as it is lazy, and is read from here in parts, for as long as
somebody holds it. A reader that crashes ends its own process only; one that does not come to an end
is ended.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opsin.errors import ReadError, RemoteError, WorkerLost
from opsin.rpc.lazy_array import LazyArray
from opsin.worker_main import Call
from opsin.workers.environment import current
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.isolation.visible import around
from opsin.workers.process import WorkerProcess

PATIENCE = 600.0
"""Seconds in which a reader has to give its layers; it may take its time to read what they hold."""

Found = dict[str, Any]
"""A layer: `kind`, `meta`, `data`, see `opsin.worker_napari.tuples_of`."""


def read_layers(entry: str, path: Path) -> list[Found]:
    """What a reader gives of a file; nothing if on a closer look it does not read it.

    May be called in any thread but that of the readers' event loop, and waits.

    Args:
        entry: the function `module:name` of an installed plugin.

    Raises:
        ReadError: it fails, ends its process, or does not come to an end. The message says how.
    """
    return _Readers.shared().read(entry, path)


class _Readers:
    """The event loop, in a thread of its own, to which the processes of readers are linked."""

    _lock = threading.Lock()
    _shared: _Readers | None = None

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        threading.Thread(target=self._loop.run_forever, name="opsin readers", daemon=True).start()

    @classmethod
    def shared(cls) -> _Readers:
        """The one of this process."""
        with cls._lock:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    def read(self, entry: str, path: Path) -> list[Found]:
        """See `read_layers`."""
        future = asyncio.run_coroutine_threadsafe(self._read(entry, path), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # KeyboardInterrupt: do not leave it running
            raise

    async def _read(self, entry: str, path: Path) -> list[Found]:
        lines: list[str] = []
        call = Call(
            file="",
            digest="",
            function=entry.partition(":")[2],
            inputs={},
            parameters={"path": str(path)},
            outputs=("tuples",),
            entry=entry,
            napari=True,
            role="first reader",
        )
        try:
            # It runs with the packages of this process, so that nothing is put into the folder.
            folder = Path(tempfile.gettempdir())
            sandbox = Sandbox(await asyncio.to_thread(around, path))
            worker = await WorkerProcess.start(current(), folder, lines.append, sandbox)
        except WorkerLost as error:
            raise ReadError(str(error)) from error
        try:
            async with asyncio.timeout(PATIENCE):
                (found,) = (await worker.run(call)).outputs
        except TimeoutError:
            await worker.stop()
            raise ReadError(f"it gave nothing within {PATIENCE:.0f} s") from None
        except WorkerLost as error:
            await worker.stop()
            raise ReadError(_one_line(str(error))) from None
        except Exception as error:
            await worker.stop()
            known = getattr(error, "name", None) if isinstance(error, RemoteError) else None
            name = known or type(error).__name__
            said = getattr(error, "message", None) or str(error)
            raise ReadError(f"{name}: {_one_line(str(said))}") from None
        except BaseException:
            await worker.stop()
            raise
        self._keep(worker, list(_lazy_ones(found)))
        return list(found)

    def _keep(self, worker: WorkerProcess, arrays: list[LazyArray]) -> None:
        """Let a worker live until its lazy arrays are gone."""
        left = len(arrays)

        def gone() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                task = self._loop.create_task(worker.stop())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        def let_go() -> None:  # by any thread
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(gone)

        for array in arrays:
            weakref.finalize(array, let_go).atexit = False
        if not arrays:
            gone()


def _lazy_ones(value: Any) -> Iterator[LazyArray]:
    if isinstance(value, LazyArray):
        yield value
    elif isinstance(value, dict):
        yield from _lazy_ones(list(value.values()))
    elif isinstance(value, list):
        for one in value:
            yield from _lazy_ones(one)


def _one_line(text: str) -> str:
    """The first sentence of what was said, and the last line of what the process printed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else "nothing was said"
