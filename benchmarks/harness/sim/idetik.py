"""The loading ideas of idetik: two levels, and a ring around them.

After its image_source_policy.ts and chunk_store_view.ts: the coarsest level where it is visible,
then the level to be shown, then a ring of one chunk around it (in z too), then coming times of the
coarsest level, then the ring of the coarsest; inside each by distance from the middle. Eight
requests at once, none of which makes way for another; what is not wanted any more is aborted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.sim.link import Chunk
from harness.sim.rival import BUDGET, Rival
from harness.sim.sight import distance, sight
from harness.sim.simulate import World

from opsin.chunks.camera import Camera, target_level

REQUESTS = 8


@dataclass(frozen=True, slots=True)
class Profile:
    """How far is loaded ahead, and in which order: the five kinds of chunks by their rank."""

    ring: int
    """Chunks beside the canvas, and along an axis of space that is not displayed."""
    times: int
    """Coming pictures of a film, of the coarsest level."""
    order: tuple[str, ...]


EXPLORATION = Profile(1, 0, ("fallback", "current", "ring", "times", "background"))
PLAYBACK = Profile(0, 20, ("fallback", "times", "current", "background", "ring"))


class Idetik(Rival):
    def __init__(
        self, world: World, budget: int = BUDGET, *, profile: Profile = EXPLORATION
    ) -> None:
        super().__init__(world, budget)
        self._profile = profile
        self._rank = {kind: rank for rank, kind in enumerate(profile.order)}
        self._wanted: dict[Chunk, tuple[int, float]] = {}
        self._visible: set[Chunk] = set()

    def look(self, camera: Camera, moving: bool) -> None:
        target, coarsest = target_level(self.layer, camera), self.levels - 1
        self._wanted, self._visible = {}, set()
        for level in {coarsest, target}:
            self._want_level(camera, level, target, coarsest)
        self._want_times(camera, coarsest)
        for chunk in [chunk for chunk in self.loading if chunk not in self._wanted]:
            self.abort(chunk)
        for chunk in [chunk for chunk in self.here if chunk in self._wanted]:
            self.here[chunk] = self.here.pop(chunk)  # what was let go of last is at the end
        self._pump()

    def arrived(self, chunk: Chunk) -> None:
        self.keep(chunk)
        self._pump()

    def _want_level(self, camera: Camera, level: int, target: int, coarsest: int) -> None:
        geometry = self.layer.level(target)
        pads = [self._profile.ring * geometry.chunks[i] * geometry.scale[i] for i in (-2, -1)]
        for step in self._slices(level):
            there = self._moved(camera, step, level)
            seen = sight(self.layer, there, level)
            wide = sight(self.layer, there, level, pad=(-pads[0], -pads[1], pads[0], pads[1]))
            if seen is None or wide is None:
                continue
            inside = set(seen) if not any(step.values()) else set()
            for index in wide:
                chunk = level, index
                near = distance(self.layer, camera, level, index)
                if index in inside:
                    kind = "fallback" if level == coarsest else "current"
                    self._visible.add(chunk)
                else:
                    kind = "background" if level == coarsest else "ring"
                self._wanted.setdefault(chunk, (self._rank[kind], near))

    def _slices(self, level: int) -> list[dict[str, int]]:
        """The slice itself, and those a chunk away along each hidden axis of space."""
        found: list[dict[str, int]] = [{}]
        for axis in self.layer.axes[:-2]:
            if axis.type == "space":
                ring = self._profile.ring
                found += [{axis.name: i} for i in range(-ring, ring + 1) if i]
        return found

    def _moved(self, camera: Camera, step: dict[str, int], level: int) -> Camera:
        if not step:
            return camera
        geometry = self.layer.level(level)
        position = dict(camera.position)
        for i, axis in enumerate(self.layer.axes[:-2]):
            chunks = step.get(axis.name, 0)
            position[axis.name] += chunks * geometry.chunks[i] * geometry.scale[i]
        return replace(camera, position=position)

    def _want_times(self, camera: Camera, coarsest: int) -> None:
        count = next((n for n, axis in enumerate(self.layer.axes) if axis.type == "time"), None)
        if count is None:
            return
        name, size = self.layer.axes[count].name, self.layer.level(0).shape[count]
        for step in range(1, min(self._profile.times, size - 1) + 1):
            at = (camera.position[name] + step) % size
            there = replace(camera, position={**camera.position, name: at})
            for index in sight(self.layer, there, coarsest) or ():
                near = distance(self.layer, camera, coarsest, index)
                rank = self._rank["times"], step + near / (1 + near)
                self._wanted.setdefault((coarsest, index), rank)

    def _pump(self) -> None:
        queue = sorted(
            (rank, chunk)
            for chunk, rank in self._wanted.items()
            if chunk not in self.here and chunk not in self.loading
        )
        for rank, chunk in queue:
            if len(self.loading) >= REQUESTS:
                return
            if self._make_room(self.size(chunk), rank):
                self.start(chunk)

    def _make_room(self, size: int, rank: tuple[int, float]) -> bool:
        """Let go of chunks that are not visible and worse than one of this rank."""
        committed = self.bytes + sum(map(self.size, self.loading)) + size
        if committed <= self.budget:
            return True
        unwanted = (math.inf, math.inf)
        victims = [chunk for chunk in self.here if chunk not in self._visible]
        for chunk in sorted(victims, key=lambda c: self._wanted.get(c, unwanted), reverse=True):
            if committed <= self.budget or self._wanted.get(chunk, unwanted) <= rank:
                break
            committed -= self.size(chunk)
            self.drop(chunk)
        return committed <= self.budget
