"""Viewer job: a job as the window of a viewer sees it, with what its results became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import ref

from opsin.host.history import is_step
from opsin.host.host_thread import HostThread
from opsin.host.job import Job
from opsin.host.selection import Selection
from opsin.images.source import Array
from opsin.napari.given import Given
from opsin.napari.given_rows import RowsGiven
from opsin.napari.ground import Ground
from opsin.napari.paintable import Paintable
from opsin.napari.shown_results import ShownResults

Read = dict[str, tuple[Paintable, Array]]
"""Labels that were read as a whole, by the path of the result."""


@dataclass(eq=False)
class ViewerJob:
    """A job as the window sees it.

    Attributes:
        title: of the operation.
        job: the host's; None while it is being asked for.
        selection: what it works on; None of a run on a folder, and of what is run again.
        ground: what its results lie on; None of a run on a folder.
        error: a sentence, if it failed.
        traceback: of the plugin, if that is to blame.
        shown: what its results became.
        change: that which made it; None of one that was asked for by itself.
    """

    title: str
    asked: Future[Job]
    selection: Selection | None = None
    ground: Ground | None = None
    givens: Mapping[str, Given | RowsGiven] = field(default_factory=dict)
    """Until it has ended."""
    inputs: Sequence[ref[Any]] = ()
    """Layers of napari that it was given."""
    change: Change | None = None
    is_on_folder: bool = False
    """Whether it is a run on a folder, of which nothing is shown."""
    job: Job | None = None
    error: str = ""
    traceback: str = ""
    bar: Any = None
    reading: Future[Read] | None = None
    """Of results, while they are read."""
    has_ended: bool = False
    """And its results are shown."""
    was_cancelled: bool = False
    replaced_by: ViewerJob | None = None
    """Which has taken its place: then this one need not be seen."""
    shown: ShownResults = field(default_factory=ShownResults)

    @property
    def layers(self) -> list[Any]:
        """That its results became, as far as they are there."""
        return self.shown.layers

    @property
    def is_step(self) -> bool:
        """Whether its results are shown and count, so that a script repeats it."""
        return self.has_ended and not self.error and self.job is not None and is_step(self.job)

    @property
    def is_changeable(self) -> bool:
        """Whether it is a step that has parameters."""
        step = self.job.step if self.job is not None else None
        return self.is_step and step is not None and bool(step.parameters)

    @property
    def before(self) -> ViewerJob | None:
        """That which it was made from, with other parameters or other inputs."""
        pairs = self.change.pairs if self.change is not None else ()
        return next((old for old, new in pairs if new is self), None)

    @property
    def is_undone(self) -> bool:
        """Whether it was undone, and can be done again."""
        return self.job is not None and self.job.undone

    @property
    def folder(self) -> Path | None:
        """That the results of a run on a folder are in, as far as there are any."""
        results = self.job.results if self.job is not None and self.is_on_folder else ()
        return results[0].path if results else None

    @property
    def state(self) -> str:
        """In words, as `running`; `done` only when its results are shown."""
        if self.error:
            return "failed"
        if self.job is None:
            return "cancelled" if self.has_ended else "queued"
        state = self.job.state
        if state == "done" and not self.has_ended:
            return "writing"
        return "undone" if self.is_undone else state

    @property
    def share(self) -> float | None:
        """How much of the present state is done, 0 to 1; None: nobody knows."""
        job = self.job
        if job is None or job.done is None or not job.total:
            return None
        return min(max(job.done / job.total, 0.0), 1.0)

    @property
    def log(self) -> str:
        """What the plugin printed, and what installing it did."""
        return "\n".join(list(self.job.log)) if self.job is not None else ""

    def sources(self) -> list[Any]:
        """The layers that it was given, or those that have taken their places since."""
        pairs = self.change.pairs if self.change is not None else ()
        found = []
        for layer in [layer for one in self.inputs if (layer := one()) is not None]:
            anew = (new.shown.instead_of(old.shown, layer) for old, new in pairs)
            found.append(next((one for one in anew if one is not None), layer))
        return found

    def cancel(self) -> None:
        """End it. Does nothing once it has ended."""
        self.was_cancelled = True
        if self.job is not None:
            HostThread.shared().soon(self.job.cancel)


@dataclass(eq=False)
class Change:
    """One change of parameters: what was made anew, with what it was made from.

    Attributes:
        pairs: each job, and that which takes its place as soon as it is done; the changed one
            first.
    """

    pairs: list[tuple[ViewerJob, ViewerJob]] = field(default_factory=list)
