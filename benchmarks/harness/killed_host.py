"""Killed host: a program with a host that runs jobs, made for being killed, or seeing others die.

Each line on standard input is an order: how workers are isolated. It then runs jobs of every kind
at the same time, one more when these have ended, and lets all workers go. What happens it tells in
lines of JSON on standard output, with the time of the computer's clock.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from opsin.host.host import Host
from opsin.host.job import Job
from opsin.host.selection import Whole
from opsin.host.workspace import Workspace
from opsin.images.layer import layers_of
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from opsin.rpc.pool import default_pool

PLUGIN = '''# /// script
# dependencies = ["six==1.16.0"]
# ///
"""It has an environment of its own: this package is not here in that version."""

import os
import time

import numpy as np

from opsin.types import Image, progress


def steps(image: Image) -> Image:
    for _ in progress(range(8)):
        time.sleep(0.02)
    return image * 2


def computes(image: Image) -> Image:
    for _ in range(20):
        np.sort(image, axis=None)
    return np.tile(image * 2, (2, 2))[: len(image), : len(image)]


def forks(image: Image) -> Image:
    """Waits for processes of its own; writes files, where they do not outlive it."""
    if os.environ.get("USER") == "opsin":
        open("left.txt", "w").close()
    for _ in range(3):
        child = os.fork()
        if child == 0:
            time.sleep(0.05)
            os._exit(0)
        os.waitpid(child, 0)
    return image * 2
'''
OPERATIONS = ("steps", "computes", "forks")
LAST = "forks"
ATTEMPTS = 5
"""A worker that is killed while the last job runs is not that job's fault."""


def tell(event: str, **about: Any) -> None:
    print(json.dumps({"event": event, "at": time.monotonic(), **about}), flush=True)


async def ended(host: Host, plugin: Path, operation: str, pixels: Any) -> Job:
    """Run a job; look at what it gave, and remove that."""
    program = host.program(host.registry.add(plugin), operation, {})
    image = image_from_array(pixels, axes="yx", name="pixels")
    job = host.run(program, {"image": layers_of(image)[0]}, Whole())
    await job.wait()
    state, error = job.state, job.error
    about = {"operation": operation, "state": state, "isolation": job.isolation}
    tell("ended", error=error and f"{error.type}: {error.message}", log=list(job.log), **about)
    for result in job.results:
        with open_image(result.path) as made:
            assert np.array_equal(made.read(), pixels * 2), f"{operation} gave something else"
        shutil.rmtree(result.path.parent)
    host.forget_job(job.id)
    return job


async def main(folder: Path, plugin: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 2**15, (256, 256), dtype=np.uint16)
    async with Host(Workspace(folder), parallel=len(OPERATIONS)) as host:
        tell("ready")
        while order := await asyncio.to_thread(sys.stdin.readline):
            os.environ["OPSIN_ISOLATION"] = order.strip()
            await asyncio.gather(*(ended(host, plugin, one, pixels) for one in OPERATIONS))
            tell("after")
            for _ in range(ATTEMPTS):
                if (await ended(host, plugin, LAST, pixels)).state == "done":
                    break
            await host._pool.close()
            gc.collect()
            default_pool().trim()
            tell("rest", workers=host._pool.count)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
