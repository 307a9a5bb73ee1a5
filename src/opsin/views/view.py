"""View: one canvas as the server knows it. Pure: messages and events in, decisions out.

It follows what the canvas looks at and what it holds, plans, and answers two questions: which
chunks to load, in which order, and which brick to send next. It reads no clock, waits for nothing
and owns no bytes, so it can be tested against a pure model of the canvas.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from opsin.chunks.brick import Brick, ChunkKey, brick_chunks
from opsin.chunks.camera import Camera
from opsin.chunks.plan import Motion, Plan, Tier, Want, plan
from opsin.chunks.policy import EXPLORE, Policy
from opsin.chunks.window import Pace
from opsin.errors import ProtocolError
from opsin.images.layer import Layer
from opsin.views.messages import Ack, FromCanvas, Hello, Look, Lost, Retry, brick_of

SMALLEST_SLOTS = 2**20
STEPS_EXPIRE = 1.0
"""Seconds between two steps of a slider, at most, that count as one motion."""
MOTION_EXPIRES = 0.5
"""Seconds after which a camera that did not move again counts as standing still."""


class View:
    """What one canvas looks at, holds and wants.

    Args:
        layers: all layers of the scene by id; `image_numbers` gives each layer's image in the
            loader.
    """

    def __init__(
        self,
        layers: Mapping[int, Layer],
        image_numbers: Mapping[int, int],
        policy: Policy = EXPLORE,
    ) -> None:
        self._layers = layers
        self._images = image_numbers
        self._policy = policy
        self._slots = 0
        self._credit = 0
        self._look: Look | None = None
        self._camera: Camera | None = None
        self._looked_at = -math.inf
        self._stepped_at = -math.inf
        self.rests_at = math.inf
        """When playing is over, if no further slice is shown until then."""
        self._motion = Motion()
        self._plan = Plan()
        self._missing: dict[Brick, set[ChunkKey]] = {}
        self._waiting: dict[ChunkKey, set[Brick]] = {}
        self.held: set[Brick] = set()
        self.failed: dict[Brick, str] = {}
        self._under_way: deque[tuple[Brick, int]] = deque()
        self.outstanding = 0

    # What happened

    def receive(self, message: FromCanvas, now: float) -> bool:
        """Take in a message of the canvas that came at time `now` (seconds); True: plan again.

        Raises:
            ProtocolError: the message does not fit the state, or names what is not there.
        """
        match message:
            case Hello():
                if self._slots:
                    raise ProtocolError("A canvas says hello once.")
                if message.version != 1:
                    raise ProtocolError(f"Version {message.version} of the stream is not known.")
                self._slots = max(message.slots, SMALLEST_SLOTS)
                self._credit = max(message.credit, 1)
                return False
            case _ if not self._slots:
                raise ProtocolError("A canvas says hello first.")
            case Look():
                self._follow(message, now)
                return True
            case Ack():
                self._acknowledge(message.bytes)
                evicted = {brick_of(key) for key in message.evicted}
                self.held -= evicted
                return bool(evicted)
            case Lost():
                self.held = {brick for brick, _ in self._under_way}
                return True
            case Retry():
                self.failed.clear()
                return True

    def rest(self, now: float) -> bool:
        """Notice at time `now` that playing is over; True: plan again."""
        if now < self.rests_at:
            return False
        self.rests_at = math.inf
        self._motion = replace(self._motion, rate=0.0)
        return True

    def scene_changed(self) -> None:
        """Layers came or went: forget bricks of those that are gone."""
        self.held = {brick for brick in self.held if brick.layer in self._layers}
        self.failed = {b: reason for b, reason in self.failed.items() if b.layer in self._layers}

    def sent(self, brick: Brick, size: int) -> None:
        """A brick of `size` bytes is on its way to the canvas."""
        self.outstanding += size
        self._under_way.append((brick, size))
        self.held.add(brick)
        self._settle(brick)

    def fail(self, brick: Brick, reason: str) -> None:
        """A brick cannot be had."""
        self.failed[brick] = reason
        self._settle(brick)

    def chunk_changed(self, key: ChunkKey) -> tuple[Brick, ...]:
        """A chunk came or failed: the wanted bricks that it is a part of."""
        bricks = self._waiting.pop(key, set())
        for brick in bricks:
            self._missing[brick].discard(key)
        return tuple(bricks)

    # What to do

    def replan(self, here: Callable[[ChunkKey], bool], pace: Pace | None = None) -> None:
        """Plan for the present camera.

        Args:
            here: tells whether a chunk is in memory.
            pace: how fast chunks come.
        """
        self._missing.clear()
        self._waiting.clear()
        camera, look = self._camera, self._look
        if camera is None or look is None:
            return
        shown = {n: self._layers[n] for n in look.visible if n in self._layers}
        shown = {n: layer for n, layer in shown.items() if _shows(layer, camera.displayed)}
        self._plan = plan(shown, camera, self.held, self._policy, self._slots, self._motion, pace)
        for want in self._pending():
            missing = {key for key in self.chunks(want.brick) if not here(key)}
            self._missing[want.brick] = missing
            for key in missing:
                self._waiting.setdefault(key, set()).add(want.brick)

    def chunks(self, brick: Brick) -> Iterator[ChunkKey]:
        """The chunks that a brick is made of."""
        image = self._images[brick.layer]
        layer = self._layers[brick.layer]
        for index in brick_chunks(layer, brick, self.displayed):
            yield ChunkKey(image, brick.level, index)

    def chunk_wants(self) -> Iterator[tuple[ChunkKey, ...]]:
        """The chunks of each pending brick, most urgent first, those in memory included."""
        for want in self._pending():
            yield tuple(self.chunks(want.brick))

    def next_brick(self) -> Brick | None:
        """The most urgent brick that is complete in memory, if the canvas has credit for it."""
        for want in self._pending():
            if self._missing.get(want.brick):
                continue
            if self.outstanding and self.outstanding + want.bytes > self._credit:
                return None
            return want.brick
        return None

    def unready(self, brick: Brick, missing: set[ChunkKey]) -> None:
        """A brick turned out to lack chunks that were let go of in the meantime."""
        self._missing[brick] = missing
        for key in missing:
            self._waiting.setdefault(key, set()).add(brick)

    def pending(self) -> Iterator[tuple[Brick, bool]]:
        """What is wanted and not yet held, in order, and whether it is complete in memory."""
        for want in self._pending():
            yield want.brick, not self._missing.get(want.brick)

    @property
    def greeted(self) -> bool:
        """Whether the canvas has said hello."""
        return self._slots > 0

    @property
    def displayed(self) -> tuple[str, str]:
        """The two axes that the canvas shows."""
        return ("y", "x") if self._camera is None else self._camera.displayed

    @property
    def generation(self) -> int:
        """Generation of the camera that was planned for."""
        return -1 if self._look is None else self._look.generation

    @property
    def settled(self) -> bool:
        """Whether everything visible was sent at its target level, or has failed."""
        playing = self.rests_at < math.inf
        return (
            self._look is not None
            and not playing
            and not any(
                want.tier <= Tier.TARGET and want.tier != Tier.COARSE for want in self._pending()
            )
        )

    @property
    def targets(self) -> Mapping[int, int]:
        """The level that each visible layer aims at."""
        return self._plan.targets or {}

    @property
    def counts(self) -> tuple[int, int, int]:
        """Bricks that this camera wants to see, and how many of them are held and have failed."""
        seen = [w.brick for w in self._plan.wants if w.tier in (Tier.BASE, Tier.TARGET)]
        failed = sum(brick in self.failed for brick in seen)
        return len(seen), sum(brick in self.held for brick in seen), failed

    def _pending(self) -> Iterator[Want]:
        for want in self._plan.wants:
            if want.brick not in self.held and want.brick not in self.failed:
                yield want

    def _acknowledge(self, size: int) -> None:
        while size > 0 and self._under_way:
            _, sent = self._under_way.popleft()
            self.outstanding -= sent
            size -= sent
        if size:
            raise ProtocolError("What is acknowledged are whole bricks that are under way.")

    def _settle(self, brick: Brick) -> None:
        for key in self._missing.pop(brick, ()):
            bricks = self._waiting.get(key)
            if bricks is not None:
                bricks.discard(brick)

    def _follow(self, look: Look, now: float) -> None:
        camera = look.camera()
        before, elapsed = self._camera, now - self._looked_at
        velocity, zooming = (0.0, 0.0), 0.0
        if before is not None and look.moving and 0 < elapsed < MOTION_EXPIRES:
            moved = [b - a for a, b in zip(before.center, camera.center, strict=True)]
            if all(map(math.isfinite, moved)):
                velocity = (moved[0] / elapsed, moved[1] / elapsed)
            zooming = math.log2(camera.zoom / before.zoom) / elapsed
        self._motion = self._stepped(
            replace(self._motion, velocity=velocity, zooming=zooming), camera, now
        )
        self._look, self._camera, self._looked_at = look, camera, now

    def _stepped(self, motion: Motion, camera: Camera, now: float) -> Motion:
        """The motion along a slider: which one, which way, and how fast if it goes on."""
        position = {} if self._camera is None else self._camera.position
        since = now - self._stepped_at
        for name, world in camera.position.items():
            step = world - position.get(name, world)
            if step:
                goes_on = name == motion.axis and step * motion.direction > 0
                rate = abs(step) / since if goes_on and 0 < since < STEPS_EXPIRE else 0.0
                self._stepped_at = now
                self.rests_at = now + 2 * since if rate else math.inf
                return replace(motion, axis=name, direction=1 if step > 0 else -1, rate=rate)
        return motion


def _shows(layer: Layer, displayed: tuple[str, str]) -> bool:
    names = [axis.name for axis in layer.axes]
    return all(name in names for name in displayed) and displayed[0] != displayed[1]
