"""Volume plan: which bricks a view in 3D wants, in order. Pure.

The bricks that are drawn are a cut of each layer's octree (`octree`). It begins with the roots, the
*base*, which is always wanted, and is refined step by step: a brick is replaced by its children
where voxels are larger on the canvas than one device pixel, divided by `Policy.quality`. The step
that improves most comes first: by the size of a voxel on the canvas times the area, less far away
from the camera's centre, where nobody looks. It ends where everything is fine enough, or where the
budget of bricks and bytes is spent, in which the bricks on the way are counted too: one that was
replaced is wanted until its children are there, and kept after that.

What was refined in the plan before has an advantage (`visible_tree.STICKY`) and the last part of
the budget (`RESERVE`), so that a camera that trembles does not make bricks come and go.

Layers get equal shares of the budget; what one does not need the others have.

Only what is visible is looked at, in batches, so that neither the size of an image nor the number
of its levels matters.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from opsin.chunks.camera import slice_index
from opsin.chunks.plan import Tier
from opsin.chunks.policy import Policy
from opsin.chunks.visible_tree import Cut, VisibleTree
from opsin.chunks.volume_brick import VolumeBrick
from opsin.chunks.volume_camera import VolumeCamera
from opsin.images.layer import Layer

RESERVE = 0.1
"""Share of the budget that only serves to stay as fine as before."""

BATCH = 32
"""Bricks whose children are looked at together; most of them are needed soon."""


class VolumeWant(NamedTuple):
    """One wanted brick."""

    brick: VolumeBrick
    tier: Tier
    bytes: int


Cost = tuple[int, int]
"""Bricks, and their bytes."""


NEAREST = 8
"""Bricks of each level around the camera's centre that are looked at in advance."""


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """What a view in 3D wants.

    Attributes:
        wants: most urgent first, held ones included. `BASE` are roots, `COARSE` bricks that others
            replace, `TARGET` those that are drawn in the end.
        roots: the visible roots, the nearest to the camera's centre first.
        children: of each refined brick, the visible ones, which replace it.
        targets: the finest level that is drawn of each layer in the end.
        limited: whether something visible is coarser than it should be, or missing, because the
            budget is spent.
        cuts: of each layer what was refined, for the next plan.
    """

    wants: tuple[VolumeWant, ...] = ()
    roots: tuple[VolumeBrick, ...] = ()
    children: dict[VolumeBrick, tuple[VolumeBrick, ...]] = field(default_factory=dict)
    targets: Mapping[int, int] = field(default_factory=dict)
    limited: bool = False
    cuts: Mapping[int, Cut] = field(default_factory=dict, compare=False, repr=False)

    def cover(self, held: Set[VolumeBrick]) -> Iterator[VolumeBrick]:
        """The held bricks to draw now: each visible place in one of them.

        A brick is drawn until all its visible children can be; without it, those that can.
        """
        replaced = _replaced(self.children, held)
        ahead = list(reversed(self.roots))
        while ahead:
            brick = ahead.pop()
            if brick in self.children and (brick in replaced or brick not in held):
                ahead.extend(reversed(self.children[brick]))
            elif brick in held:
                yield brick


def plan_volume(
    layers: Mapping[int, Layer],
    camera: VolumeCamera,
    held: Set[VolumeBrick],
    policy: Policy,
    slots: int,
    before: VolumePlan | None = None,
    finest: int = 0,
) -> VolumePlan:
    """What a view in 3D wants, most urgent first.

    Args:
        layers: the layers that are shown, by id; all have the axes that the camera displays.
        camera: from where one looks.
        held: the bricks that the canvas has.
        policy: `quality`, and at most `bricks` of them.
        slots: bytes that the canvas can hold. A plan fills at most `policy.slot_share` of it (the
            base, if need be, all).
        before: the plan before, from which little will differ.
        finest: the finest level that is wanted.
    """
    cuts = before.cuts if before else {}
    shown = [
        VisibleTree(number, layer, camera, policy.quality, cuts.get(number), finest)
        for number, layer in layers.items()
        if slice_index(layer, 0, camera) is not None
    ]
    plan = _Planning(shown, policy, slots)
    plan.add_bases()
    plan.refine()
    return plan.result(held)


class _Planning:
    """The budget, and the cuts that are refined under it. A brick is a tree and a node of it."""

    def __init__(self, trees: Sequence[VisibleTree], policy: Policy, slots: int) -> None:
        self._trees = trees
        self._slots = (policy.bricks, slots)
        self._most = (policy.bricks, int(slots * policy.slot_share))
        self._spent = (0, 0)
        self._spent_on = {tree.number: (0, 0) for tree in trees}
        self._roots: list[tuple[VisibleTree, int]] = []
        self._refined: list[tuple[VisibleTree, int]] = []
        self._full: set[int] = set()
        """Layers for which no room is left, but for what was refined before."""
        self._limited = False

    def add_bases(self) -> None:
        """Take the roots, those of all layers in turns, the nearest first."""
        roots = [tree.roots(self._slots[0] + 1) for tree in self._trees]
        for tree in self._trees:
            tree.recall()
        for turn in range(max(map(len, roots), default=0)):
            for tree, nodes in zip(self._trees, roots, strict=True):
                if turn < len(nodes):
                    cost = (1, tree.bytes[turn])
                    if not _fits(self._spent, cost, self._slots):
                        self._limited = True
                        return
                    self._spend(tree, cost)
                    self._roots.append((tree, nodes[turn]))

    def refine(self) -> None:
        """Replace bricks by their children, first within the shares of the layers."""
        count = max(1, len(self._trees))
        share = (self._most[0] * (1 - RESERVE) / count, self._most[1] * (1 - RESERVE) / count)
        late: list[tuple[VisibleTree, int]] = []
        queue = _Queue(self._roots)
        while (found := queue.first(self._full, self._steps_left)) is not None:
            tree, node = found
            cost = _cost(tree, node)
            if count > 1 and not _fits(self._spent_on[tree.number], cost, share):
                late.append(found)
            elif self._refine(tree, node, cost):
                queue.add_children(tree, node)
        queue = _Queue(late)
        while (found := queue.first(self._full, self._steps_left)) is not None:
            tree, node = found
            if self._refine(tree, node, _cost(tree, node)):
                queue.add_children(tree, node)

    def result(self, held: Set[VolumeBrick]) -> VolumePlan:
        """The plan, for a canvas that holds some bricks."""
        names = {tree: tree.bricks() for tree in self._trees}
        roots = [(names[tree][node], tree.bytes[node]) for tree, node in self._roots]
        bricks: list[VolumeBrick] = []
        sizes: list[int] = []
        children: dict[VolumeBrick, tuple[VolumeBrick, ...]] = {}
        for tree, node in self._refined:
            finer = tree.children[node]
            own = names[tree][finer.start : finer.stop]
            children[names[tree][node]] = tuple(own)
            bricks += own
            sizes += tree.bytes[finer.start : finer.stop]
        replaced = _replaced(children, held)
        wants = [VolumeWant(brick, Tier.BASE, size) for brick, size in roots]
        kept: list[VolumeWant] = []
        targets = {tree.number: tree.base for tree in self._trees}
        for brick, size in zip(bricks, sizes, strict=True):
            if brick not in children:
                wants.append(VolumeWant(brick, Tier.TARGET, size))
                targets[brick.layer] = min(targets[brick.layer], brick.level)
            elif brick not in replaced:
                wants.append(VolumeWant(brick, Tier.COARSE, size))
            elif brick in held:
                kept.append(VolumeWant(brick, Tier.COARSE, size))
        cuts = {
            tree.number: tree.cut([node for owner, node in self._refined if owner is tree])
            for tree in self._trees
        }
        return VolumePlan(
            wants=(*wants, *kept),
            roots=tuple(brick for brick, _ in roots),
            children=children,
            targets=targets,
            limited=self._limited,
            cuts=cuts,
        )

    @property
    def _steps_left(self) -> int:
        """About how many more bricks can be refined."""
        return (self._most[0] - self._spent[0]) // 4

    def _refine(self, tree: VisibleTree, node: int, cost: Cost) -> bool:
        """Replace a brick, if there is room; one that was refined before may use all of it."""
        bound = 1.0 if tree.sticky[node] else 1 - RESERVE
        if not _fits(self._spent, cost, (self._most[0] * bound, self._most[1] * bound)):
            self._limited = True
            if not tree.sticky[node]:
                self._full.add(tree.number)
            return False
        self._spend(tree, cost)
        self._refined.append((tree, node))
        return True

    def _spend(self, tree: VisibleTree, cost: Cost) -> None:
        self._spent = _sum(self._spent, cost)
        self._spent_on[tree.number] = _sum(self._spent_on[tree.number], cost)


class _Queue:
    """Nodes that are not fine enough, the one whose refinement gains most first."""

    def __init__(self, nodes: Iterable[tuple[VisibleTree, int]]) -> None:
        self._heap: list[tuple[float, int, int, VisibleTree]] = []
        self._count = 0
        for tree, node in nodes:
            self._push(tree, node, math.inf)

    def add_children(self, tree: VisibleTree, node: int) -> None:
        """Take in the children of a node that was refined."""
        for child in tree.children[node]:
            self._push(tree, child, tree.gains[node])

    def first(self, full: Set[int], likely: int) -> tuple[VisibleTree, int] | None:
        """The node whose turn it is; its children have been looked at.

        Args:
            full: layers of which only nodes that were refined before are of interest.
            likely: how many nodes will have their turn, about.
        """
        while self._heap:
            _, _, node, tree = heapq.heappop(self._heap)
            if tree.number in full and not tree.sticky[node]:
                continue
            if node not in tree.children:
                # The first entries of a heap are nearly those that come next.
                count = min(BATCH, max(likely, 4))
                near = self._heap[: 2 * count]
                ahead = [n for _, _, n, t in near if t is tree and n not in tree.children]
                tree.look([node, *ahead[: count - 1]], 0 if tree.children else NEAREST)
            return tree, node
        return None

    def _push(self, tree: VisibleTree, node: int, most: float) -> None:
        if (gain := tree.gains[node]) > 0:
            # A brick gains no more than the one that it is a part of: so what is refined is what
            # gains most, however much of the budget there is.
            gain = tree.gains[node] = min(gain, most)
            self._count += 1
            heapq.heappush(self._heap, (-gain, self._count, node, tree))


def _cost(tree: VisibleTree, node: int) -> Cost:
    """Number and bytes of a node's children."""
    nodes = tree.children[node]
    return len(nodes), sum(tree.bytes[nodes.start : nodes.stop])


def _replaced(
    children: dict[VolumeBrick, tuple[VolumeBrick, ...]], held: Set[VolumeBrick]
) -> set[VolumeBrick]:
    """Refined bricks in whose place finer ones can be drawn; `children` begins with the roots.

    One of which no child is visible is, as it turned out, not visible either.
    """
    covered = {brick for finer in children.values() for brick in finer if brick in held}
    replaced: set[VolumeBrick] = set()
    for brick in reversed(children):
        if covered.issuperset(children[brick]):
            replaced.add(brick)
            covered.add(brick)
    return replaced


def _sum(first: Cost, second: Cost) -> Cost:
    return first[0] + second[0], first[1] + second[1]


def _fits(spent: Cost, cost: Cost, most: tuple[float, float]) -> bool:
    return spent[0] + cost[0] <= most[0] and spent[1] + cost[1] <= most[1]
