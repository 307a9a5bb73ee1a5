"""Policy: what to load first, as frozen data. The planner is the mechanism."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """How a view is filled.

    Attributes:
        name: what a user calls it.
        coarse_steps: how many levels above the target are loaded on the way to it, in this order.
        lookahead: seconds of the present motion that the predicted view lies ahead.
        neighbours: steps to either side along the axis that moved last, loaded ahead.
        slot_share: largest share of a canvas's slots that a plan may fill.
    """

    name: str
    coarse_steps: tuple[int, ...] = (4, 2)
    lookahead: float = 0.3
    neighbours: int = 1
    slot_share: float = 0.75


EXPLORE = Policy("explore")
