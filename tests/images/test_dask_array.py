"""Images over Dask arrays: one block at a time, and nobody waits for a slow one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import dask.array as da
import numpy as np
import pytest
from dask.delayed import delayed
from distributed import Client, LocalCluster, get_worker
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.brick import ChunkKey
from opsin.chunks.loader import Loader
from opsin.errors import ReadError, UsageError
from opsin.images import dask_array
from opsin.images.memory import image_from_array
from opsin.images.source import Array

META = np.zeros((0, 0), "u2")
ARRAY = np.arange(120 * 100, dtype="u2").reshape(120, 100)


def test_a_chunk_is_a_block() -> None:
    calls: list[tuple[int, ...]] = []

    def note(block: Array) -> Array:
        calls.append(block.shape)
        return block + 1

    array = da.from_array(ARRAY, chunks=(50, 40)).map_blocks(note, dtype="u2", meta=ARRAY[:0, :0])
    image = image_from_array(array)
    assert image.levels[0].chunks == (50, 40)
    assert image.source.provenance == "computed"
    assert image.source.direct(0) is None
    np.testing.assert_array_equal(
        image.read(0, (slice(0, 50), slice(40, 80))), ARRAY[:50, 40:80] + 1
    )
    assert calls == [(50, 40)]
    np.testing.assert_array_equal(image.read(), ARRAY + 1)
    assert len(calls) == 1 + 9


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_chunks_and_any_graph(data: Any) -> None:
    """Blocks of any sizes, and graphs in which blocks share what they need."""

    def sizes(total: int) -> tuple[int, ...]:
        found = []
        while total:
            found.append(data.draw(st.integers(1, total)))
            total -= found[-1]
        return tuple(found)

    shape = data.draw(st.lists(st.integers(1, 12), min_size=2, max_size=3))
    source = np.random.default_rng(1).integers(0, 99, shape).astype("i4")
    array = da.from_array(source, chunks=tuple(sizes(n) for n in shape))
    array, expected = data.draw(
        st.sampled_from(
            [
                (array, source),
                (array + 1, source + 1),
                (array[::-1].T, source[::-1].T),
                (array - array.max(axis=0), source - source.max(axis=0)),
                (array.cumsum(axis=0), source.cumsum(axis=0, dtype="i8")),
                (da.concatenate([array, array]), np.concatenate([source, source])),
            ]
        )
    )
    chunks = data.draw(st.none() | st.tuples(*(st.integers(1, size) for size in array.shape)))
    image = image_from_array(array, chunks=chunks)
    np.testing.assert_array_equal(image.read(), expected)
    assert image.dtype == array.dtype


def test_unknown_sizes_are_refused() -> None:
    unknown = da.from_array(ARRAY, chunks=(50, 40))
    unknown = unknown[unknown[:, 0] > 3]
    with pytest.raises(UsageError, match="compute_chunk_sizes"):
        image_from_array(unknown)


def test_what_a_task_raises_is_told() -> None:
    def fail(block: Array) -> Array:
        raise RuntimeError("no more film")

    array = da.from_array(ARRAY, chunks=(50, 40)).map_blocks(fail, dtype="u2", meta=ARRAY[:0, :0])
    with pytest.raises(ReadError, match=r"cannot be computed \(RuntimeError: no more film\)"):
        image_from_array(array).read()
    lying = da.from_array(ARRAY, chunks=(50, 40)).map_blocks(
        lambda block: block[1:], dtype="u2", meta=ARRAY[:0, :0]
    )
    with pytest.raises(ReadError, match=r"shape \(49, 40\), but it was said"):
        image_from_array(lying).read()


def test_a_pyramid_of_dask_arrays() -> None:
    array = da.from_array(ARRAY, chunks=(50, 40))
    levels = [array, da.coarsen(np.max, array, {0: 2, 1: 2}, trim_excess=True)]
    image = image_from_array(levels, scale=(0.5, 0.5))
    assert image.levels[1].scale == (1, 1)
    np.testing.assert_array_equal(image.read(1), ARRAY.reshape(60, 2, 50, 2).max((1, 3)))


@pytest.mark.parametrize("shape", ["few layers", "many layers"])
def test_a_block_of_a_huge_graph_is_found_quickly(shape: str) -> None:
    """What neighbours need is looked up once, and a block costs little after that."""
    if shape == "few layers":
        array = (da.zeros((64 * 180, 64 * 180), chunks=64, dtype="u1") + 1).T * 2 + 3
        assert len(array.__dask_graph__()) > 100_000
    else:
        blocks = [
            [da.from_delayed(delayed(np.full)((8, 8), 5), (8, 8), "i8") for _ in range(30)]
            for _ in range(30)
        ]
        array = da.block(blocks)
        assert len(array.__dask_graph__().layers) > dask_array.LAYERS_LIMIT

    image = image_from_array(array)
    side = image.levels[0].chunks[0]
    image.read(0, (slice(0, side), slice(0, side)))
    begun = time.perf_counter()
    for row in range(4):
        for column in range(4):
            box = (slice(row * side, row * side + 1), slice(column * side, column * side + 1))
            assert image.read(0, box)[0, 0] == 5
    per_block = (time.perf_counter() - begun) / 16
    assert per_block < 0.05, "culling the whole graph takes 0.03 s (few layers) to 3 s (many)"
    assert len(image.source._arrays[0]._groups) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", [1, 3])
def test_slow_graphs_block_no_other_layer(count: int) -> None:
    gate = threading.Event()

    def slow(block: Array) -> Array:
        gate.wait(20)
        return block

    def stuck() -> Any:
        zeros = da.zeros((2048, 2048), chunks=256, dtype="u1")
        return zeros.map_blocks(slow, dtype="u1", meta=META.astype("u1"))

    quick = np.random.default_rng(1).integers(0, 255, (2048, 2048)).astype("u1")

    async def test() -> None:
        loader = Loader(64 << 20)
        arrays = [*(stuck() for _ in range(count)), quick]
        images = [loader.add(image_from_array(one, chunks=(256, 256))) for one in arrays]
        client = loader.client(lambda _key: None)
        keys = [
            [ChunkKey(image, 0, (y, x)) for y in range(8) for x in range(8)] for image in images
        ]
        client.want([key] for layer in keys for key in layer)
        while any(loader.get(key) is None for key in keys[-1]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert not any(loader.get(key) is not None for layer in keys[:-1] for key in layer)
        client.want([])
        gate.set()
        await loader.close()

    asyncio.run(asyncio.wait_for(test(), 15))


def test_cancelling_stops_before_the_next_task() -> None:
    begun = threading.Event()
    ran: list[int] = []

    def step(number: int, *_: Any) -> Array:
        ran.append(number)
        begun.set()
        time.sleep(0.05)
        return np.zeros((4, 4), "u1")

    # Tasks with two users each are not fused into one.
    first = delayed(step)(0)
    for number in range(1, 40):
        first = delayed(step)(number, first, delayed(step)(100 + number, first))
    image = image_from_array(da.from_delayed(first, (4, 4), "u1"))

    async def test() -> float:
        task = asyncio.create_task(image.source.fetch(0, (0, 0)))
        await asyncio.to_thread(begun.wait, 5)
        cancelled = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.perf_counter() - cancelled

    assert asyncio.run(test()) < 1
    count = len(ran)
    assert count < 20
    time.sleep(0.2)
    assert len(ran) == count, "nothing runs on behind it"


def test_closing_stops_what_is_computed() -> None:
    image = image_from_array(da.zeros((100, 100), chunks=10, dtype="u1"))
    image.close()
    with pytest.raises(ReadError, match="closed"):
        image.read()


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        yield client


GATE = threading.Event()
BEGUN: list[int] = []


def on_a_worker(block: Array) -> Array:
    """By name, so that the worker in this process runs this very function."""
    assert get_worker().name is not None
    return block * 2


def too_late(block: Array) -> Array:
    raise TimeoutError("too late")


def waiting(block: Array) -> Array:
    BEGUN.append(1)
    GATE.wait(20)
    return block


def test_a_client_computes(client: Any) -> None:
    array = da.from_array(ARRAY, chunks=(50, 40)).map_blocks(on_a_worker, dtype="u2", meta=META)
    np.testing.assert_array_equal(image_from_array(array, client=client).read(), ARRAY * 2)
    array = da.from_array(ARRAY, chunks=(50, 40)).map_blocks(too_late, dtype="u2", meta=META)
    with pytest.raises(ReadError, match="TimeoutError: too late"):
        image_from_array(array, client=client).read()


def test_what_a_client_computes_is_cancelled(client: Any) -> None:
    array = da.from_array(np.zeros((80, 80), "u2"), chunks=10)
    image = image_from_array(array.map_blocks(waiting, dtype="u2", meta=META), client=client)

    async def test() -> None:
        tasks = [asyncio.create_task(image.source.fetch(0, (0, x))) for x in range(8)]
        while not BEGUN:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # What runs cannot be stopped. The worker is told to leave what only waited.
        while states() - {"cancelled"}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        GATE.set()

    def states() -> set[str]:
        (worker,) = client.cluster.workers.values()
        tasks = dict(worker.state.tasks)
        return {task.state for key, task in tasks.items() if "waiting" in str(key)}

    asyncio.run(asyncio.wait_for(test(), 10))
    assert 0 < len(BEGUN) <= 2
