"""Progress: how a function says how far it is, and how its caller hears of it.

Who is called:                              Who calls:

    def smooth(image, sigma):                   with progress_to(lambda done, total, text: …):
        for n, plane in enumerate(image):           result = await remote.smooth(image, 2)
            progress(n, len(image), "smooth")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from opsin.errors import Cancelled

Listener: TypeAlias = Callable[[float | None, float | None, str | None], None]
"""Gets done, total and a text, each of which may be unknown. Called in the event loop: be quick."""


class Reporter:
    """The running call of which `progress` speaks. Used from any thread."""

    __slots__ = ("_awaited", "cancelled", "report")

    def __init__(self, report: Listener | None) -> None:
        self.report = report
        self.cancelled = False
        self._awaited: Future[Any] | None = None

    def cancel(self) -> None:
        """The caller gave up: so does what a blocking function waits for, and its next report."""
        self.cancelled = True
        if (awaited := self._awaited) is not None:
            awaited.cancel()

    def awaits(self, future: Future[Any] | None) -> None:
        """A blocking function waits for this now."""
        self._awaited = future
        if self.cancelled and future is not None:
            future.cancel()


current: ContextVar[Reporter | None] = ContextVar("opsin_rpc_reporter", default=None)
listener: ContextVar[Listener | None] = ContextVar("opsin_rpc_listener", default=None)


def progress(
    done: float | None = None, total: float | None = None, text: str | None = None
) -> None:
    """Report how far the call is that runs this. Does nothing where no call does.

    Raises:
        Cancelled: the caller gave the call up.
    """
    reporter = current.get()
    if reporter is None:
        return
    if reporter.cancelled:
        raise Cancelled("The call was cancelled.")
    if reporter.report is not None:
        reporter.report(done, total, text)


@contextmanager
def progress_to(listen: Listener | None) -> Iterator[None]:
    """Let `listen` hear of the progress of every call that is made inside."""
    token = listener.set(listen)
    try:
        yield
    finally:
        listener.reset(token)
