"""Journal: what a loader lately asked of its sources, for whoever wants to see it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from opsin.chunks.brick import ChunkKey
from opsin.images.source import Provenance

End: TypeAlias = Literal["came", "given up", "failed"]

KEPT = 2000
"""Entries."""


class Entry(NamedTuple):
    """A chunk that was asked for.

    Attributes:
        key: which one.
        began: when, in seconds of the loop's clock.
        ended: when it was here and decoded, or was given up, or had failed.
        bytes: that were read for it.
        provenance: where it came from.
        end: how it ended.
    """

    key: ChunkKey
    began: float
    ended: float
    bytes: int
    provenance: Provenance
    end: End


class Journal:
    """The last entries, numbered from 0."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self.count = 0
        """Entries so far, those that were forgotten included."""

    def add(self, entry: Entry) -> None:
        """Note what has ended."""
        self._entries.append(entry)
        self.count += 1

    def since(self, number: int) -> Sequence[Entry]:
        """The entries from this number on, as far as they are kept."""
        missing = max(0, len(self._entries) - (self.count - number))
        return list(itertools.islice(self._entries, missing, None))
