"""Planner: one kind of bricks of one canvas: which of them it wants, and how they are made. Pure.

A view has a planner of each kind, and knows by them alone what there is to show. How much a canvas
holds of a brick is a number: 1 of one that is sent as a whole.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

from opsin.chunks.brick import ChunkKey
from opsin.chunks.plan import Tier
from opsin.chunks.policy import Policy
from opsin.chunks.window import Pace
from opsin.images.layer import Layer
from opsin.images.points.layer import PointsLayer
from opsin.images.source import Array
from opsin.views.messages import Look, VolumeLook, WireBrick

BrickT = TypeVar("BrickT", bound=WireBrick)
LayerT = TypeVar("LayerT", bound=Layer | PointsLayer)
Held: TypeAlias = Mapping[WireBrick, int]
"""How much of each brick a canvas holds, or is being sent; of all kinds."""
Payload: TypeAlias = bytes | memoryview


class AnyWant(Protocol):
    """One wanted brick: which one, why, and how many bytes of it are to be sent."""

    @property
    def brick(self) -> WireBrick: ...
    @property
    def tier(self) -> Tier: ...
    @property
    def bytes(self) -> int: ...


class Planner(ABC, Generic[BrickT, LayerT]):
    """What plans for one kind of bricks, and makes them."""

    address: ClassVar[type[WireBrick]]
    """The class of their addresses."""
    behind: ClassVar[bool] = False
    """Whether they come after bricks of other kinds that are as urgent."""
    lasts: ClassVar[bool] = False
    """Whether a canvas still has them when everything on its graphics card is lost."""
    passing = False
    """Whether `targets` are coarser than they will be once the slices are no longer played."""
    rests_at = math.inf
    """When playing is over, if no further slice is shown until then."""

    def __init__(self, layers: Mapping[int, LayerT]) -> None:
        """Plan for these layers by id: all of the scene whose bricks are of this kind."""
        self.layers: Mapping[int, LayerT] = layers
        self.targets: Mapping[int, int] = {}
        """The level that each visible layer aims at."""

    @abstractmethod
    def follow(self, look: Look | VolumeLook, now: float) -> Collection[int]:
        """Look somewhere else, at time `now`.

        Returns:
            Ids of layers of whose bricks the canvas drops all that it was sent before.

        Raises:
            ProtocolError: a number in the look is out of any sensible range.
        """

    def rest(self, now: float) -> bool:
        """Notice at time `now` that playing is over; True: plan again."""
        return False

    @abstractmethod
    def plan(
        self, held: Held, policy: Policy, slots: int, pace: Pace | None
    ) -> tuple[Sequence[AnyWant], int]:
        """What is wanted, most urgent first, held bricks included.

        Returns:
            The wants, and how many bytes of the slots are not left for other kinds.
        """

    def amount(self, brick: BrickT) -> int:
        """How much of a brick is wanted, if it is."""
        return 1

    def news(self, generation: int) -> Any:
        """The message that a canvas has to have before bricks of this plan, once; None: none."""
        return None

    @abstractmethod
    def chunks(self, brick: BrickT) -> Iterator[ChunkKey]:
        """The chunks that a brick is made of."""

    @abstractmethod
    def message(
        self,
        generation: int,
        brick: BrickT,
        chunks: Mapping[ChunkKey, Array],
        held: int,
        from_memory: bool,
    ) -> tuple[Any, Payload]:
        """The header and the payload of what is wanted of a brick and not yet `held`."""

    def _shown(self, visible: Collection[int], displayed: Collection[str]) -> dict[int, LayerT]:
        """The visible layers that have the displayed axes."""
        found = {n: self.layers[n] for n in visible if n in self.layers}
        names = {n: {axis.name for axis in layer.axes} for n, layer in found.items()}
        twice = len(set(displayed)) < len(displayed)
        return {n: found[n] for n in found if names[n].issuperset(displayed) and not twice}


AnyPlanner: TypeAlias = Planner[Any, Any]
