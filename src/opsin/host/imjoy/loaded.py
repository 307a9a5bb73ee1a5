"""Loaded: a plugin that a desk has loaded, what it exports, and what it has said."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from opsin.host.imjoy.imjoy_file import ImjoyFile
from opsin.host.job import explained
from opsin.host.registry import Registered

State = Literal["loading", "ready", "running", "failed", "ended"]
Level = Literal["log", "info", "error", "status"]
KEPT_LINES = 2000
LONGEST_LINE = 20_000
"""Letters."""
LARGEST_IMAGE = 2**22
"""Letters of an image in a log, as a data address."""


class Runner(Protocol):
    """What runs a plugin: a worker, or a frame in the page."""

    async def stop(self) -> None:
        """End it, whatever it does. Idempotent."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log. `image` is a data address."""

    time: float
    level: Level
    text: str
    image: str = ""


@dataclass(eq=False)
class Loaded:
    """One plugin of a desk.

    Attributes:
        id: of this desk, not used again.
        interface: what it exports, carried.
        windows: ids of the windows that it has open.
        changed: is called after every change.
    """

    id: str
    file: ImjoyFile
    registered: Registered
    namespace: str
    changed: Callable[[], None]
    logged: Callable[[Loaded, Line], None]
    state: State = "loading"
    error: str | None = None
    status: str = ""
    progress: float | None = None
    interface: dict[str, Any] = field(default_factory=dict)
    runner: Runner | None = None
    windows: list[str] = field(default_factory=list)
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    listeners: list[Callable[[Line], None]] = field(default_factory=list)
    runs: int = 0
    is_stopping: bool = False
    isolation: str = ""

    @property
    def name(self) -> str:
        """Of the plugin."""
        return self.file.name

    @property
    def about(self) -> dict[str, Any]:
        """How a face is told whom it concerns."""
        return {"id": self.id, "name": self.name}

    @property
    def tag(self) -> str:
        """The variant that was loaded; '' if it has none."""
        return self.file.config.tag

    def enter(self, state: State, error: str | None = None) -> None:
        """Be in another state now."""
        self.state, self.error = state, error and error.partition("\n")[0]
        self.changed()

    def say(self, text: str, level: Level = "log", image: str = "") -> None:
        """Add a line to its log."""
        image = image if len(image) <= LARGEST_IMAGE and image.startswith("data:image/") else ""
        line = Line(time.time(), level, text[:LONGEST_LINE], image)
        self.lines.append(line)
        for listener in list(self.listeners):
            listener(line)
        self.logged(self, line)

    def say_error(self, error: BaseException) -> None:
        """Add an error to its log, with where it was raised, if that is the plugin's own code."""
        told = explained(error)
        self.say(told.traceback or told.message, "error")

    def function(self, name: str) -> Callable[..., Awaitable[Any]] | None:
        """What it exports under a name; None if that is no function."""
        found = self.interface.get(name)
        return found if callable(found) else None

    def entry(self) -> dict[str, Any]:
        """What pages get to know of it."""
        functions = [name for name, one in self.interface.items() if callable(one)]
        return {
            "id": self.id,
            "plugin": self.registered.id,
            "name": self.name,
            "kind": self.file.kind,
            "tag": self.tag,
            "version": self.file.config.version,
            "state": "running" if self.state == "ready" and self.runs else self.state,
            "error": self.error,
            "status": self.status,
            "progress": self.progress,
            "functions": functions,
            "windows": list(self.windows),
            "isolation": self.isolation,
            "runnable": self.file.runnable,
        }
