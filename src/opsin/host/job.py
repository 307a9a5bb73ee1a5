"""Job: one run of an operation, from being asked for to its result, as others can watch it."""

from __future__ import annotations

import asyncio
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from opsin.errors import OpsinError, RemoteError
from opsin.host.step import Step
from opsin.workers.in_process import plugin_frames

State = Literal["queued", "preparing", "running", "writing", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")
KEPT_LINES = 500
"""Newest lines of the log."""
_REMOTE = "On the other side:\n"


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed. `traceback` is that of the plugin; empty where it is not to blame."""

    type: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One output of a job: an image at `path`, or a table of so many rows.

    Of points, `counted` are the axes along which the rows say which call they are of: the world is
    `scale × number + translation`. Along the others they hold world positions.
    """

    kind: str
    name: str
    path: Path
    rows: int | None = None
    counted: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(eq=False)
class Job:
    """A run. Belongs to one event loop; `listen` is told of every change.

    `done` of `total` steps of the present state are done (None: unknown); `text` says what is being
    done. `started` counts seconds since 1970, `seconds` how long it takes, or took.
    """

    title: str
    plugin: str
    operation: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    state: State = "queued"
    done: float | None = None
    total: float | None = None
    text: str = ""
    started: float = field(default_factory=time.time)
    error: JobError | None = None
    log: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    lines: int = 0
    """All lines that were ever in the log."""
    results: list[Result] = field(default_factory=list)
    front_end: str = ""
    """Where it was asked for; '': where all jobs of its host are."""
    undone: bool = False
    """Whether it does not count any more."""
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds spent in each state that it has left."""
    step: Step | None = None
    """The record of it, once it has ended; of what is no run of an operation there is none."""
    isolation: str = ""
    """What keeps the plugin apart; '' as long as it has not come to run."""
    permissions: tuple[str, ...] = ()
    """What the plugin is allowed beside what every plugin may, as `network`."""
    request: Any = None
    """What was asked for, in the words of who asked."""
    failure: BaseException | None = None
    """What `error` tells of."""
    _cancelling: bool = False
    _entered_at: float = field(default_factory=time.perf_counter)
    _began_at: float | None = None
    _ended_at: float | None = None
    _task: asyncio.Task[None] | None = None
    _listeners: list[Callable[[Job], None]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it has taken, without the time that it waited for others."""
        return (self._ended_at or time.time()) - (self._began_at or self.started)

    @property
    def has_ended(self) -> bool:
        """It is done, failed or cancelled."""
        return self.state in ENDED

    def enter(self, state: State, text: str = "") -> None:
        """Go on to another state."""
        if self.state == "queued":
            self._began_at = time.time()
        now = time.perf_counter()
        self.timings[self.state] = self.timings.get(self.state, 0.0) + now - self._entered_at
        self._entered_at = now
        self.state, self.text, self.done, self.total = state, text, None, None
        if self.has_ended:
            self._ended_at = time.time()
        self._tell()

    def progress(self, done: float | None, total: float | None, text: str | None = None) -> None:
        """So many steps are done."""
        self.done, self.total = done, total
        if text is not None:
            self.text = text
        self._tell()

    def say(self, line: str) -> None:
        """A line for the log."""
        self.log.append(line)
        self.lines += 1
        self._tell()

    def fail(self, error: BaseException) -> None:
        """It came to nothing."""
        self.error = explained(error)
        # Without its frames, which hold the arrays of the run.
        error.__cause__ = error.__context__ = None
        self.failure = error.with_traceback(None)
        self.enter("failed")

    def start(self, task: asyncio.Task[None]) -> None:
        """The task that runs it."""
        self._task = task
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not self.has_ended:  # it was cancelled before it began
            self.enter("cancelled")

    def cancel(self) -> None:
        """End it. Does nothing once it has ended, or is about to."""
        if self._task is not None and not self.has_ended and not self._cancelling:
            self._cancelling = True
            self.text = "cancelling"
            self._tell()
            self._task.cancel()

    async def wait(self) -> None:
        """Until it has ended, however."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def listen(self, listener: Callable[[Job], None]) -> Callable[[], None]:
        """Call `listener` after every change, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener(self)


class NewLines:
    """The lines of a job's log that have not been taken yet.

    Args:
        taken: how many have been.
    """

    def __init__(self, job: Job, taken: int = 0) -> None:
        self._job = job
        self._taken = taken

    def take(self) -> list[str]:
        """Those that there are now, as far as they are kept."""
        new = min(self._job.lines - self._taken, len(self._job.log))
        self._taken = self._job.lines
        return list(islice(reversed(self._job.log), new))[::-1] if new else []


def explained(error: BaseException) -> JobError:
    """What is to be said of an error, wherever it was raised."""
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith(_REMOTE)]
    if notes:
        frames = notes[0].removeprefix(_REMOTE).rstrip()
        name = getattr(error, "name", None) if isinstance(error, RemoteError) else None
        name = str(name or type(error).__name__)
        message = str(getattr(error, "message", None) or error)
        text = f"Traceback (most recent call last):\n{frames}\n{name}: {message}"
        return JobError(name, message, text)
    if isinstance(error, OpsinError):
        return JobError(type(error).__name__, str(error))
    found = plugin_frames(error.__traceback__)
    frames = "".join(traceback.format_exception(type(error), error, found))
    return JobError(type(error).__name__, str(error) or type(error).__name__, frames)
