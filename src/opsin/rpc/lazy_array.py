"""Lazy array: an array of the other side, whose parts come when they are asked for.

    part = array[10, :512, ::2]                # in code that waits: plugins, threads
    part = await array.read((10, slice(512)))      # in the event loop
    whole = np.asarray(array)

What comes is a read-only NumPy array. Nothing is kept here; the owner keeps what it has read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Iterable, Iterator
from typing import Any, NoReturn, TypeAlias

import numpy as np

from opsin.errors import ProtocolError, UsageError
from opsin.rpc.arrays import Array
from opsin.rpc.blocking import wait_for
from opsin.rpc.codec import Lazy, register_lazy
from opsin.rpc.held import Held
from opsin.rpc.regions import MOST_REGIONS, Region, region_of, shape_of, split

TOGETHER = 2**25
"""Bytes that are asked for in one call; what is larger comes in several, and is put together."""

_ELSEWHERE = (
    "A lazy array can be read only in the process that got it: read the part you need before you "
    "start processes."
)

Piece: TypeAlias = tuple[int, tuple[slice, ...], Region]
"""A part of the answer: to which index it belongs, its place there, and what to ask for."""


class LazyArray:
    """An array that lives on the other side. Indexed with whole numbers, slices and an ellipsis.

    Attributes:
        shape, dtype, ndim, size, nbytes: as of a NumPy array.
        chunks: the blocks in which it is read with the least waste, if there are any.
    """

    def __init__(self, lazy: Lazy) -> None:
        self.shape = lazy.shape
        self.dtype = lazy.dtype
        self.chunks = lazy.chunks
        self.ndim = len(lazy.shape)
        self.size = math.prod(lazy.shape)
        self.nbytes = self.size * lazy.dtype.itemsize
        self._lazy = lazy
        self._process = os.getpid()

    async def read(self, index: Any = ...) -> Any:
        """A part of the array. Cancelling this ends the reading over there.

        Raises:
            IndexError: the index lies outside, or is none.
            ProtocolError: what came is not what was asked for.
        """
        return (await self.read_many([index]))[0]

    async def read_many(self, indices: Iterable[Any]) -> list[Any]:
        """Several parts, with as few calls as can be."""
        steps = self._steps(list(indices))
        try:
            pieces = next(steps)
            while True:
                pieces = steps.send(await self._call(pieces))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Any:
        """A part of the array, waited for.

        Raises:
            UsageError: this is the event loop, where `read` is awaited instead.
            IndexError: the index lies outside, or is none.
            ProtocolError: what came is not what was asked for.
        """
        return self.get_many([index])[0]

    def get_many(self, indices: Iterable[Any]) -> list[Any]:
        """Several parts, waited for, with as few calls as can be."""
        steps = self._steps(list(indices))
        try:
            pieces = next(steps)
            while True:
                pieces = steps.send(wait_for(self._held.peer, self._call(pieces)))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """The whole array, waited for: what `np.asarray` gives."""
        if copy is False:
            raise ValueError("A lazy array is not here, so its content cannot come uncopied.")
        whole = np.asarray(self[...])
        return whole.astype(whole.dtype if dtype is None else dtype, copy=bool(copy))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("An array without axes has no length.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[n] for n in range(len(self)))

    def release(self) -> None:
        """Let go of the array now, and not when this is collected."""
        if os.getpid() == self._process:
            self._held.release()

    def __reduce__(self) -> NoReturn:
        raise UsageError(_ELSEWHERE)

    def __repr__(self) -> str:
        return f"<lazy array {self.dtype.name} {self.shape} of the other side>"

    @property
    def _held(self) -> Held:
        if os.getpid() != self._process:  # nobody would answer: the event loop is not here
            raise UsageError(_ELSEWHERE)
        held: Held = self._lazy.source._held
        return held

    def _opsin_lazy(self) -> Lazy:
        return self._lazy

    async def _call(self, pieces: list[Piece]) -> list[Array]:
        regions = [region for _, _, region in pieces]
        arrays = await self._held.peer.call(self._held, "read", [regions], {})
        shapes = [shape_of(region) for region in regions]
        is_right = isinstance(arrays, list) and len(arrays) == len(shapes)
        if not is_right or not all(map(self._is_part, arrays, shapes)):
            raise ProtocolError("A lazy array gave something else than it was asked for.")
        return arrays  # type: ignore[no-any-return]

    def _is_part(self, found: Any, shape: tuple[int, ...]) -> bool:
        if not isinstance(found, np.ndarray):
            return False
        return bool(found.shape == shape and found.dtype == self.dtype)

    def _steps(self, indices: list[Any]) -> Generator[list[Piece], list[Array], list[Any]]:
        """What to ask for, in turns with what has come; in the end, what the indices mean."""
        plans = [region_of(index, self.shape) for index in indices]
        found: list[Array | None] = [None] * len(plans)
        for n, (region, _) in enumerate(plans):
            shape = shape_of(region)
            if math.prod(shape) * self.dtype.itemsize > TOGETHER or 0 in shape:
                found[n] = np.empty(shape, self.dtype)
        for pieces in self._calls([region for region, _ in plans]):
            for (n, place, _), part in zip(pieces, (yield pieces), strict=True):
                whole = found[n]
                if whole is None:
                    found[n] = part
                else:
                    whole[place] = part
        parts = []
        for whole, (_, finish) in zip(found, plans, strict=True):
            assert whole is not None
            whole.flags.writeable = False
            parts.append(whole[finish])
        return parts

    def _calls(self, regions: list[Region]) -> Iterator[list[Piece]]:
        """What to ask for in each call."""
        most = max(1, TOGETHER // self.dtype.itemsize)
        pieces: list[Piece] = []
        count = 0
        for n, region in enumerate(regions):
            for place, piece in split(region, most, self.chunks):
                size = math.prod(shape_of(piece))
                if size == 0:
                    continue
                if pieces and (count + size > most or len(pieces) == MOST_REGIONS):
                    yield pieces
                    pieces, count = [], 0
                pieces.append((n, place, piece))
                count += size
        if pieces:
            yield pieces


register_lazy(LazyArray, LazyArray._opsin_lazy)
