"""Policy: what to load first, as frozen data. The planner is the mechanism."""

from __future__ import annotations

from dataclasses import dataclass

from opsin.errors import UsageError


@dataclass(frozen=True, slots=True)
class Policy:
    """How a view is filled.

    Attributes:
        name: what a user calls it.
        coarse_steps: how many levels above the target are loaded on the way to it, in this order.
        lookahead: seconds of the present motion that the predicted view lies ahead, and of slices
            that are loaded ahead while they are played; 0: none.
        neighbours: steps along the axis that moved last, in its direction, loaded ahead.
        behind: steps the other way.
        slot_share: largest share of a canvas's slots that a plan may fill.
        quality: data pixels per device pixel that the target level has at least.
        bricks: most bricks of a view in 3D.
        fetches: chunks read or decoded at once; of sources that have to be waited for, as many as
            their link bears.
    """

    name: str
    coarse_steps: tuple[int, ...] = (4, 2)
    lookahead: float = 0.3
    neighbours: int = 1
    behind: int = 1
    slot_share: float = 0.75
    quality: float = 1.0
    bricks: int = 512
    fetches: int = 12


EXPLORE = Policy("explore")
"""For looking around."""

PLAYBACK = Policy("playback", coarse_steps=(2,), lookahead=0.5, neighbours=4, behind=0)
"""For playing z or t: the next slices count more than what lies beside the canvas."""

REMOTE = Policy("remote", lookahead=0.6, neighbours=2, fetches=24)
"""For sources that are far away: more on its way at once, and further ahead."""

LOW_MEMORY = Policy(
    "low_memory",
    coarse_steps=(2,),
    lookahead=0.0,
    neighbours=0,
    behind=0,
    slot_share=0.5,
    quality=0.5,
    bricks=128,
    fetches=4,
)
"""For small computers: nothing ahead of time, and half the resolution of the screen."""

POLICIES = {policy.name: policy for policy in (EXPLORE, PLAYBACK, REMOTE, LOW_MEMORY)}


def policy_named(name: str) -> Policy:
    """The preset of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in POLICIES:
        raise UsageError(f"There is no policy {name!r}: choose {', '.join(POLICIES)}.")
    return POLICIES[name]
