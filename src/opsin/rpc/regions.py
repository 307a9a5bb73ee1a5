"""Region: which part of a lazy array is meant, `(start, stop, step)` for each axis. Pure.

Indices of every kind become regions where they are used; only regions travel (protocol/RPC.md).
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from opsin.errors import ProtocolError

Region: TypeAlias = tuple[tuple[int, int, int], ...]

MOST_REGIONS = 1024
LARGEST_CALL = 2**30
"""Bytes that one call may ask for."""


def region_of(index: Any, shape: Sequence[int]) -> tuple[Region, tuple[int | slice, ...]]:
    """The region that an index of an array means, and the index of what comes that finishes it.

    Raises:
        IndexError: it lies outside, has too many parts, or parts other than whole numbers, slices
            and an ellipsis.
    """
    parts = index if isinstance(index, tuple) else (index,)
    region: list[tuple[int, int, int]] = []
    finish: list[int | slice] = []
    for axis, (part, side) in enumerate(zip(_expanded(parts, len(shape)), shape, strict=True)):
        if not isinstance(part, slice):
            place = _whole(part)
            if not -side <= place < side:
                raise IndexError(f"{place} lies outside axis {axis}, which has {side} elements.")
            region.append((place % side, place % side + 1, 1))
            finish.append(0)
            continue
        wanted = range(*part.indices(side))
        backwards = wanted.step < 0
        if backwards:
            wanted = wanted[::-1]
        region.append((wanted[0], wanted[-1] + 1, wanted.step) if wanted else (0, 0, 1))
        finish.append(slice(None, None, -1 if backwards else None))
    return tuple(region), tuple(finish)


def _expanded(parts: tuple[Any, ...], axes: int) -> tuple[Any, ...]:
    """The same parts, one for each axis."""
    places = [n for n, part in enumerate(parts) if part is Ellipsis]
    if len(places) > 1:
        raise IndexError("An index has at most one ellipsis.")
    missing = axes - len(parts) + len(places)
    if missing < 0:
        raise IndexError(f"An index of {len(parts)} parts is too long for {axes} axes.")
    place = places[0] if places else len(parts)
    return (*parts[:place], *[slice(None)] * missing, *parts[place + 1 :])


def _whole(part: Any) -> int:
    try:
        if isinstance(part, bool):
            raise TypeError
        return operator.index(part)
    except TypeError:
        raise IndexError(
            "A lazy array is indexed with whole numbers, slices and an ellipsis: for anything else "
            "read a region, and index that."
        ) from None


def check_regions(claimed: Any, shape: Sequence[int], itemsize: int) -> list[Region]:
    """Regions that came from outside.

    Raises:
        ProtocolError: they are not what a call may ask for.
    """
    if not isinstance(claimed, list) or len(claimed) > MOST_REGIONS:
        raise ProtocolError(f"A lazy array is read by lists of up to {MOST_REGIONS} regions.")
    regions = [_checked(one, shape) for one in claimed]
    if sum(math.prod(shape_of(region)) for region in regions) * itemsize > LARGEST_CALL:
        raise ProtocolError(f"One call reads at most {LARGEST_CALL} bytes: make several.")
    return regions


def _checked(claimed: Any, shape: Sequence[int]) -> Region:
    if not isinstance(claimed, list) or len(claimed) != len(shape):
        raise ProtocolError(f"A region of this array has {len(shape)} axes.")
    for part, side in zip(claimed, shape, strict=True):
        if not isinstance(part, list) or len(part) != 3 or any(type(n) is not int for n in part):
            raise ProtocolError("A region has three whole numbers for each axis.")
        start, stop, step = part
        if not (0 <= start <= stop <= side and step >= 1):
            raise ProtocolError(f"A region reaches outside the array: {part} of {side}.")
    return tuple((start, stop, step) for start, stop, step in claimed)


def shape_of(region: Region) -> tuple[int, ...]:
    """The shape of what a region holds."""
    return tuple(len(range(*part)) for part in region)


def slices_of(region: Region) -> tuple[slice, ...]:
    """The region as an index of an array."""
    return tuple(slice(*part) for part in region)


def split(
    region: Region, largest: int, grid: Sequence[int] | None = None
) -> Iterator[tuple[tuple[slice, ...], Region]]:
    """The region in pieces of up to `largest` elements (at least one), each with its place in what
    the whole region holds. Cuts lie on the `grid` of chunks where there is one.
    """
    shape = shape_of(region)
    count = math.prod(shape)
    if count <= max(1, largest):
        yield tuple(slice(0, side) for side in shape), region
        return
    # The first axis that can be cut: what comes together then lies together.
    axis = next(n for n, side in enumerate(shape) if side > 1)
    start, stop, step = region[axis]
    together = max(1, largest * shape[axis] // count)  # elements along the axis
    place = 0
    while place < shape[axis]:
        end = min(place + together, shape[axis])
        if grid is not None and end < shape[axis]:
            border = (start + end * step) // grid[axis] * grid[axis]
            end = max(-(-(border - start) // step), place) if border > start else place
            end = end if end > place else min(place + together, shape[axis])
        part = (start + place * step, min(start + end * step, stop), step)
        piece = (*region[:axis], part, *region[axis + 1 :])
        for inner, smaller in split(piece, largest, grid):
            where = slice(place + inner[axis].start, place + inner[axis].stop)
            yield (*inner[:axis], where, *inner[axis + 1 :]), smaller
        place = end


def blocks_of(region: Region, grid: Sequence[int]) -> list[Region]:
    """The boxes of whole blocks of a grid, without steps, that a region needs; in block numbers."""
    runs = [_runs(part, side) for part, side in zip(region, grid, strict=True)]
    return list(itertools.product(*runs))


def _runs(part: tuple[int, int, int], side: int) -> list[tuple[int, int, int]]:
    wanted = range(*part)
    if not wanted:
        return []
    if wanted.step <= side:
        return [(wanted[0] // side, wanted[-1] // side + 1, 1)]
    return [(n // side, n // side + 1, 1) for n in wanted]
