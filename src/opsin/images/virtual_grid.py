"""Virtual grid: how data without chunks of its own, in C order, is cut so that a part is a part."""

from __future__ import annotations

from collections.abc import Sequence

PIECE_BYTES = 1 << 20
"""About so large are the pieces."""
ROW_BYTES = 32 << 10
"""Rows of up to so many bytes stay whole: then a piece is one read."""
RUN_BYTES = 4 << 10
"""Longer rows are cut into runs of so many bytes: what a disk reads at least."""


def virtual_chunks(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Chunk shape for an array of `shape` whose last axis is the fastest.

    Whole rows, whole planes and so on from the last axis, as many as make up about 1 MiB; long
    rows are cut, so that a window into a wide image does not read the image from side to side.
    """
    room = max(1, PIECE_BYTES // itemsize)
    chunks = [1] * len(shape)
    taken, cut = 1, None
    for axis in reversed(range(len(shape))):
        size = max(1, shape[axis])
        count = min(size, max(1, room // taken))
        if taken * itemsize < RUN_BYTES // 16 and taken * size * itemsize > ROW_BYTES:
            count = min(count, max(1, RUN_BYTES // (taken * itemsize)))
            cut = axis
        chunks[axis] = count
        taken *= count
        if count < size and axis != cut:
            break
    if cut is not None and 2 * taken <= room:  # a long row, but few of them
        chunks[cut] = min(max(1, shape[cut]), chunks[cut] * (room // taken))
    return tuple(chunks)
