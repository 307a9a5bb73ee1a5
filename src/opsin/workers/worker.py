"""Worker: what runs the calls of an operation: a process of its own, or the one that asks."""

from __future__ import annotations

from typing import Protocol

from opsin.rpc.progress import Listener
from opsin.worker_main import Answer, Call
from opsin.workers.isolation.sandbox import Level


class Worker(Protocol):
    """Runs one call at a time."""

    @property
    def pid(self) -> int:
        """Of the process that runs the plugin."""

    @property
    def level(self) -> Level:
        """What keeps it apart."""

    async def run(self, call: Call, listener: Listener | None = None) -> Answer:
        """Run an operation. Cancelling this cancels it, and returns when it has ended.

        Args:
            listener: hears of the progress, in the event loop.

        Raises whatever the plugin raises, and what ended its process.
        """
