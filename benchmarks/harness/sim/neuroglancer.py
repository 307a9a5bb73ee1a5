"""The loading ideas of neuroglancer: every level that is coarser than the one to be shown.

After its chunk_manager/README.md and sliceview/backend.ts: chunks have a tier (visible, prefetched,
recent) and inside it a priority: coarser levels first, then nearer to the middle. Up to 100 are
asked for at once; a better one takes the place of a worse one, which is aborted; what is merely not
wanted any more is not. From the velocity, as a Gaussian, follows what will probably be seen within
two seconds, along one axis at a time, which is asked for after all that is visible.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass

from harness.sim.link import Chunk
from harness.sim.rival import BUDGET, Rival
from harness.sim.sight import Sight, sight
from harness.sim.simulate import World

from opsin.chunks.camera import Camera, target_level

DOWNLOADS = 100
AHEAD_MS = 2000.0
FASTEST = 0.1
"""Voxels per millisecond beyond which nothing is asked for ahead (in the positive direction)."""
FARTHEST = 32
"""Chunks ahead, at most."""
LIKELY = 0.05
TOLERANCE = 1.1
RECOMPUTE_AFTER = 0.2
"""Seconds after chunks came when priorities are computed again."""
VISIBLE, PREFETCH, RECENT = 0, 1, 2

Priority = tuple[int, float]
"""Tier, and minus the priority in it: the smaller, the more urgent."""


class Neuroglancer(Rival):
    """`own_levels`: aim at the level that neuroglancer would, not at the one that Opsin would."""

    def __init__(self, world: World, budget: int = BUDGET, *, own_levels: bool = False) -> None:
        super().__init__(world, budget)
        self._own_levels = own_levels
        self._velocity = _Velocity(len(world.layer.axes))
        self._camera: Camera | None = None
        self._wanted: dict[Chunk, Priority] = {}
        self._recompute_due: asyncio.TimerHandle | None = None

    def look(self, camera: Camera, moving: bool) -> None:
        self._camera = camera
        self._recompute()

    def arrived(self, chunk: Chunk) -> None:
        self.keep(chunk)
        self._make_room()
        self._process()
        if self._recompute_due is None:
            loop = asyncio.get_running_loop()
            self._recompute_due = loop.call_later(RECOMPUTE_AFTER, self._recompute_late)

    async def close(self) -> None:
        if self._recompute_due is not None:
            self._recompute_due.cancel()
        await super().close()

    def _recompute_late(self) -> None:
        self._recompute_due = None
        self._recompute()

    def _recompute(self) -> None:
        camera = self._camera
        if camera is None:
            return
        position = [camera.position.get(axis.name, 0.0) for axis in self.layer.axes[:-2]]
        self._velocity.sample([*position, *camera.center], asyncio.get_running_loop().time() * 1000)
        wanted: dict[Chunk, Priority] = {}
        for number, level in enumerate(self._levels(camera)):
            seen = sight(self.layer, camera, level)
            if seen is not None:
                self._want_level(camera, seen, number * 1e9, wanted)
        for chunk in [chunk for chunk in self.here if chunk in wanted]:
            self.here[chunk] = self.here.pop(chunk)  # the most recently used last
        self._wanted = wanted
        self._process()

    def _levels(self, camera: Camera) -> list[int]:
        """The levels to be loaded, from fine to coarse."""
        if not self._own_levels:
            return list(range(target_level(self.layer, camera), self.levels))
        pixel = TOLERANCE / camera.zoom
        sizes = [self.layer.level(level).scale[-2:] for level in range(self.levels)]
        levels = [self.levels - 1]
        for level in range(self.levels - 2, -1, -1):
            coarser, finer = sizes[level + 1], sizes[level]
            if not any(a > pixel and a > 1.01 * b for a, b in zip(coarser, sizes[0], strict=True)):
                break
            if not any(
                abs(pixel - a) < abs(pixel - b) for a, b in zip(finer, coarser, strict=True)
            ):
                break
            levels.append(level)
        return levels[::-1]

    def _want_level(
        self, camera: Camera, seen: Sight, above: float, wanted: dict[Chunk, Priority]
    ) -> None:
        geometry = self.layer.level(seen.level)
        center = [
            (camera.center[axis] - geometry.translation[axis]) / geometry.scale[axis] + 0.5
            for axis in (-2, -1)
        ]
        visible = list(seen)
        for index in visible:
            corner = [index[axis] * geometry.chunks[axis] for axis in (-2, -1)]
            wanted[seen.level, index] = (VISIBLE, math.dist(center, corner) - above)
        inside = set(visible)
        for axis, offsets in self._ahead(camera, seen.level):
            last = geometry.grid[axis] - 1
            for index in visible:
                for offset, probability in offsets:
                    at = index[axis] + offset
                    there = (*index[:axis], at, *index[axis + 1 :])
                    if not 0 <= at <= last or there in inside:
                        break
                    priority = (PREFETCH, -above - probability)
                    key = seen.level, there
                    wanted[key] = min(priority, wanted.get(key, (RECENT, 0.0)))

    def _ahead(self, camera: Camera, level: int) -> Iterator[tuple[int, list[tuple[int, float]]]]:
        """Axis by axis and direction by direction: how many chunks on, and how probable that is."""
        geometry = self.layer.level(level)
        rank = len(geometry.shape)
        for axis in range(rank):
            scale, chunk = geometry.scale[axis], geometry.chunks[axis]
            mean = self._velocity.mean[axis] / scale
            deviation = math.sqrt(self._velocity.variance[axis]) / scale
            if mean > FASTEST:
                continue
            mean, spread = mean / chunk * AHEAD_MS, deviation * math.sqrt(2) / chunk * AHEAD_MS
            if abs(mean) < 1e-3 and spread < 1e-3:
                continue
            curve = _Curve(mean, max(1e-6, spread))
            fraction = 0.0
            if axis < rank - 2:
                name = self.layer.axes[axis].name
                pixel = (camera.position[name] - geometry.translation[axis]) / scale + 0.5
                fraction = (pixel % chunk) / chunk
            up = [(i, 1 - curve.below(i - fraction)) for i in range(1, FARTHEST + 1)]
            down = [(-i, curve.below(1 - i - fraction)) for i in range(1, FARTHEST + 1)]
            for direction in (up, down):
                yield axis, [(i, likely) for i, likely in direction if likely >= LIKELY]

    def _process(self) -> None:
        queue = sorted(
            (priority, chunk)
            for chunk, priority in self._wanted.items()
            if chunk not in self.here and chunk not in self.loading
        )
        for priority, chunk in queue:
            if len(self.loading) >= DOWNLOADS:
                worst = max(self.loading, key=self._priority)
                if self._priority(worst) <= priority:
                    return
                self.abort(worst)
            self.start(chunk)

    def _priority(self, chunk: Chunk) -> Priority:
        return self._wanted.get(chunk, (RECENT, 0.0))

    def _make_room(self) -> None:
        if self.bytes <= self.budget:
            return
        for chunk in sorted(self.here, key=self._priority, reverse=True):  # stable: oldest first
            if self.bytes <= self.budget:
                return
            self.drop(chunk)


@dataclass(frozen=True, slots=True)
class _Curve:
    """A Gaussian in chunks; `spread` is its standard deviation times the root of two."""

    mean: float
    spread: float

    def below(self, x: float) -> float:
        """The probability of less than `x`."""
        return 0.5 * (1 + math.erf((x - self.mean) / self.spread))


class _Velocity:
    """Mean and variance of the velocity, each forgotten by half in a second."""

    def __init__(self, rank: int) -> None:
        self.mean = [0.0] * rank
        self.variance = [0.0] * rank
        self._velocity = [0.0] * rank
        self._position: list[float] | None = None
        self._time = 0.0
        self._second = False

    def sample(self, position: list[float], time: float) -> None:
        """The camera is there at `time`, in milliseconds."""
        before, self._position = self._position, position
        elapsed, self._time = time - self._time, time
        if before is None:
            self._second = True
            return
        fast, slow = 1 - 2 ** -(elapsed / 50), 1 - 2 ** -(elapsed / 1000)
        for axis, (a, b) in enumerate(zip(before, position, strict=True)):
            sample = (b - a) / max(elapsed, 1)
            self._velocity[axis] += fast * (sample - self._velocity[axis])
            if self._second:
                self.mean[axis] = self._velocity[axis]
                continue
            delta = self._velocity[axis] - self.mean[axis]
            self.mean[axis] += slow * delta
            self.variance[axis] = (1 - slow) * (self.variance[axis] + slow * delta * delta)
        self._second = False
