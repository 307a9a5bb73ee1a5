"""Remaking: a change of parameters on the host's loop: what is made anew, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from opsin.host.again import run_again
from opsin.host.history import make_anew
from opsin.host.host import Host
from opsin.host.job import Job


async def remake(
    host: Host,
    old: Job,
    parameters: Mapping[str, Any],
    later: Sequence[Job],
    asked: Mapping[str, Future[Job]],
) -> None:
    """Run a job with other parameters, then what depends on it. What they took, they take again.

    Args:
        later: what depends on it, in order.
        asked: by the id of each of these jobs, gets that which is made anew. Where one is not
            done, those after it are cancelled.
    """
    made: dict[str, str] = {}
    turn = old

    async def begin(before: Job, values: Mapping[str, Any] | None) -> Job:
        nonlocal turn
        turn = before
        assert before.step is not None
        job = await run_again(host, before.step, values, made, front_end="napari")
        asked[before.id].set_result(job)
        return job

    async def again(before: Job) -> Job:
        return await begin(before, None)

    async def replaced(before: Job, new: Job) -> None:
        paths = zip(before.results, new.results, strict=False)
        made.update({str(one.path): str(other.path) for one, other in paths})
        before.undone = True
        await asyncio.to_thread(host.recorder.set_undone, before.id, True)

    try:
        await make_anew(old, await begin(old, parameters), later, again, replaced)
    except Exception as error:
        if not asked[turn.id].done():
            asked[turn.id].set_exception(error)
    finally:
        for one in asked.values():
            one.cancel()  # what has not begun
