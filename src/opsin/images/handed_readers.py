"""Handed readers: those that lie above `opsin.images`, and are handed to it to be asked as well.

They are named with what loads them, so that nobody waits for one that is never asked.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

Load = Callable[[], ModuleType]

_loads: dict[str, Load] = {}


def hand_over(name: str, load: Load) -> None:
    """Have a reader asked from now on. Idempotent.

    Args:
        name: by which it is known here.
        load: gives the reader: a module as `opsin.images.readers` describes it.
    """
    _loads[name] = load


def handed_over() -> tuple[ModuleType, ...]:
    """All of them, in the order of their names."""
    return tuple(_loads[name]() for name in sorted(_loads))
