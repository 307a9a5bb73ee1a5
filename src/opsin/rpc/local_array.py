"""Local array: a lazy array that is read in the process that has it, as if it came over a link."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opsin.rpc.arrays import Array
from opsin.rpc.lazy_array import LazyArray, Piece
from opsin.rpc.lazy_source import LazySource


class LocalArray(LazyArray):
    """Like the array that the other side of a link gets of a source."""

    def __init__(self, source: LazySource) -> None:
        super().__init__(source._opsin_lazy())
        self._source = source

    def get_many(self, indices: Iterable[Any]) -> list[Any]:
        """Several parts. Nothing is waited for but the disk or the network that they come from."""
        steps = self._steps(list(indices))
        try:
            pieces = next(steps)
            while True:
                pieces = steps.send(self._read(pieces))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    async def read_many(self, indices: Iterable[Any]) -> list[Any]:
        """The same, in the event loop."""
        return self.get_many(indices)

    def release(self) -> None:
        """There is nobody to be told."""

    def __repr__(self) -> str:
        return f"<lazy array {self.dtype.name} {self.shape} of this process>"

    def _read(self, pieces: list[Piece]) -> list[Array]:
        return self._source.read([[list(part) for part in region] for _, _, region in pieces])
