"""A host in a folder of its own, and jobs in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]

from opsin.host.host import Host
from opsin.host.job import Job
from opsin.host.selection import Where, Whole
from opsin.host.workspace import Workspace
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from tests.host.plugins import write_plugin
from tests.workers.processes import workers_of

_earlier: set[int] = set()
"""Workers that other tests in this process have left running: scripts keep theirs to the end."""


def worker_processes() -> list[psutil.Process]:
    """Those that began since `hosting` did."""
    return [one for one in workers_of() if one.pid not in _earlier]


@asynccontextmanager
async def hosting(folder: Path, **options: Any) -> AsyncIterator[Host]:
    _earlier.update(one.pid for one in workers_of())
    async with Host(Workspace(folder / "workspace"), **options) as host:
        yield host


def layer(array: np.ndarray[Any, Any], axes: str = "yx", **about: Any) -> Layer:
    return layers_of(image_from_array(array, axes=axes, name="one", **about))[0]


def start(
    host: Host,
    folder: Path,
    operation: str,
    where: Where | None = None,
    targets: list[Path] | None = None,
    parameters: dict[str, Any] | None = None,
    **layers: Layer,
) -> Job:
    path = folder / "trial.py"
    registered = host.registry.add(path if path.exists() else write_plugin(folder))
    program = host.program(registered, operation, parameters or {})
    return host.run(program, layers, where or Whole(), targets)


async def ended(job: Job) -> Job:
    await job.wait()
    return job
