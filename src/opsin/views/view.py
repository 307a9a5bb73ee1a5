"""View: one canvas as the server knows it. Pure: messages and events in, decisions out.

It follows what the canvas looks at and what it holds, plans, and answers two questions: which
chunks to load, in which order, and which brick to send next. It reads no clock, waits for nothing
and owns no bytes, so it can be tested against a pure model of the canvas. What kinds of bricks
there are, its planners know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from opsin.chunks.brick import ChunkKey
from opsin.chunks.plan import Tier
from opsin.chunks.policy import EXPLORE, Policy
from opsin.chunks.window import Pace
from opsin.errors import ProtocolError
from opsin.images.source import Array
from opsin.views.messages import (
    Ack,
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
from opsin.views.planner import AnyPlanner, AnyWant, Payload
from opsin.views.points_messages import Pick

SMALLEST_SLOTS = 2**20


class View:
    """What one canvas looks at, holds and wants.

    Args:
        planners: one of each kind of bricks that there may be; what those of the first ones take of
            the slots is not left for the others.
        policy: what is loaded first.
    """

    def __init__(self, planners: Iterable[AnyPlanner], policy: Policy = EXPLORE) -> None:
        self._planners: dict[type[WireBrick], AnyPlanner] = {p.address: p for p in planners}
        self._policy = policy
        self._slots = 0
        self._credit = 0
        self._look: Look | VolumeLook | None = None
        self._wants: Sequence[AnyWant] = ()
        self._missing: dict[WireBrick, set[ChunkKey]] = {}
        self._waiting: dict[ChunkKey, set[WireBrick]] = {}
        self.held: dict[WireBrick, int] = {}
        """How much of each brick the canvas holds, or is being sent."""
        self.failed: dict[WireBrick, str] = {}
        self._under_way: deque[tuple[WireBrick | None, int]] = deque()
        """Bricks and their bytes, in the order in which they were sent; None: it is dropped."""
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
                dropped = {kind: p.follow(message, now) for kind, p in self._planners.items()}
                self._forget(lambda brick: brick.layer in dropped[type(brick)])
                self._look = message
                return True
            case Ack():
                self._acknowledge(message.bytes)
                for key in message.evicted:
                    self.held.pop(brick_of(key), None)
                return bool(message.evicted)
            case Lost():
                coming = {brick for brick, _ in self._under_way}
                self.held = {
                    brick: amount
                    for brick, amount in self.held.items()
                    if brick in coming or self._of(brick).lasts
                }
                return True
            case Retry():
                self.failed.clear()
                return True
            case Watch() | Pick():
                return False

    def rest(self, now: float) -> bool:
        """Notice at time `now` that playing is over; True: plan again."""
        return self._look is not None and any(
            planner.rest(now) for planner in self._planners.values()
        )

    def scene_changed(self) -> None:
        """Layers came or went: forget bricks of those that are gone."""
        self._forget(lambda brick: brick.layer not in self._of(brick).layers)

    def sent(self, brick: WireBrick, size: int) -> None:
        """What is wanted of a brick, `size` bytes, is on its way to the canvas."""
        self.outstanding += size
        self._under_way.append((brick, size))
        self.held[brick] = self._of(brick).amount(brick)
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
        if self._look is None:
            return
        slots = self._slots
        wanted = []
        for planner in self._planners.values():
            room = max(slots, SMALLEST_SLOTS)
            wants, taken = planner.plan(self.held, self._policy, room, pace)
            slots -= taken
            if wants:
                wanted.append(wants)
        # The order of a planner is changed by others only.
        mixed = sorted((want for wants in wanted for want in wants), key=self._urgency)
        self._wants = wanted[0] if len(wanted) == 1 else mixed
        for want in self._pending():
            self.unready(want.brick, {key for key in self.chunks(want.brick) if not here(key)})

    def chunks(self, brick: WireBrick) -> Iterator[ChunkKey]:
        """The chunks that a brick is made of."""
        return self._of(brick).chunks(brick)

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

    def message(
        self, brick: WireBrick, chunks: Mapping[ChunkKey, Array], from_memory: bool
    ) -> tuple[Any, Payload]:
        """The header and the payload of what is wanted and not yet held of a brick.

        Args:
            brick: one that `next_brick` gave.
            chunks: all that it is made of.
            from_memory: whether they were in memory when it was first wanted.
        """
        held = self.held.get(brick, 0)
        return self._of(brick).message(self.generation, brick, chunks, held, from_memory)

    def news(self) -> Iterator[Any]:
        """The messages that the canvas has to have before any brick of this plan, once."""
        for planner in self._planners.values():
            if (message := planner.news(self.generation)) is not None:
                yield message

    def unready(self, brick: WireBrick, missing: set[ChunkKey]) -> None:
        """A brick lacks chunks: they are not there, or were let go of in the meantime."""
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
    def rests_at(self) -> float:
        """When playing is over, if no further slice is shown until then."""
        return min(planner.rests_at for planner in self._planners.values())

    @property
    def generation(self) -> int:
        """Generation of the camera that was planned for."""
        return -1 if self._look is None else self._look.generation

    @property
    def settled(self) -> bool:
        """Whether everything visible was sent at its target level, or has failed."""
        return (
            self._look is not None
            and not any(planner.passing for planner in self._planners.values())
            and not any(
                want.tier <= Tier.TARGET and want.tier != Tier.COARSE for want in self._pending()
            )
        )

    @property
    def targets(self) -> Mapping[int, int]:
        """The level that each visible layer aims at."""
        every = [planner.targets for planner in self._planners.values()]
        return {number: level for targets in every for number, level in targets.items()}

    @property
    def counts(self) -> tuple[int, int, int]:
        """Bricks that this camera wants to see, and how many of them are held and have failed."""
        seen = [w.brick for w in self._wants if w.tier in (Tier.BASE, Tier.TARGET)]
        failed = sum(brick in self.failed for brick in seen)
        held = sum(brick not in self.failed and not self._lacks(brick) for brick in seen)
        return len(seen), held, failed

    def _of(self, brick: WireBrick) -> AnyPlanner:
        return self._planners[type(brick)]

    def _pending(self) -> Iterator[AnyWant]:
        for want in self._wants:
            if want.brick not in self.failed and self._lacks(want.brick):
                yield want

    def _lacks(self, brick: WireBrick) -> bool:
        return self.held.get(brick, 0) < self._of(brick).amount(brick)

    def _urgency(self, want: AnyWant) -> int:
        """The first of each layer, then what is seen, then what will be."""
        rank = {Tier.BASE: 0, Tier.COARSE: 1, Tier.TARGET: 1}.get(want.tier, 2)
        return 2 * rank + self._of(want.brick).behind

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

    def _forget(self, which: Callable[[WireBrick], bool]) -> None:
        """Bricks that the canvas drops from now on, also those that are under way."""
        self.held = {brick: n for brick, n in self.held.items() if not which(brick)}
        self.failed = {brick: why for brick, why in self.failed.items() if not which(brick)}
        self._under_way = deque(
            (None if brick is None or which(brick) else brick, size)
            for brick, size in self._under_way
        )
