"""Cells against whole numbers of Python, which look at more squares; ids are those of level 0."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from opsin.images.image import Image
from opsin.images.synthetic import synthetic_image
from opsin.images.synthetic.cells import scales
from opsin.images.synthetic.generator import Block

WORD = 2**64 - 1


def hashed(*numbers: int) -> int:
    """SplitMix64 over numbers, as `hash` has it."""
    x = 0
    for number in numbers:
        x = (x + 0x9E3779B97F4A7C15 * (number + 1)) & WORD
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
        x ^= x >> 31
    return x


def label(place: dict[str, int], sizes: dict[str, int]) -> int:
    """The id at a pixel of level 0, as the docstring of the module has it."""
    volume = "z" in place
    cell, spread = (32, 16) if volume else (64, 24)
    space = tuple(place.get(axis, 0) for axis in "zyx")
    count = 1
    while cell * 64**count * 8 <= max(sizes[axis] for axis in "zyx" if axis in sizes):
        count += 1
    found = (0, 0, 0)
    for scale in range(count):
        side = cell * 64**scale
        seeds = []
        around = [range(p // side - 2, p // side + 3) for p in space]
        for z, y, x in itertools.product(around[0] if volume else [0], *around[1:]):
            corner = (z * side, y * side + z % 2 * side // 2, x * side + y % 2 * side // 2)
            word = hashed(scale, place.get("c", 0), z, y, x)
            period, moment = divmod(place.get("t", 0) if scale == 0 else 0, 8)
            words = [word if n == 0 else hashed_on(word, n) for n in (period, period + 1)]
            seed = []
            for axis, shift in ((0, 42), (1, 21), (2, 0)):
                a, b = ((w >> shift) % 2**21 for w in words)
                part = (a * (8 - moment) + b * moment) // 8
                seed.append(corner[axis] + side // 2 + ((part - 2**20) * spread * side >> 26))
            away = [(s - p) ** 2 for s, p in zip(seed, space, strict=True)]
            seeds.append((sum(away if volume else away[1:]), (z, y, x)))
        seeds.sort()
        if seeds[1][0] - seeds[0][0] < side * side // 32:
            return 0
        if scale == 0:
            found = seeds[0][1]
    squares = [sizes[axis] // cell + 4 if axis in sizes else 1 for axis in "zyx"]
    number = place.get("c", 0) * squares[0] + found[0] + (2 if volume else 0)
    number = number * squares[1] + found[1] + 2
    return number * squares[2] + found[2] + 2 + 1


def hashed_on(word: int, number: int) -> int:
    """The hash of the sequence that has the hash `word`, and one more number."""
    x = (word + 0x9E3779B97F4A7C15 * (number + 1)) & WORD
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
    return x ^ (x >> 31)


def some(image: Image, level: int, count: int) -> list[tuple[int, ...]]:
    """Pixels of a level: at random, some in a row, the first and the last."""
    random = np.random.default_rng(level)
    shape = image.levels[level].shape
    found = [tuple(int(random.integers(n)) for n in shape) for _ in range(count)]
    line = [min(n - 1, n // 3) for n in shape]
    found += [(*line[:-1], min(shape[-1] - 1, line[-1] + i)) for i in range(count)]
    return [*found, tuple(0 for _ in shape), tuple(n - 1 for n in shape)]


@pytest.mark.parametrize(
    ("axes", "level", "count"),
    [("yx", 0, 40), ("yx", 3, 30), ("yx", 9, 20), ("yx", 18, 20), ("zyx", 0, 12), ("zyx", 4, 10)],
)
def test_pixels_of_the_largest_images(axes: str, level: int, count: int) -> None:
    image = synthetic_image("cells", axes=axes, chunk=16 if axes == "yx" else 8)
    sizes = dict(zip(axes, image.shape, strict=True))
    expected, found = [], []
    for index in some(image, level, count):
        place = {axis: i << level for axis, i in zip(axes, index, strict=True)}
        expected.append(label(place, sizes))
        found.append(int(image.read(level, index)))
    assert found == expected
    assert len(set(found)) > count / 3


def test_seeds_wander_and_channels_differ() -> None:
    axes = "tczyx"
    image = synthetic_image("cells", axes=axes, size=(12, 2, 16, 80, 80))
    sizes = dict(zip(axes, image.shape, strict=True))
    random = np.random.default_rng(5)
    for t in (0, 3, 8, 11):
        for _ in range(8):
            index = (t, *(int(random.integers(size)) for size in image.shape[1:]))
            assert image.read(0, index) == label(dict(zip(axes, index, strict=True)), sizes)
    values = image.read(0)
    assert image.axes[1].type == "other"
    assert not set(np.unique(values[:, 0])) - {0} & set(np.unique(values[:, 1]))
    moved = (values[1:] != values[:-1]).mean(axis=(1, 2, 3, 4))
    assert ((moved > 0.005) & (moved < 0.3)).all()
    assert len(set(np.unique(values[0, 0])) & set(np.unique(values[-1, 0]))) > 12


@pytest.mark.parametrize(("axes", "level"), [("yx", 1), ("yx", 4), ("zyx", 2)])
def test_a_coarse_level_holds_what_level_0_has_there(axes: str, level: int) -> None:
    size, start = (1 << 27, 1 << 26) if axes == "yx" else (1 << 20, 1 << 19)
    image = synthetic_image("cells", axes=axes, size=size)
    count = 8 if axes == "yx" else 4
    coarse = image.read(level, [slice(start >> level, (start >> level) + count)] * len(axes))
    geometry = image.levels[level]
    assert geometry.translation == (0.0,) * len(axes)
    fine = image.read(0, [slice(start, start + (count << level))] * len(axes))
    assert (coarse == fine[(slice(None, None, int(geometry.scale[0])),) * len(axes)]).all()


def test_ids_are_unique_and_each_is_one_piece() -> None:
    from scipy import ndimage

    ids = synthetic_image("cells", size=1024, levels=1).read(0)
    parts, count = ndimage.label(ids > 0)
    areas = np.bincount(ids[ids > 0].astype(np.int64))
    areas = areas[areas > 0]
    assert 200 < len(areas) < 340
    # The gaps part all cells from each other.
    assert count == len(areas)
    assert len({(a, b) for a, b in zip(parts[ids > 0], ids[ids > 0], strict=True)}) == count
    assert 1500 < np.median(areas) < 4500
    assert 0.02 < (ids == 0).mean() < 0.2


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_ids_that_do_not_fit_become_others_of_the_type(dtype: str) -> None:
    wide = synthetic_image("cells", chunk=64)
    small = synthetic_image("cells", chunk=64, dtype=dtype)
    assert small.dtype == dtype
    there = [slice(70_000_000, 70_000_256)] * 2
    ids, shorter = wide.read(0, there), small.read(0, there)
    assert ids.max() > np.iinfo(dtype).max
    assert ((ids == 0) == (shorter == 0)).all()
    pairs = {(a, b) for a, b in zip(ids.ravel().tolist(), shorter.ravel().tolist(), strict=True)}
    assert len(pairs) == len(np.unique(ids))
    few = synthetic_image("cells", size=512, dtype="uint8").read(0)
    assert (few == synthetic_image("cells", size=512).read(0)).all()


def test_there_are_tissues_at_every_scale_of_a_large_image() -> None:
    assert [scales(one(size)) for size in (64, 1 << 14, 1 << 15, 1 << 20, 1 << 27)] == [
        1,
        1,
        2,
        2,
        4,
    ]


def one(size: int) -> Block:
    return Block(0, {"y": 0, "x": 0}, {"y": 1, "x": 1}, {"y": size, "x": size})
