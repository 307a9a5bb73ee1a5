"""Queue: wanted chunks of several images in one order, walked once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from opsin.chunks.brick import ChunkKey


class Queue:
    """Keys in order of urgency, with a place for each image up to which nothing is due.

    Looking for the next key starts there, so that serving a long queue costs its length and not
    its square. What makes an earlier key due again rewinds.
    """

    def __init__(self, order: Iterable[ChunkKey] = ()) -> None:
        self._keys: dict[int, list[tuple[int, ChunkKey]]] = {}
        for rank, key in enumerate(order):
            self._keys.setdefault(key.image, []).append((rank, key))
        self._places = dict.fromkeys(self._keys, 0)

    def __len__(self) -> int:
        """Number of images."""
        return len(self._keys)

    def rewind(self) -> None:
        """Look at everything again."""
        self._places = dict.fromkeys(self._keys, 0)

    def first(
        self, is_due: Callable[[ChunkKey], bool], full: Collection[int] = ()
    ) -> ChunkKey | None:
        """The most urgent key that is due, of an image that is not in `full`; None if none is."""
        best: tuple[int, ChunkKey] | None = None
        for image, keys in self._keys.items():
            if image in full:
                continue
            place = self._places[image]
            while place < len(keys) and not is_due(keys[place][1]):
                place += 1
            self._places[image] = place
            if place < len(keys) and (best is None or keys[place] < best):
                best = keys[place]
        return None if best is None else best[1]
