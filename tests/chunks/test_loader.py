import asyncio
import dataclasses
import gc
import weakref
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import numpy as np
import pytest

from opsin.chunks import loader as loader_module
from opsin.chunks.brick import ChunkKey
from opsin.chunks.loader import Loader
from opsin.chunks.queue import Queue
from opsin.chunks.window import FIRST
from opsin.errors import BudgetExceeded, Corrupt, Unreachable
from tests.chunks.pyramid import pyramid, values

CHUNK = 256 * 256 * 2


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for is not the loop's
        await asyncio.sleep(0.001)


def singly(wanted: Iterable[ChunkKey]) -> list[list[ChunkKey]]:
    return [[key] for key in wanted]


def keys(*places: tuple[int, int], image: int = 0) -> list[ChunkKey]:
    return [ChunkKey(image, 0, place) for place in places]


def test_wanted_chunks_come_in_order_and_are_told() -> None:
    async def test() -> None:
        image, source = pyramid((2048, 2048))
        loader = Loader(64 * CHUNK, fetches=1)
        loader.add(image)
        told: list[ChunkKey] = []
        client = loader.client(told.append)
        wanted = keys((3, 3), (0, 0), (7, 1))
        client.want(singly(wanted))
        await until(lambda: len(told) == 3)
        assert told == wanted
        got = loader.get(wanted[2])
        assert got is not None
        np.testing.assert_array_equal(got, values(0, (1792, 256), (2048, 512), "uint16"))
        assert not got.flags.writeable
        await loader.close()
        assert source.closed

    run(test)


def test_what_is_no_longer_wanted_is_dropped_or_aborted() -> None:
    async def test() -> None:
        image, source = pyramid((4096, 4096))
        source.gate = asyncio.Event()
        loader = Loader(1024 * CHUNK, fetches=4)
        loader.add(image)
        client = loader.client(lambda _: None)
        client.want(singly(keys(*((0, i) for i in range(10)))))
        await until(lambda: len(source.started) == FIRST)
        assert loader.in_flight == FIRST * CHUNK
        client.want(singly(keys((9, 9))))
        await until(lambda: (0, (9, 9)) in source.started)
        assert sum(source.cancelled.values()) == FIRST
        assert len(source.started) == FIRST + 1, "what was only queued was never asked for"
        source.gate.set()
        await until(lambda: keys((9, 9))[0] in loader.cache)
        assert loader.in_flight == 0
        assert len(loader.cache) == 1
        await loader.close()

    run(test)


def test_what_another_client_still_wants_is_not_aborted() -> None:
    async def test() -> None:
        image, source = pyramid((4096, 4096))
        source.gate = asyncio.Event()
        loader = Loader(1024 * CHUNK)
        loader.add(image)
        one, two = loader.client(lambda _: None), loader.client(lambda _: None)
        one.want(singly(keys((0, 0), (0, 1))))
        two.want(singly(keys((0, 1))))
        await until(lambda: len(source.started) == 2)
        one.close()
        await until(lambda: bool(source.cancelled))
        assert source.cancelled == {(0, (0, 0)): 1}
        source.gate.set()
        await until(lambda: keys((0, 1))[0] in loader.cache)
        assert source.started[0, (0, 1)] == 1
        await loader.close()

    run(test)


def test_the_budget_holds_at_every_moment_and_the_most_urgent_wins() -> None:
    async def test() -> None:
        image, _ = pyramid((4096, 4096), delay=0.0005)
        loader = Loader(5 * CHUNK, fetches=8)
        loader.add(image)
        client = loader.client(lambda _: None)
        rng = np.random.default_rng(1)
        for _ in range(40):
            wanted = keys(*{(int(a), int(b)) for a, b in rng.integers(0, 16, (12, 2))})
            client.want(singly(wanted))
            for _ in range(int(rng.integers(1, 6))):
                await asyncio.sleep(0.001)
                assert loader.cache.used + loader.cache.reserved <= loader.cache.budget
        wanted = keys(*((3, i) for i in range(9)))
        client.want(singly(wanted))
        await until(lambda: all(key in loader.cache for key in wanted[:5]))
        assert loader.cache.peak <= loader.cache.budget
        await loader.close()
        assert loader.cache.used == loader.cache.reserved == 0

    run(test)


def test_an_unreachable_source_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "RETRY_DELAYS", (0.01, 0.02, 0.03))

    async def test() -> None:
        image, source = pyramid((1024, 1024))
        source.unreachable[0, (0, 0)] = 2
        source.unreachable[0, (1, 1)] = 9
        loader = Loader(64 * CHUNK)
        loader.add(image)
        told: list[ChunkKey] = []
        client = loader.client(told.append)
        good, bad = keys((0, 0), (1, 1))
        client.want(singly([good, bad]))
        await until(lambda: len(told) == 2)
        assert good in loader.cache
        assert source.started[0, (0, 0)] == 3
        assert isinstance(loader.failure(bad), Unreachable)
        assert source.started[0, (1, 1)] == 4
        assert loader.in_flight == 0
        source.unreachable.clear()
        loader.retry()
        await until(lambda: bad in loader.cache)
        assert loader.failure(bad) is None
        await loader.close()

    run(test)


def test_a_corrupt_chunk_fails_at_once_and_alone() -> None:
    async def test() -> None:
        image, source = pyramid((1024, 1024))
        source.corrupt.add((0, (2, 2)))
        loader = Loader(64 * CHUNK)
        loader.add(image)
        client = loader.client(lambda _: None)
        wanted = keys(*((i, j) for i in range(4) for j in range(4)))
        client.want(singly(wanted))
        bad = keys((2, 2))[0]
        await until(lambda: loader.failure(bad) is not None and len(loader.cache) == 15)
        assert isinstance(loader.failure(bad), Corrupt)
        assert source.started[0, (2, 2)] == 1
        with pytest.raises(Corrupt, match="corrupt"):
            await loader.read(0, 0, (500, 500), (700, 700))
        await loader.close()

    run(test)


def test_a_chunk_larger_than_the_budget_says_what_to_do() -> None:
    async def test() -> None:
        image, _ = pyramid((4096, 4096), chunk=4096)
        loader = Loader(2**20)
        loader.add(image)
        with pytest.raises(BudgetExceeded, match="--memory"):
            await loader.read(0, 0, (0, 0), (10, 10))
        await loader.close()

    run(test)


def test_a_read_larger_than_the_cache_still_comes_whole() -> None:
    async def test() -> None:
        image, _ = pyramid((2000, 1500))
        loader = Loader(3 * CHUNK)
        loader.add(image)
        got = await loader.read(0, 0, (100, 50), (1900, 1400))
        np.testing.assert_array_equal(got, values(0, (100, 50), (1900, 1400), "uint16"))
        assert loader.cache.peak <= loader.cache.budget
        await loader.close()

    run(test)


def test_what_a_client_that_is_last_wants_comes_after_all_that_others_do() -> None:
    async def test() -> None:
        image, source = pyramid((4096, 4096), delay=0.001)
        loader = Loader(64 * CHUNK, fetches=1)
        loader.add(image)
        started = source.started
        reading = asyncio.ensure_future(loader.read(0, 0, (2048, 0), (2304, 1536), last=True))
        await until(lambda: len(started) >= 1)
        began = set(started)
        wanted = keys(*((0, i) for i in range(12)))
        loader.client(lambda _: None).want([[key] for key in wanted])
        await reading
        order = [place for _, place in started if (0, place) not in began]
        rows = [row for row, _ in order]
        assert rows == sorted(rows), f"a read came between: {order}"
        assert {(0, key.grid) for key in wanted} < set(started)
        await loader.close()

    run(test)


def test_a_read_tries_anew_what_was_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "RETRY_DELAYS", (0.001,))

    async def test() -> None:
        image, source = pyramid((512, 512))
        source.unreachable[0, (0, 0)] = 2
        source.corrupt.add((0, (1, 1)))
        loader = Loader(64 * CHUNK)
        loader.add(image)
        with pytest.raises(Unreachable):
            await loader.read(0, 0, (0, 0), (256, 256))
        got = await loader.read(0, 0, (0, 0), (256, 256))
        np.testing.assert_array_equal(got, values(0, (0, 0), (256, 256), "uint16"))
        for _ in range(2):
            with pytest.raises(Corrupt):
                await loader.read(0, 0, (256, 256), (512, 512))
        assert source.started[0, (1, 1)] == 1, "what is corrupt stays so"
        await loader.close()

    run(test)


def test_closing_ends_everything() -> None:
    async def test() -> None:
        image, source = pyramid((4096, 4096), delay=30)
        loader = Loader(64 * CHUNK)
        loader.add(image)
        loader.client(lambda _: None).want(singly(keys((0, 0), (1, 1))))
        await until(lambda: len(source.started) == 2)
        await loader.close()
        await loader.close()
        assert sum(source.cancelled.values()) == 2
        others: set[asyncio.Task[Any]] = asyncio.all_tasks() - {
            task for task in [asyncio.current_task()] if task
        }
        assert not {task for task in others if "_load" in repr(task)}

    run(test)


def test_clients_take_turns_by_groups_so_that_one_becomes_complete() -> None:
    async def test() -> None:
        image, _ = pyramid((4096, 4096), delay=0.001)
        loader = Loader(4 * CHUNK)
        loader.add(image)
        groups = [keys(*((i, j) for j in range(4))) for i in range(2)]
        clients = [loader.client(lambda _: None) for _ in groups]
        for client, group in zip(clients, groups, strict=True):
            client.want([group])
        await until(lambda: all(key in loader.cache for key in groups[0]))
        clients[0].close()
        await until(lambda: all(key in loader.cache for key in groups[1]))
        with pytest.raises(BudgetExceeded, match="--memory"):
            loader.room_for(keys(*((i, 0) for i in range(5))))
        await loader.close()

    run(test)


def test_an_unreachable_image_takes_neither_places_nor_memory_from_others() -> None:
    async def test() -> None:
        bad, source = pyramid((4096, 4096))
        for i in range(16):
            for j in range(16):
                source.unreachable[0, (i, j)] = 99
        hanging, stuck = pyramid((4096, 4096))
        stuck.gate = asyncio.Event()
        good, _ = pyramid((4096, 4096))
        loader = Loader(40 * CHUNK, fetches=12)
        for image in (bad, hanging, good):
            loader.add(image)
        client = loader.client(lambda _: None)
        places = [(i, j) for i in range(4) for j in range(4)]
        wanted = keys(*places, image=2)
        client.want(singly([*keys(*places, image=0), *keys(*places, image=1), *wanted]))
        started = asyncio.get_running_loop().time()
        await until(lambda: all(key in loader.cache for key in wanted))
        assert asyncio.get_running_loop().time() - started < 2
        await loader.close()

    run(test)


def test_a_failure_keeps_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        image, source = pyramid((1024, 1024))
        alive: list[weakref.ref[Any]] = []

        class Encoded(bytearray):
            pass

        async def fetch(level: int, index: tuple[int, ...]) -> Encoded:
            encoded = Encoded(1000)
            alive.append(weakref.ref(encoded))
            return encoded

        monkeypatch.setattr(source, "fetch", fetch)
        source.corrupt.add((0, (0, 0)))
        loader = Loader(64 * CHUNK)
        loader.add(image)
        client = loader.client(lambda _: None)
        (bad,) = keys((0, 0))
        client.want([[bad]])
        await until(lambda: loader.failure(bad) is not None)
        await asyncio.sleep(0.05)
        gc.collect()
        assert [one() for one in alive] == [None]
        await loader.close()

    run(test)


def test_a_source_that_gives_too_much_fails_once() -> None:
    async def test() -> None:
        image, source = pyramid((1024, 1024))
        too_large = dataclasses.replace(image, dtype=np.dtype("uint8"))
        loader = Loader(64 * CHUNK)
        loader.add(too_large)
        client = loader.client(lambda _: None)
        (bad,) = keys((0, 0))
        client.want([[bad]])
        await until(lambda: loader.failure(bad) is not None)
        await until(lambda: loader.in_flight == 0)
        assert source.started[0, (0, 0)] == 1
        await loader.close()

    run(test)


def test_a_long_queue_costs_its_length() -> None:
    class Counting(Queue):
        looks = 0

        def first(self, is_due: Callable[[ChunkKey], bool], full: Any = ()) -> ChunkKey | None:
            def counted(key: ChunkKey) -> bool:
                Counting.looks += 1
                return is_due(key)

            return super().first(counted, full)

    queue = Counting(keys(*((i, j) for i in range(64) for j in range(64))))
    done: set[ChunkKey] = set()
    while (key := queue.first(lambda key: key not in done)) is not None:
        done.add(key)
    assert len(done) == 4096
    assert Counting.looks < 3 * 4096
    queue.rewind()
    assert queue.first(lambda key: True) == keys((0, 0))[0]


def test_a_removed_image_is_forgotten_when_nobody_wants_it_any_more() -> None:
    async def test() -> None:
        image, source = pyramid((2048, 2048))
        other, _ = pyramid((2048, 2048))
        loader = Loader(64 * CHUNK)
        number = loader.add(image, lent=True)
        kept = loader.add(other, lent=True)
        client, others = loader.client(lambda _: None), loader.client(lambda _: None)
        others.want(singly(keys((0, 0), image=kept)))
        client.want(singly(keys((0, 0), (0, 1))))
        await until(lambda: len(loader.cache) == 3)
        source.gate = asyncio.Event()
        client.want(singly(keys((0, 0), (5, 5))))
        await until(lambda: (0, (5, 5)) in source.started)
        loader.remove(number)
        assert loader.get(keys((0, 1))[0]) is None
        assert loader.get(keys((0, 0))[0]) is not None, "it is still wanted"
        client.close()
        await until(lambda: list(loader.images) == [kept])
        assert len(loader.cache) == 1
        assert loader.cache.used == CHUNK
        assert loader.in_flight == 0
        assert loader.add(image, lent=True) == 2, "numbers are not given again"
        await loader.close()
        assert not source.closed

    run(test)
