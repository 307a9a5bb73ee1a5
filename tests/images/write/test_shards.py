"""Shards: the same file whether its chunks waited in memory or not."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from opsin.images.write.shards import Shard, ShardMemory, Shards
from opsin.images.zarr.codecs import crc32c
from opsin.images.zarr.shards import MISSING


def stored(number: int) -> bytes | None:
    return None if number % 4 == 3 else bytes([number]) * (100 + number)


def written(shard: Shard, path: Path) -> bytes:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        size = shard.write(descriptor)
    finally:
        os.close(descriptor)
    content = path.read_bytes()
    assert len(content) == size
    return content


@pytest.mark.parametrize("limit", [0, 300, 1 << 20])
def test_a_shard_is_its_chunks_in_order_and_their_index(tmp_path: Path, limit: int) -> None:
    memory = ShardMemory(limit)
    shard = Shard(12, 10, tmp_path / "spill", memory)
    order = list(range(10))
    random.Random(1).shuffle(order)
    assert [shard.add(n, stored(n)) for n in order] == [False] * 9 + [True]
    assert (tmp_path / "spill").exists() == (limit < 1000)
    content = written(shard, tmp_path / "shard")
    shard.close()
    assert not (tmp_path / "spill").exists()
    assert memory.take(limit), "what was in memory is given back"
    index, checksum = content[-12 * 16 - 4 : -4], content[-4:]
    assert int.from_bytes(checksum, "little") == crc32c(index)
    at = 0
    for number, (begin, length) in enumerate(np.frombuffer(index, "<u8").reshape(-1, 2).tolist()):
        expected = stored(number) if number < 10 else None
        if expected is None:
            assert begin == length == MISSING
        else:
            assert (begin, content[begin : begin + length]) == (at, expected)
            at += length


def test_shards_at_the_edge_are_complete_with_the_chunks_that_exist(tmp_path: Path) -> None:
    shards = Shards((3, 3), (2, 2), str(tmp_path / "spill"), ShardMemory(0))
    complete = []
    for index in np.ndindex(3, 3):
        found = shards.add(index, b"x" * 9)
        if found is not None:
            complete.append((index, found[0]))
            found[1].close()
    assert complete == [((1, 1), (0, 0)), ((1, 2), (0, 1)), ((2, 1), (1, 0)), ((2, 2), (1, 1))]
    shards.add((0, 0), b"y")
    shards.close()
    assert list(tmp_path.iterdir()) == []


def test_a_shard_of_nothing_is_nothing(tmp_path: Path) -> None:
    shard = Shard(2, 2, tmp_path / "spill", ShardMemory())
    assert [shard.add(0, None), shard.add(1, None)] == [False, True]
    assert not shard.is_something
