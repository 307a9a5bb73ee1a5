"""View: one canvas as the server knows it. Pure: messages and events in, decisions out.

It follows what the canvas looks at and what it holds, plans, and answers two questions: which
chunks to load, in which order, and which brick to send next. It reads no clock, waits for nothing
and owns no bytes, so it can be tested against a pure model of the canvas.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from opsin.chunks.brick import ChunkKey
from opsin.chunks.plan import Tier
from opsin.chunks.policy import EXPLORE, Policy
from opsin.chunks.volume_brick import VolumeBrick
from opsin.chunks.window import Pace
from opsin.errors import ProtocolError
from opsin.images.layer import Layer
from opsin.views.messages import (
    Ack,
    AnyBrick,
    FromCanvas,
    Hello,
    Look,
    Lost,
    Retry,
    VolumeLook,
    Watch,
    brick_of,
)
from opsin.views.planner import AnyWant, Planner, SlicePlanner, VolumePlanner, chunks_of

SMALLEST_SLOTS = 2**20


class View:
    """What one canvas looks at, holds and wants.

    Args:
        layers: all layers of the scene by id; `image_numbers` gives each layer's image in the
            loader.
        volumes: what they are in 3D, where that differs.
    """

    def __init__(
        self,
        layers: Mapping[int, Layer],
        image_numbers: Mapping[int, int],
        policy: Policy = EXPLORE,
        volumes: Mapping[int, Layer] | None = None,
    ) -> None:
        self._layers = layers
        self._volumes = layers if volumes is None else volumes
        self._images = image_numbers
        self._policy = policy
        self._slots = 0
        self._credit = 0
        self._look: Look | VolumeLook | None = None
        self._planner: Planner | None = None
        self._wants: Sequence[AnyWant] = ()
        self._missing: dict[AnyBrick, set[ChunkKey]] = {}
        self._waiting: dict[ChunkKey, set[AnyBrick]] = {}
        self.held: set[AnyBrick] = set()
        self.failed: dict[AnyBrick, str] = {}
        self._under_way: deque[tuple[AnyBrick | None, int]] = deque()
        """Bricks and their bytes, in the order in which they were sent; None: it is dropped."""
        self._slices_of: tuple[str, str] | None = None
        """The axes that the slices which are held are along."""
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
            case Look() | VolumeLook():
                self._follow(message, now)
                return True
            case Ack():
                self._acknowledge(message.bytes)
                evicted = {brick_of(key) for key in message.evicted}
                self.held -= evicted
                return bool(evicted)
            case Lost():
                self.held = {brick for brick, _ in self._under_way if brick is not None}
                return True
            case Retry():
                self.failed.clear()
                return True
            case Watch():
                return False

    def rest(self, now: float) -> bool:
        """Notice at time `now` that playing is over; True: plan again."""
        return self._planner is not None and self._planner.rest(now)

    def scene_changed(self) -> None:
        """Layers came or went: forget bricks of those that are gone."""
        self.held = {brick for brick in self.held if brick.layer in self._layers}
        self.failed = {b: reason for b, reason in self.failed.items() if b.layer in self._layers}

    def sent(self, brick: AnyBrick, size: int) -> None:
        """A brick of `size` bytes is on its way to the canvas."""
        self.outstanding += size
        self._under_way.append((brick, size))
        self.held.add(brick)
        self._settle(brick)

    def fail(self, brick: AnyBrick, reason: str) -> None:
        """A brick cannot be had."""
        self.failed[brick] = reason
        self._settle(brick)

    def chunk_changed(self, key: ChunkKey) -> tuple[AnyBrick, ...]:
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
        planner, look = self._planner, self._look
        if planner is None or look is None:
            return
        layers = self._volumes if isinstance(look, VolumeLook) else self._layers
        shown = {n: layers[n] for n in look.visible if n in layers}
        shown = {n: layer for n, layer in shown.items() if _shows(layer, planner.displayed)}
        self._wants = planner.plan(shown, self.held, self._policy, self._slots, pace)
        for want in self._pending():
            missing = {key for key in self.chunks(want.brick) if not here(key)}
            self._missing[want.brick] = missing
            for key in missing:
                self._waiting.setdefault(key, set()).add(want.brick)

    def chunks(self, brick: AnyBrick) -> Iterator[ChunkKey]:
        """The chunks that a brick is made of."""
        image = self._images[brick.layer]
        layer = self.layer(brick)
        for index in chunks_of(layer, brick, self.displayed):
            yield ChunkKey(image, brick.level, index)

    def layer(self, brick: AnyBrick) -> Layer:
        """The layer that a brick is of, with all levels that it may be of."""
        layers = self._volumes if isinstance(brick, VolumeBrick) else self._layers
        return layers[brick.layer]

    def chunk_wants(self) -> Iterator[tuple[ChunkKey, ...]]:
        """The chunks of each pending brick, most urgent first, those in memory included."""
        for want in self._pending():
            yield tuple(self.chunks(want.brick))

    def next_brick(self) -> AnyBrick | None:
        """The most urgent brick that is complete in memory, if the canvas has credit for it."""
        for want in self._pending():
            if self._missing.get(want.brick):
                continue
            if self.outstanding and self.outstanding + want.bytes > self._credit:
                return None
            return want.brick
        return None

    def unready(self, brick: AnyBrick, missing: set[ChunkKey]) -> None:
        """A brick turned out to lack chunks that were let go of in the meantime."""
        self._missing[brick] = missing
        for key in missing:
            self._waiting.setdefault(key, set()).add(brick)

    def pending(self) -> Iterator[tuple[AnyBrick, bool]]:
        """What is wanted and not yet held, in order, and whether it is complete in memory."""
        for want in self._pending():
            yield want.brick, not self._missing.get(want.brick)

    @property
    def greeted(self) -> bool:
        """Whether the canvas has said hello."""
        return self._slots > 0

    @property
    def displayed(self) -> tuple[str, ...]:
        """The axes that the canvas shows."""
        return () if self._planner is None else self._planner.displayed

    @property
    def rests_at(self) -> float:
        """When playing is over, if no further slice is shown until then."""
        return math.inf if self._planner is None else self._planner.rests_at

    @property
    def generation(self) -> int:
        """Generation of the camera that was planned for."""
        return -1 if self._look is None else self._look.generation

    @property
    def settled(self) -> bool:
        """Whether everything visible was sent at its target level, or has failed."""
        return (
            self._planner is not None
            and not self._planner.passing
            and not any(
                want.tier <= Tier.TARGET and want.tier != Tier.COARSE for want in self._pending()
            )
        )

    @property
    def targets(self) -> Mapping[int, int]:
        """The level that each visible layer aims at."""
        return {} if self._planner is None else self._planner.targets

    @property
    def counts(self) -> tuple[int, int, int]:
        """Bricks that this camera wants to see, and how many of them are held and have failed."""
        seen = [w.brick for w in self._wants if w.tier in (Tier.BASE, Tier.TARGET)]
        failed = sum(brick in self.failed for brick in seen)
        return len(seen), sum(brick in self.held for brick in seen), failed

    def _pending(self) -> Iterator[AnyWant]:
        for want in self._wants:
            if want.brick not in self.held and want.brick not in self.failed:
                yield want

    def _acknowledge(self, size: int) -> None:
        while size > 0 and self._under_way:
            _, sent = self._under_way.popleft()
            self.outstanding -= sent
            size -= sent
        if size:
            raise ProtocolError("What is acknowledged are whole bricks that are under way.")

    def _settle(self, brick: AnyBrick) -> None:
        for key in self._missing.pop(brick, ()):
            bricks = self._waiting.get(key)
            if bricks is not None:
                bricks.discard(brick)

    def _follow(self, look: Look | VolumeLook, now: float) -> None:
        planner = self._planner
        if isinstance(look, Look):
            if self._slices_of not in (None, look.displayed):
                self._forget_slices()
                planner = None
            self._slices_of = look.displayed
            if isinstance(planner, SlicePlanner):
                planner.follow(look, now)
            else:
                self._planner = SlicePlanner(look, now)
        elif isinstance(planner, VolumePlanner):
            planner.follow(look)
        else:
            self._planner = VolumePlanner(look)
        self._look = look

    def _forget_slices(self) -> None:
        """Bricks are named alike along any two axes: the canvas drops those of the ones before."""
        self.held = {brick for brick in self.held if isinstance(brick, VolumeBrick)}
        self.failed = {b: why for b, why in self.failed.items() if isinstance(b, VolumeBrick)}
        self._under_way = deque(
            (brick if isinstance(brick, VolumeBrick) else None, size)
            for brick, size in self._under_way
        )


def _shows(layer: Layer, displayed: tuple[str, ...]) -> bool:
    names = {axis.name for axis in layer.axes}
    return names.issuperset(displayed) and len(set(displayed)) == len(displayed)
