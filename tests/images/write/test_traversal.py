"""Traversal and filling: everything once, shard by shard, in boxes that fit the original."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.images.image import Image, Level
from opsin.images.memory import image_from_array
from opsin.images.pyramid import Spares
from opsin.images.write.filling import Filling
from opsin.images.write.layout import Layout, layout_of
from opsin.images.write.options import Options
from opsin.images.write.traversal import GROWN, LARGEST, boxes, z_order


def image_of(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Image:
    """Its pixels are not there."""
    pixels = np.broadcast_to(np.uint16(0), shape)
    return image_from_array(pixels, axes="zyx"[-len(shape) :], chunks=chunks)


@st.composite
def layouts(draw: Any) -> Layout:
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 200), st.integers(1, 200)))
    theirs = draw(st.tuples(st.integers(1, 9), st.integers(1, 220), st.integers(1, 220)))
    chunks = draw(st.tuples(st.sampled_from([1, 2, 4]), *[st.sampled_from([8, 10, 64])] * 2))
    shards = None
    if draw(st.booleans()):
        shards = tuple(n * draw(st.integers(1, 3)) for n in chunks)
    halve = ("z", "y", "x") if chunks[0] > 1 and draw(st.booleans()) else ("y", "x")
    return layout_of(image_of(shape, theirs), Options(None, chunks, shards, halve=halve))


@settings(max_examples=80, deadline=None)
@given(layouts())
def test_boxes_cover_everything_once_shard_by_shard(layout: Layout) -> None:
    seen: list[tuple[int, ...]] = []
    shards: list[tuple[int, ...]] = []
    for box in boxes(layout):
        seen += box.chunks()
        of = {tuple(i // n for i, n in zip(c, layout.files, strict=True)) for c in box.chunks()}
        if layout.shards is not None:
            (shard,) = of
            if not shards or shards[-1] != shard:
                shards.append(shard)
    assert len(seen) == len(set(seen)) == np.prod(layout.levels[0].grid)
    assert len(shards) == len(set(shards)), "one that was left is gone back to"


@settings(max_examples=80, deadline=None)
@given(layouts(), st.data())
def test_chunks_are_filled_from_whatever_there_is(layout: Layout, data: Any) -> None:
    level, original = layout.levels[0], layout.original
    array = np.random.default_rng(0).integers(0, 1 << 16, level.shape).astype(np.uint16)
    every = list(level.chunks_in((0,) * 3, level.shape))
    some = data.draw(st.lists(st.sampled_from(every), min_size=1, unique=True))
    filling = Filling(level, original, some, Spares(level.chunks, array.dtype))
    sources = list(filling.sources())
    assert len(sources) == len(set(sources))
    done = {}
    for source in data.draw(st.permutations(sources)):
        for index, block, _ in filling.place(source, cut(array, original, source)):
            assert index not in done
            done[index] = block.copy()
    assert done.keys() == set(some)
    for index, block in done.items():
        np.testing.assert_array_equal(block, cut(array, level, index))


def cut(array: Any, level: Level, index: tuple[int, ...]) -> Any:
    return array[tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, level.chunks, strict=True))]


def test_boxes_are_whole_chunks_of_the_original_as_far_as_they_fit() -> None:
    def first(shape: tuple[int, ...], theirs: tuple[int, ...], **options: Any) -> tuple[int, ...]:
        layout = layout_of(image_of(shape, theirs), Options(**options))
        box = next(boxes(layout))
        chunk = math.prod(layout.levels[0].chunks)
        assert 2 * chunk * len(list(box.chunks())) <= max(LARGEST, 4 * math.prod(theirs))
        return box.stop

    assert GROWN == 32 << 20
    # Whole strips, a row of chunks at a time.
    assert first((20000, 30000), (16, 30000)) == (1, 59)
    # So wide that they do not fit: strips are read several times.
    assert first((20000, 300000), (16, 300000))[1] < 586
    # But not if one of them is as large as that anyway.
    assert first((8192, 300000), (4096, 300000)) == (8, 586)
    assert first((40, 4096, 4096), (40, 512, 512)) == (40, 1, 1)
    # Not beyond a shard.
    assert first((8192, 8192), (64, 8192), shards=(1024,)) == (2, 2)


def test_z_order() -> None:
    assert list(z_order((2, 3), (0, 1))) == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (1, 2)]
    assert list(z_order((2, 1, 2), (1, 2))) == [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1)]
    assert list(z_order((2, 2), ())) == [(0, 0), (0, 1), (1, 0), (1, 1)]
