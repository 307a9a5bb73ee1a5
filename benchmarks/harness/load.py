"""Load: many callers of one host at the same time, and many workers; what is lost, and how long.

Each caller calls an operation again and again, mostly on a small image, at times on one of 1 MiB,
and now and then so that the plugin raises an error. Every answer is compared with what it has to
be. When time is up, all callers end, and then the workers.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
from harness.holding import memory

from opsin.host.host import Host
from opsin.host.workspace import Workspace
from opsin.rpc.pool import default_pool
from opsin.workers.supervision import Supervision

PLUGIN = """
import numpy as np

from opsin.types import Image


def changed(image: Image, by: int = 1) -> Image:
    if by == 0:
        raise ValueError("it was asked to fail")
    return image + np.uint16(by)
"""
SMALL, LARGE = (16, 16), (512, 1024)
SHAPES = (SMALL, LARGE)
PATIENCE = 300.0
"""Seconds after which an answer is lost."""
SAMPLES = 60


@dataclass
class Loaded:
    """What came of it.

    Attributes:
        calls: answers that were right, expected errors too.
        lost: calls without an answer, or with a wrong one, in words.
        small: seconds of each small call, in the queue and in the worker.
        memories: MiB of the host and all workers from time to time.
        workers: that there were at most.
        rest: MiB of the host before the first call, and when all workers have ended.
    """

    calls: int = 0
    lost: list[str] = field(default_factory=list)
    small: list[float] = field(default_factory=list)
    memories: list[float] = field(default_factory=list)
    workers: int = 0
    rest: tuple[float, float] = (0.0, 0.0)


async def load(folder: Path, workers: int, in_flight: int, seconds: float, seed: int = 1) -> Loaded:
    """Have so many calls in flight in so many workers, for so long."""
    made, rng = Loaded(), random.Random(seed)
    plugin = folder / "loaded.py"
    plugin.write_text(PLUGIN)
    images = [np.random.default_rng(seed).integers(0, 2**15, one, np.uint16) for one in SHAPES]
    workspace = Workspace(folder / "workspace")
    granted = Supervision(workers=workers)
    async with Host(workspace, parallel=workers, supervision=granted) as host:
        registered = host.registry.add(plugin)

        async def call(image: Any, by: int) -> Any:
            program = host.program(registered, None, {"by": by})
            async with asyncio.timeout(PATIENCE):
                return (await host.call(program, {"image": image}, lambda line: None))[0]

        async def keep_calling() -> None:
            while time.monotonic() < until:
                image = images[rng.random() < 0.1]
                by = rng.randrange(1, 1000) if rng.random() < 0.98 else 0
                begun = time.monotonic()
                try:
                    answer = await call(image, by)
                    right = by > 0 and np.array_equal(answer, image + np.uint16(by))
                except ValueError as error:
                    right = by == 0 and str(error) == "it was asked to fail"
                except Exception as error:
                    made.lost.append(f"{type(error).__name__}: {error}")
                    continue
                if not right:
                    made.lost.append("an answer was not what it has to be")
                made.calls += right
                if image.shape == SMALL:
                    made.small.append(time.monotonic() - begun)

        async def watch() -> None:
            while True:
                await asyncio.sleep(seconds / SAMPLES)
                made.memories.append(await asyncio.to_thread(of_all))
                made.workers = max(made.workers, host._pool.count)

        await call(images[0], 1)
        await host._pool.close()
        before = at_rest()
        until = time.monotonic() + seconds
        watching = asyncio.ensure_future(watch())
        await asyncio.gather(*(keep_calling() for _ in range(in_flight)))
        watching.cancel()
        await host._pool.close()
        made.rest = (before, at_rest())
    return made


def of_all() -> float:
    """MiB of this process and of all that it has started."""
    found = memory("self")
    for one in psutil.Process().children(recursive=True):
        with suppress(OSError):  # it has ended in this moment
            found += memory(one.pid)
    return found


def at_rest() -> float:
    gc.collect()
    default_pool().trim()
    return memory("self")
