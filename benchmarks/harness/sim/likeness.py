"""Likeness: how near the model of a viewer comes to what was recorded from the real one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.sim.link import Chunk, Link, Request
from harness.sim.neuroglancer import Neuroglancer
from harness.sim.paths import Moment, Path
from harness.sim.recording import Recording
from harness.sim.rival import Rival
from harness.sim.simulate import World, world
from harness.sim.virtual_loop import run
from harness.sim.viv import Viv

AFTER = 4.0
"""Seconds after the end of a tour in which requests still count."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Model and log, side by side.

    Attributes:
        requests: the model's number of requests, per the log's; bytes: of whole chunks.
        levels: requests of each level, of the model and of the log.
        same: chunks that both asked for, per chunks that either asked for.
        order: rank correlation (Spearman) of when the chunks that both asked for were first asked
            for; 1 is the same order.
    """

    requests: float
    bytes: float
    levels: dict[int, tuple[int, int]]
    same: float
    order: float


def likeness(path: Path, recording: Recording) -> Likeness:
    """Run the model of the recorded viewer along the camera's recorded way."""
    made = replay(path, recording)
    logged = recording.requests
    first_made = _firsts([request.name for request in made])
    first_logged = _firsts([asked.chunk for asked in logged])
    sizes = {request.name: request.size for request in made}
    chunk = max(sizes.values())
    both = [name for name in first_logged if name in first_made]
    here = Counter(level for level, _ in (request.name for request in made))
    there = Counter(level for level, _ in (asked.chunk for asked in logged))
    return Likeness(
        requests=len(made) / len(logged),
        bytes=sum(request.size for request in made if request.complete)
        / sum(sizes.get(asked.chunk, chunk) for asked in logged if asked.complete),
        levels={level: (here[level], there[level]) for level in sorted(here | there)},
        same=len(both) / len(first_made | first_logged),
        order=_correlation([first_made[n] for n in both], [first_logged[n] for n in both]),
    )


def replay(path: Path, recording: Recording) -> list[Request]:
    """What the model of a viewer asks for, in order, until a while after the end."""
    moments = [Moment(0.0, path.moments[0].camera)]
    moments += [Moment(time, path.moments[number].camera) for time, number in recording.applied]
    cameras = [replace(m, camera=replace(m.camera, size=recording.canvas)) for m in moments]
    makers: dict[str, Callable[[World], Rival]] = {
        "neuroglancer": lambda there: Neuroglancer(there, own_levels=True),
        "viv": Viv,
    }
    return run(_replay(path, cameras, recording, makers[recording.peer]))


async def _replay(
    path: Path, moments: Sequence[Moment], recording: Recording, make: Callable[[World], Rival]
) -> list[Request]:
    link = Link(replace(recording.conditions, turnaround=recording.turnaround))
    viewer = make(world(path.shape, link))
    loop = asyncio.get_running_loop()
    for moment in moments:
        loop.call_at(moment.time, viewer.look, moment.camera, False)
    await asyncio.sleep(path.end + AFTER)
    made = list(link.log)
    await viewer.close()
    return made


def _firsts(chunks: Sequence[Chunk]) -> dict[Chunk, int]:
    """Each chunk's place in the order in which chunks came up."""
    return {chunk: place for place, chunk in enumerate(dict.fromkeys(chunks))}


def _correlation(a: Sequence[int], b: Sequence[int]) -> float:
    """Spearman's rank correlation of two lists without ties."""
    count = len(a)
    ranks = [{value: rank for rank, value in enumerate(sorted(values))} for values in (a, b)]
    total = sum((ranks[0][x] - ranks[1][y]) ** 2 for x, y in zip(a, b, strict=True))
    return 1 - 6 * total / (count * (count * count - 1)) if count > 1 else 1.0
