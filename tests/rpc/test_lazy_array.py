"""Lazy arrays, between two peers: parts come when asked for, are kept, and can be given up."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings

from opsin.errors import Cancelled, ProtocolError, UsageError
from opsin.rpc import codec, lazy_array, lazy_source
from opsin.rpc.codec import Lazy, register_lazy
from opsin.rpc.lazy_array import LazyArray
from opsin.rpc.lazy_source import BlockCache, LazySource, lazy
from opsin.rpc.objects import by_reference
from opsin.rpc.progress import progress_to
from opsin.rpc.regions import region_of
from opsin.types import LazyImage
from tests.rpc.arrays import data_of, indices
from tests.rpc.joined import settled, two_peers
from tests.rpc.running import run, until


class Recording:
    """An array in chunks that knows what was read of it."""

    def __init__(self, data: Any, chunks: Any) -> None:
        self.data, self.chunks = data, chunks
        self.shape, self.dtype = data.shape, data.dtype
        self.reads: list[tuple[slice, ...]] = []

    def __getitem__(self, index: tuple[slice, ...]) -> Any:
        self.reads.append(index)
        return self.data[index].copy()


class Service:
    def __init__(self, array: Any) -> None:
        self.array = array
        self.got: list[Any] = []

    async def lazy(self) -> Any:
        return self.array

    async def take(self, array: Any) -> None:
        self.got.append(array)

    def mean_of_corner(self, image: LazyImage) -> float:
        """A plugin's function: it waits."""
        return float(image[:2, ..., -2:].mean())

    def everything(self, image: LazyImage) -> Any:
        return np.asarray(image), [plane.sum() for plane in image]  # type: ignore[attr-defined]

    async def index_in_the_loop(self, image: Any) -> Any:
        return image[0]

    async def index_elsewhere(self, image: Any) -> Any:
        return await asyncio.to_thread(np.asarray, image)


# ------------------------------------------------------------------------------ parts


@pytest.mark.parametrize("chunks", [None, (2, 3, 4), (7, 1, 9), ((2, 5), (3, 3, 2), (9,))])
@pytest.mark.parametrize("cache", [BlockCache(0), BlockCache(400), BlockCache()])
def test_any_part_is_that_of_the_array(chunks: Any, cache: BlockCache) -> None:
    array = Recording(data_of(7, 8, 9), chunks)

    @settings(max_examples=60, deadline=None)
    @given(index=indices(array.shape))
    def check(index: Any) -> None:
        region, finish = region_of(index, array.shape)
        claimed = [list(map(list, region))]
        (part,) = source.read(claimed)
        np.testing.assert_array_equal(part[finish], array.data[index])
        assert cache.bytes <= cache.limit

    source = lazy(array, cache=cache)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lazy_source, "SMALLEST_BLOCK", 30)
        patched.setattr(lazy_source, "STEP", 200)
        source = lazy(array, cache=cache)
        check()


def test_a_lazy_array_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(20, 30, 40)

    async def work() -> None:
        async with two_peers(Service(lazy(data))) as (server, client):
            service = await client.root()
            array = await service.lazy()
            assert isinstance(array, LazyArray)
            assert (array.shape, array.dtype, array.ndim) == (data.shape, data.dtype, 3)
            assert (array.size, array.nbytes, len(array)) == (data.size, data.nbytes, 20)
            chosen: list[Any] = [3, (slice(2, 9), 5), (..., slice(None, None, -3)), (1, 2, 3), ...]
            for index in chosen:
                np.testing.assert_array_equal(await array.read(index), data[index])
            assert isinstance(await array.read((1, 2, 3)), np.uint16)
            parts = await array.read_many([0, (slice(0, 0),), (5, 6)])
            for part, other in zip(parts, [0, slice(0, 0), (5, 6)], strict=True):
                np.testing.assert_array_equal(part, data[other])
            with pytest.raises(ValueError, match="read-only"):
                (await array.read(0))[0] = 1
            with pytest.raises(IndexError):
                await array.read(20)
            with pytest.raises(UsageError, match="await"):
                array[0]
            np.testing.assert_array_equal(await asyncio.to_thread(np.asarray, array), data)
            floats = await asyncio.to_thread(np.asarray, array, np.float32)
            assert floats.dtype == np.float32
            np.testing.assert_array_equal(floats, data)
            monkeypatch.setattr(lazy_array, "TOGETHER", 1000)  # in many calls
            np.testing.assert_array_equal(await array.read(), data)
            del array, parts
            await settled(server, client)

    run(work())


def test_a_blocking_function_uses_it_like_an_array() -> None:
    data = data_of(6, 5, 4)

    async def work() -> None:
        async with two_peers(Service(None)) as (server, client):
            service = await client.root()
            image = lazy(data)
            assert await service.mean_of_corner(image) == data[:2, ..., -2:].mean()
            whole, sums = await service.everything(image)
            np.testing.assert_array_equal(whole, data)
            assert sums == [plane.sum() for plane in data]
            np.testing.assert_array_equal(await service.index_elsewhere(image), data)
            with pytest.raises(UsageError, match="await"):
                await service.index_in_the_loop(image)
            await settled(server, client)

    run(work())


def test_it_comes_home_as_what_it_was() -> None:
    data = data_of(4, 4)

    async def work() -> None:
        service = Service(lazy(data))
        async with two_peers(service) as (server, client):
            remote = await client.root()
            array = await remote.lazy()
            await remote.take([array])
            assert service.got.pop()[0] is data
            source = LazySource(data.__getitem__, data.shape, data.dtype)
            service.array = source
            await remote.take(await remote.lazy())
            assert service.got.pop() is source
            array.release()
            with pytest.raises(UsageError, match="released"):
                await array.read(0)
            service.array = None
            del array
            await settled(server, client)

    run(work())


def test_a_third_peer_reads_through_the_second() -> None:
    data = data_of(50, 60)

    async def work() -> None:
        async with (
            two_peers(Service(lazy(data))) as (owner, middle),
            two_peers(Service(None)) as (third, also_middle),
        ):
            array = await (await middle.root()).lazy()
            last = await also_middle.root()
            whole, _ = await last.everything(array)
            np.testing.assert_array_equal(whole, data)
            assert await last.mean_of_corner(array) == data[:2, -2:].mean()
            del array, whole
            await settled(owner, middle, third, also_middle)

    run(work())


# ------------------------------------------------------------------------------ what is kept


def test_blocks_are_read_once_and_kept_within_a_bound() -> None:
    cache = BlockCache(4 * 2**20)
    array = Recording(data_of(8, 1024, 512), (1, 1024, 512))  # 1 MiB each
    source = lazy(array, cache=cache)
    region = [[[2, 3, 1], [0, 100, 1], [7, 500, 3]]]
    for _ in range(3):
        (part,) = source.read(region)
        np.testing.assert_array_equal(part, array.data[2:3, :100, 7:500:3])
    assert array.reads == [(slice(2, 3), slice(0, 1024), slice(0, 512))]
    for n in range(8):
        source.read([[[n, n + 1, 1], [0, 1, 1], [0, 1, 1]]])
        assert cache.bytes <= cache.limit
    assert cache.bytes == 4 * 2**20
    source.read([[[0, 8, 1], [0, 1024, 1], [0, 512, 1]]])  # so large that it would displace all
    assert cache.get((1, 7, 0, 0)) is not None
    del source
    gc.collect()
    assert cache.bytes == 0


def test_neighbours_are_read_together_and_only_what_is_missing() -> None:
    array = Recording(data_of(4, 1024, 512), (1, 1024, 512))
    source = lazy(array, cache=BlockCache())
    source.read([[[1, 2, 1], [0, 1, 1], [0, 1, 1]]])
    array.reads.clear()
    source.read([[[0, 4, 1], [0, 1024, 1], [0, 512, 1]]])
    assert [index[0] for index in array.reads] == [slice(0, 1), slice(2, 4)]
    array.reads.clear()
    source = lazy(Recording(array.data, (1, 1024, 512)), cache=BlockCache())
    source.read([[[0, 4, 3], [0, 1024, 1], [0, 512, 1]]])
    assert [index[0] for index in source.array.reads] == [slice(0, 1), slice(3, 4)]


def test_the_same_array_has_one_source() -> None:
    data = data_of(3)
    assert lazy(data) is lazy(data)
    assert lazy(lazy(data)) is lazy(data)
    assert lazy(data_of(3)) is not lazy(data)


# ------------------------------------------------------------------------------ real arrays


@pytest.fixture
def registered() -> Iterator[None]:
    before = dict(codec.lazy_by_class)
    register_lazy("zarr.core.array.Array", lazy)
    yield
    codec.lazy_by_class.clear()
    codec.lazy_by_class.update(before)


@pytest.mark.usefixtures("registered")
def test_zarr_arrays_travel_so_when_registered_by_name(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path, shape=(40, 50), chunks=(16, 16), dtype=">i4")
    array[:] = np.arange(2000).reshape(40, 50)

    async def work() -> None:
        service = Service(array)
        async with two_peers(service) as (server, client):
            remote = await client.root()
            got = await remote.lazy()
            assert (got.shape, got.dtype, got.chunks) == ((40, 50), np.dtype("i4"), (16, 16))
            np.testing.assert_array_equal(await got.read((slice(3, 30), -1)), array[3:30, -1])
            await remote.take(got)
            assert service.got.pop() is array
            del got
            await settled(server, client)

    run(work())


def test_what_is_not_registered_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "lazy_by_class", {})
    array = zarr.create_array(tmp_path, shape=(4,), dtype="u1")

    async def work() -> None:
        async with two_peers(Service(array)) as (_, client):
            with pytest.raises(TypeError, match="lazy lets it read an array in parts"):
                await (await client.root()).lazy()

    run(work())


def test_a_graph_computes_at_its_owner() -> None:
    """As dask does: slicing only writes down what to do, and NumPy's asking does it."""
    threads: list[str] = []

    class Delayed:
        shape, dtype, chunks = (6, 4), np.dtype("f4"), ((4, 2), (4,))

        def __init__(self, index: Any = ()) -> None:
            self.index = index

        def __getitem__(self, index: Any) -> Delayed:
            return Delayed(index)

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            threads.append(threading.current_thread().name)
            return data_of(6, 4, dtype="f4")[self.index]

    async def work() -> None:
        async with two_peers(Service(lazy(Delayed()))) as (_, client):
            array = await (await client.root()).lazy()
            assert array.chunks == (4, 4)
            np.testing.assert_array_equal(await array.read(3), data_of(6, 4)[3])

    run(work())
    assert set(threads) == {"opsin rpc"}


# ------------------------------------------------------------------------------ giving up


def test_giving_up_ends_the_reading_between_two_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy_source, "STEP", 1000)
    reading, go_on, reads = threading.Event(), threading.Event(), []

    class Slow(Recording):
        def __getitem__(self, index: Any) -> Any:
            reads.append(index)
            reading.set()
            assert go_on.wait(10)
            return super().__getitem__(index)

    async def work() -> None:
        async with two_peers(Service(lazy(Slow(data_of(100, 500), None)))) as (server, client):
            array = await (await client.root()).lazy()
            task = asyncio.create_task(array.read())
            await asyncio.to_thread(reading.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            running = server._tasks._running
            await until(lambda: all(one.reporter.cancelled for one in running.values()))
            go_on.set()
            del array, task
            await settled(server, client)

    run(work())
    assert len(reads) <= 2


def test_progress_counts_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy_source, "STEP", 1000)

    async def work() -> None:
        heard: list[Any] = []
        async with two_peers(Service(lazy(data_of(10, 500)))) as (_, client):
            array = await (await client.root()).lazy()
            with progress_to(lambda *news: heard.append(news)):
                await array.read()
        assert heard[-1] == (10_000, 10_000, None)

    run(work())


# ------------------------------------------------------------------------------ elsewhere


def in_a_fork(work: Callable[[], object]) -> str:
    """What a call in a forked child raises."""
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are threads: the child is short and uses none
        child = os.fork()
    if child == 0:
        signal.alarm(5)
        try:
            said = f"it gave {work()!r}"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_another_process_is_told_to_read_before() -> None:
    async def work() -> None:
        async with two_peers(Service(lazy(data_of(3, 4)))) as (_, client):
            array = await (await client.root()).lazy()
            for use in (
                lambda: array[0],
                lambda: np.asarray(array),
                lambda: array.get_many([0, 1]),
                lambda: asyncio.run(array.read(0)),
            ):
                said = in_a_fork(use)
                assert said.startswith("UsageError: A lazy array can be read only in the process")
                assert said.endswith("read the part you need before you start processes.")
            assert in_a_fork(lambda: (array.release(), array.shape)) == "it gave (None, (3, 4))"
            for copied in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(UsageError, match="before you start processes"):
                    copied(array)
            np.testing.assert_array_equal(await array.read(0), data_of(3, 4)[0])

    run(work())


# ------------------------------------------------------------------------------ lies


@pytest.mark.parametrize(
    "regions",
    [
        None,
        [None],
        [[]],
        [[[0, 1, 1]]],
        [[[0, 1, 1], [0, 1, 1], [0, 1, 1]]],
        [[[0, 4, 1], [0, 1, 1]]],
        [[[-1, 1, 1], [0, 1, 1]]],
        [[[2, 1, 1], [0, 1, 1]]],
        [[[0, 1, 0], [0, 1, 1]]],
        [[[0, 1, -1], [0, 1, 1]]],
        [[[0, 1.0, 1], [0, 1, 1]]],
        [[[0, True, 1], [0, 1, 1]]],
        [[[0, 1], [0, 1, 1]]],
        [[[0, 0, 1], [0, 0, 1]]] * 1025,
    ],
)
def test_impossible_regions_are_refused(regions: Any) -> None:
    source = lazy(data_of(3, 4))
    with pytest.raises(ProtocolError):
        source.read(regions)


def test_a_call_cannot_ask_for_more_than_memory_holds() -> None:
    def read(index: Any) -> Any:
        raise AssertionError

    source = LazySource(read, (2**20, 2**20), "u1", (512, 512))
    with pytest.raises(ProtocolError, match="bytes"):
        source.read([[[0, 2**20, 1], [0, 2**20, 1]]])
    with pytest.raises(ProtocolError, match="bytes"):
        source.read([[[0, 2**15, 1], [0, 2**10, 1]]] * 33)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        [np.zeros((2, 4), "u2"), np.zeros((2, 4), "u2")],
        [np.zeros((4, 2), "u2")],
        [np.zeros((2, 4), "i2")],
        [np.zeros((2, 4), "u2").tolist()],
        [7],
    ],
)
def test_what_was_not_asked_for_is_not_taken(answer: Any) -> None:
    @by_reference
    class Liar:
        async def read(self, regions: Any) -> Any:
            return answer

    async def work() -> None:
        async with two_peers(Service(Lazy(Liar(), np.dtype("u2"), (2, 4)))) as (_, client):
            array = await (await client.root()).lazy()
            with pytest.raises(ProtocolError, match="something else"):
                await array.read()
            assert not client.is_over

    run(work())


def test_an_array_that_gives_other_shapes_is_found_out() -> None:
    source = LazySource(lambda index: np.zeros(3), (4,), "f8")
    with pytest.raises(ValueError, match="asked for"):
        source.read([[[0, 4, 1]]])


def test_arrays_that_cannot_travel_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="Python objects"):
        lazy(np.zeros(3, object))


def test_an_error_of_the_array_reaches_the_reader() -> None:
    def read(index: Any) -> Any:
        raise Cancelled("enough")

    async def work() -> None:
        async with two_peers(Service(LazySource(read, (4,), "f8"))) as (_, client):
            array = await (await client.root()).lazy()
            with pytest.raises(Cancelled, match="enough"):
                await array.read()

    run(work())
