"""View: one canvas as the server knows it. Pure: messages and events in, decisions out.

It follows what the canvas looks at and what it holds, plans, and answers two questions: which
chunks to load, in which order, and which brick to send next. It reads no clock, waits for nothing
and owns no bytes, so it can be tested against a pure model of the canvas.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from opsin.chunks.brick import Brick, ChunkKey
from opsin.chunks.plan import Tier
from opsin.chunks.points_plan import PointsBrick
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
    WireBrick,
    brick_of,
)
from opsin.views.planner import AnyWant, Planner, SlicePlanner, VolumePlanner, chunks_of
from opsin.views.points_messages import Pick
from opsin.views.points_view import CellWant, PointsView

SMALLEST_SLOTS = 2**20


class View:
    """What one canvas looks at, holds and wants.

    Args:
        layers: all layers of the scene by id; `image_numbers` gives each layer's image in the
            loader.
        volumes: what they are in 3D, where that differs.
        points: what the canvas holds and wants of layers of points; None: there are none.
    """

    def __init__(
        self,
        layers: Mapping[int, Layer],
        image_numbers: Mapping[int, int],
        policy: Policy = EXPLORE,
        volumes: Mapping[int, Layer] | None = None,
        points: PointsView | None = None,
    ) -> None:
        self._layers = layers
        self._volumes = layers if volumes is None else volumes
        self._images = image_numbers
        self._policy = policy
        self._slots = 0
        self._credit = 0
        self._look: Look | VolumeLook | None = None
        self._planner: Planner | None = None
        self._wants: Sequence[AnyWant | CellWant] = ()
        self._missing: dict[WireBrick, set[ChunkKey]] = {}
        self._waiting: dict[ChunkKey, set[WireBrick]] = {}
        self.held: set[AnyBrick] = set()
        self.failed: dict[WireBrick, str] = {}
        self._under_way: deque[tuple[WireBrick | None, int]] = deque()
        """Bricks and their bytes, in the order in which they were sent; None: it is dropped."""
        self._slices_of: tuple[str, str] | None = None
        """The axes that the slices which are held are along."""
        self.outstanding = 0
        self.points = PointsView({}, lambda *_: 0) if points is None else points

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
                for brick in evicted:
                    if isinstance(brick, PointsBrick):
                        self.points.evicted(brick)
                    else:
                        self.held.discard(brick)
                return bool(evicted)
            case Lost():
                self.held = {
                    brick
                    for brick, _ in self._under_way
                    if brick is not None and not isinstance(brick, PointsBrick)
                }
                return True
            case Retry():
                self.failed.clear()
                return True
            case Watch() | Pick():
                return False

    def rest(self, now: float) -> bool:
        """Notice at time `now` that playing is over; True: plan again."""
        return self._planner is not None and self._planner.rest(now)

    def scene_changed(self) -> None:
        """Layers came or went: forget bricks of those that are gone."""
        self.held = {brick for brick in self.held if brick.layer in self._layers}
        self.points.scene_changed()
        there = {*self._layers, *self.points.layers}
        self.failed = {b: reason for b, reason in self.failed.items() if b.layer in there}

    def sent(self, brick: WireBrick, size: int) -> None:
        """A brick of `size` bytes is on its way to the canvas."""
        self.outstanding += size
        self._under_way.append((brick, size))
        if isinstance(brick, PointsBrick):
            self.points.sent(brick)
        else:
            self.held.add(brick)
        self._settle(brick)

    def fail(self, brick: WireBrick, reason: str) -> None:
        """A brick cannot be had."""
        self.failed[brick] = reason
        self._settle(brick)

    def chunk_changed(self, key: ChunkKey) -> tuple[WireBrick, ...]:
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
        size = self.points.plan(look.visible, look.camera(), self._slots)
        slots = max(self._slots - size, SMALLEST_SLOTS)
        planned = planner.plan(shown, self.held, self._policy, slots, pace)
        self._wants = planned
        if self.points.wants:
            # The first of each layer, then what is seen, then what will be.
            self._wants = sorted((*planned, *self.points.wants), key=_urgency)
        for want in self._pending():
            missing = {key for key in self.chunks(want.brick) if not here(key)}
            self._missing[want.brick] = missing
            for key in missing:
                self._waiting.setdefault(key, set()).add(want.brick)

    def chunks(self, brick: WireBrick) -> Iterator[ChunkKey]:
        """The chunks that a brick is made of."""
        if isinstance(brick, PointsBrick):
            yield self.points.chunk(brick)
            return
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

    def next_brick(self) -> WireBrick | None:
        """The most urgent brick that is complete in memory, if the canvas has credit for it."""
        for want in self._pending():
            if self._missing.get(want.brick):
                continue
            if self.outstanding and self.outstanding + want.bytes > self._credit:
                return None
            return want.brick
        return None

    def unready(self, brick: WireBrick, missing: set[ChunkKey]) -> None:
        """A brick turned out to lack chunks that were let go of in the meantime."""
        self._missing[brick] = missing
        for key in missing:
            self._waiting.setdefault(key, set()).add(brick)

    def pending(self) -> Iterator[tuple[WireBrick, bool]]:
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
        held = sum(brick not in self.failed and not self._lacks(brick) for brick in seen)
        return len(seen), held, failed

    def _pending(self) -> Iterator[AnyWant | CellWant]:
        for want in self._wants:
            if want.brick not in self.failed and self._lacks(want.brick):
                yield want

    def _lacks(self, brick: WireBrick) -> bool:
        if isinstance(brick, PointsBrick):
            return self.points.lacks(brick)
        return brick not in self.held

    def _acknowledge(self, size: int) -> None:
        while size > 0 and self._under_way:
            _, sent = self._under_way.popleft()
            self.outstanding -= sent
            size -= sent
        if size:
            raise ProtocolError("What is acknowledged are whole bricks that are under way.")

    def _settle(self, brick: WireBrick) -> None:
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
        changed = self.points.follow(look.points or {})
        self._forget(lambda brick: isinstance(brick, PointsBrick) and brick.layer in changed)

    def _forget_slices(self) -> None:
        """Bricks are named alike along any two axes: the canvas drops those of the ones before."""
        self._forget(lambda brick: isinstance(brick, Brick))

    def _forget(self, which: Callable[[WireBrick], bool]) -> None:
        """Bricks that the canvas drops from this view on, also those that are under way."""
        self.held = {brick for brick in self.held if not which(brick)}
        self.failed = {brick: why for brick, why in self.failed.items() if not which(brick)}
        self._under_way = deque(
            (None if brick is None or which(brick) else brick, size)
            for brick, size in self._under_way
        )


def _urgency(want: AnyWant | CellWant) -> int:
    """Points come after the first bricks of images, and before what is not seen yet."""
    if isinstance(want.brick, PointsBrick):
        return 1 if want.tier == Tier.BASE else 3
    return {Tier.BASE: 0, Tier.COARSE: 2, Tier.TARGET: 2}.get(want.tier, 4)


def _shows(layer: Layer, displayed: tuple[str, ...]) -> bool:
    names = {axis.name for axis in layer.axes}
    return names.issuperset(displayed) and len(set(displayed)) == len(displayed)
