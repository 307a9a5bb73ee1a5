"""Opsin: workers of one environment, started one after the other while the first one stays.

Prints, for each, the seconds until it has summed an array, as JSON. The environment is made
before; `OPSIN_ISOLATION` says what keeps the workers apart.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np

from opsin.worker_main import Call
from opsin.workers.environment import Environment, prepare
from opsin.workers.forkservers import Forkservers
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.process import WorkerProcess

PLUGIN = """
from opsin.types import Image, Table


def total(image: Image) -> Table:
    return {"sum": [int(image.sum())]}
"""
OTHER = ["six==1.16.0"]
"""A package that is not here in that version, so that an environment has to be made."""


async def started(
    environment: Environment, folder: Path, plugin: Path, forkservers: Forkservers
) -> tuple[WorkerProcess, float]:
    """A worker, and the seconds until its first reply."""
    call = Call(
        file=str(plugin),
        digest=hashlib.sha256(PLUGIN.encode()).hexdigest(),
        function="total",
        inputs={"image": np.ones((64, 64), np.uint8)},
        parameters={},
        outputs=("table",),
    )
    began = time.perf_counter()
    worker = await WorkerProcess.start(
        environment, folder, sandbox=Sandbox((plugin,)), forkservers=forkservers
    )
    answer = await worker.run(call)
    seconds = time.perf_counter() - began
    (table,) = answer.outputs
    assert list(table["sum"]) == [64 * 64], table
    return worker, seconds


async def main() -> None:
    """Start as many as are asked for."""
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    plugin = folder / "total.py"
    plugin.write_text(PLUGIN)
    environment = await prepare(OTHER, folder=folder)
    forkservers = Forkservers(folder)
    kept, first = await started(environment, folder, plugin, forkservers)
    seconds = [first]
    for _ in range(count):
        worker, one = await started(environment, folder, plugin, forkservers)
        seconds.append(one)
        await worker.stop()
    await kept.stop()
    await forkservers.close()
    print(json.dumps(seconds))


if __name__ == "__main__":
    asyncio.run(main())
