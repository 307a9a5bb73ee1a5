"""A view between a model of the loader and a model of the canvas, without pixels: who does what
when is for a test to say, or for chance.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

from opsin.chunks.brick import ChunkKey
from opsin.views.messages import Ack, Hello, Look, Lost, VolumeLook, WireBrick, wire_key
from opsin.views.view import View

EVENTS = {"load": 40.0, "forget": 4, "send": 30, "take": 30, "lose": 0.5}
"""And how likely each is."""
TICK = 0.02
"""Seconds between two of them."""


class Canvas(Protocol):
    """What takes bricks, in the order in which they were sent, and reports."""

    wire: deque[tuple[WireBrick, int]]

    def send(self, view: View, brick: WireBrick) -> int:
        """Let a brick set out: its bytes."""

    def take(self) -> Ack:
        """Take in what set out first."""

    def lose(self) -> None:
        """Lose what is on the graphics card."""


class ImageCanvas:
    """It holds bricks as a whole up to a budget, and lets go of the oldest.

    Args:
        slots: bytes.
        size: of a brick that is sent.
        keep: bricks that it never lets go of.
        room: bytes that each brick takes; 0: those that are sent.
    """

    def __init__(
        self,
        slots: int,
        size: Callable[[WireBrick], int],
        keep: Callable[[], set[WireBrick]],
        room: int = 0,
    ) -> None:
        self.slots = slots
        self.held: dict[WireBrick, int] = {}
        self.wire: deque[tuple[WireBrick, int]] = deque()
        self._size = size
        self._keep = keep
        self._room = room

    @property
    def there(self) -> set[WireBrick]:
        """What it has, or will have."""
        return {*self.held, *(brick for brick, _ in self.wire)}

    def send(self, view: View, brick: WireBrick) -> int:
        assert brick not in view.held, "a held brick was sent again"
        self.wire.append((brick, self._size(brick)))
        return self.wire[-1][1]

    def take(self) -> Ack:
        brick, size = self.wire.popleft()
        self.held[brick] = self._room or size
        evicted: list[WireBrick] = []
        for old in list(self.held):
            if sum(self.held.values()) <= self.slots:
                break
            if old not in self._keep() and old != brick:
                evicted.append(old)
                del self.held[old]
        return Ack(size, tuple(map(wire_key, evicted)))

    def lose(self) -> None:
        self.held.clear()


class Model:
    """The view, its canvas, and the chunks that are in memory."""

    def __init__(
        self, view: View, canvas: Canvas, slots: int, credit: int, chance: random.Random
    ) -> None:
        self.view = view
        self.canvas = canvas
        self.chance = chance
        self.here: set[ChunkKey] = set()
        self.now = 0.0
        self._credit = credit
        view.receive(Hello(1, slots, credit), 0)

    def look(self, look: Look | VolumeLook) -> None:
        """The canvas looks somewhere else."""
        self.view.receive(look, self.now)
        self.replan()

    def replan(self) -> None:
        self.view.replan(self.here.__contains__)

    def any_of(self, **others: float) -> str:
        """An event, or something else, by chance."""
        every = EVENTS | others
        return self.chance.choices([*every], [*every.values()])[0]

    def step(self, event: str) -> None:
        """Let something happen, if it can."""
        self.now += TICK
        view = self.view
        if event == "load":
            groups = view.chunk_wants()
            wanted = next((key for group in groups for key in group if key not in self.here), None)
            if wanted is not None:
                self.here.add(wanted)
                view.chunk_changed(wanted)
        elif event == "forget" and self.here:
            self.here.discard(self.chance.choice(sorted(self.here)))
        elif event == "send" and (brick := view.next_brick()) is not None:
            if missing := {key for key in view.chunks(brick) if key not in self.here}:
                view.unready(brick, missing)
                return
            view.sent(brick, self.canvas.send(view, brick))
            assert view.outstanding <= self._credit or len(self.canvas.wire) == 1
        elif event == "take" and self.canvas.wire:
            if view.receive(self.canvas.take(), self.now):
                self.replan()
        elif event == "lose":
            self.canvas.lose()
            view.receive(Lost(), self.now)
            self.replan()

    def settle(self, turns: int) -> None:
        """Let everything come, in so many turns at most, that is wanted."""
        for _ in range(turns):
            if self.view.settled and not self.canvas.wire:
                break
            for event in ("load", "send", "take"):
                self.step(event)
        assert self.view.settled
