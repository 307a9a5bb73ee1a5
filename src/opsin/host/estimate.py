"""Estimate: what a run will need, from what earlier calls of the operation needed, or guessed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opsin.host.inputs import input_bytes
from opsin.host.row_inputs import row_bytes
from opsin.host.selection import Selection
from opsin.host.workspace import Need

EMPTY_WORKER = 150 << 20
"""Bytes of a worker with the packages that plugins use."""
GUESS_PER_VOXEL = 40
"""Bytes beside the input: a few arrays of floats, and labels."""
SMALLEST = 10_000
"""Voxels of a call from which on its need says something about larger ones."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run works on, and what it will need.

    `worker_bytes` is the worker's memory at its peak; `seconds` None: nothing is known;
    `measured`: from earlier calls. `available_bytes` is the computer's memory that is free, as far
    as the worker may take it.
    """

    level: int
    axes: str
    shape: tuple[int, ...]
    calls: int
    input_bytes: int
    worker_bytes: int
    seconds: float | None
    measured: bool
    available_bytes: int
    warning: str | None
    rows: int = 0
    """Points, corners of shapes and rows of tables, at most."""


def estimate(
    selection: Selection, needs: Sequence[Need], memory_limit: int | None = None
) -> Estimate:
    """What running on a selection will need, given what earlier calls did."""
    voxels, inputs = selection.voxels, input_bytes(selection) + row_bytes(selection)
    telling = [need for need in needs if need.voxels >= SMALLEST]
    if telling:
        per_voxel = max(need.bytes / need.voxels for need in telling)
        # The nearest in size tells best how long it takes.
        near = min(telling, key=lambda need: abs(math.log(need.voxels / max(voxels, 1))))
        seconds: float | None = near.seconds / near.voxels * voxels * selection.calls
        beside = int(per_voxel * voxels)
    else:
        seconds = None
        beside = inputs + GUESS_PER_VOXEL * voxels
    worker, available = EMPTY_WORKER + beside, available_memory()
    if memory_limit is not None:
        available = min(available or memory_limit, memory_limit)
    return Estimate(
        level=selection.first.level if selection.parts else 0,
        axes="".join(selection.axes),
        shape=selection.shape,
        calls=selection.calls,
        input_bytes=inputs,
        worker_bytes=worker,
        seconds=seconds,
        measured=bool(telling),
        available_bytes=available,
        warning=_warning(worker, available, measured=bool(telling)),
        rows=sum(one.count for one in selection.rows.values()),
    )


def _warning(worker: int, available: int, *, measured: bool) -> str | None:
    if not available or worker <= available:
        return None
    needs = "needs" if measured else "may need"
    return (
        f"This {needs} about {size_text(worker)} of memory, but {size_text(available)} is free: "
        "choose a coarser level or the visible region."
    )


def size_text(count: float) -> str:
    """Bytes as people write them: `1.5 GiB`."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"


def available_memory() -> int:
    """Bytes that new processes can have; 0 where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    found = next((line for line in lines if line.startswith("MemAvailable:")), "")
    return int(found.split()[1]) * 1024 if found else 0
