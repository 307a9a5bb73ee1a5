"""Plugin run: one call of a plugin's `run`, as a user asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from opsin.errors import Cancelled, UsageError
from opsin.host.imjoy.loaded import Line, Loaded
from opsin.host.job import Job

if TYPE_CHECKING:
    from opsin.host.imjoy.desk import Desk

Keep = Callable[[Job, Any], Awaitable[Any]]
"""Keeps what can be shown of what a plugin gave, as results of the job; gives the rest."""


class PluginRun:
    """A run of a plugin of a desk.

    Args:
        context: `{config, data}`.
        keep: what is done with what it gives, before it is done.
    """

    def __init__(
        self, desk: Desk, loaded: Loaded, context: dict[str, Any], keep: Keep | None = None
    ) -> None:
        self._desk = desk
        self._loaded = loaded
        self._config = dict(context.get("config") or {})
        self._data = dict(context.get("data") or {})
        self._keep = keep
        self._result: Any = None

    async def as_job(self, front_end: str, began: Callable[[Job], None] | None = None) -> Any:
        """Run it, so that it is seen among all jobs, and can be cancelled there.

        Cancelling ends the plugin, whatever else it does. `began` gets the job.
        """
        job = Job(self._loaded.name, self._loaded.name, "run", front_end=front_end)
        job.isolation = self._loaded.isolation
        task: asyncio.Task[None] = asyncio.create_task(self._work(job))
        job.start(task)
        self._desk.host.watch(job)
        if began is not None:
            began(job)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            job.cancel()
            await asyncio.wait([task])
            raise
        if job.state == "cancelled":
            raise Cancelled(f"{self._loaded.name} was stopped.")
        if job.failure is not None:
            raise job.failure
        return self._result

    async def run(self) -> Any:
        """Run it; gives what it gives, carried.

        Raises what the plugin raises, and WorkerLost.
        """
        loaded, data = self._loaded, self._data
        loaded.runs += 1
        self._desk.changed()
        try:
            return await loaded.interface["run"](
                {
                    "_variables": data.pop("_variables", None),
                    "_workflow_id": data.pop("_workflow_id", None),
                    "config": self._config,
                    "data": data,
                    "name": str(data.get("name", "")),
                    "type": str(data.get("type", "")),
                }
            )
        except Exception as error:
            if loaded.is_stopping and not isinstance(error, UsageError):
                raise Cancelled(f"{loaded.name} was stopped.") from None
            if not isinstance(error, Cancelled):
                loaded.say_error(error)
            raise
        finally:
            loaded.runs -= 1
            loaded.progress = None
            self._desk.changed()

    async def _work(self, job: Job) -> None:
        loaded = self._loaded

        def said(line: Line) -> None:
            job.say(line.text)

        def changed() -> None:
            job.progress(loaded.progress, 1.0, loaded.status)

        loaded.listeners.append(said)
        stop = self._desk.listen(changed)
        job.enter("running")
        try:
            self._result = await self.run()
            if self._keep is not None:
                self._result = await self._keep(job, self._result)
        except (asyncio.CancelledError, Cancelled):
            job.enter("cancelled")
            self._desk.stop_soon(loaded.id)
        except Exception as error:
            job.fail(error)
        else:
            job.enter("done")
        finally:
            stop()
            loaded.listeners.remove(said)
