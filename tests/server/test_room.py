"""The bound on bytes of answers, under random takers that come, go and give up."""

from __future__ import annotations

import asyncio
import random

import pytest

from opsin.server.room import Room

SIZE = 100


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_holds_and_everybody_gets_a_turn(seed: int) -> None:
    async def main() -> None:
        rng, room, had = random.Random(seed), Room(SIZE), [0]
        inside: dict[int, int] = {}

        async def taker(number: int) -> None:
            size = rng.choice([1, 10, 40, 90, 250])
            async with room.take(size):
                inside[number] = size
                try:
                    assert sum(inside.values()) <= room.used
                    assert room.used <= SIZE or len(inside) == 1
                    await asyncio.sleep(rng.random() / 500)
                    had[0] += 1
                finally:
                    del inside[number]

        tasks = [asyncio.create_task(taker(number)) for number in range(200)]
        given_up = 0
        for _ in range(60):
            await asyncio.sleep(rng.random() / 1000)
            given_up += rng.choice(tasks).cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(one is None or isinstance(one, asyncio.CancelledError) for one in results)
        assert given_up > 5
        assert not inside
        assert room.used == 0
        assert had[0] == sum(one is None for one in results) > 100

    asyncio.run(asyncio.wait_for(main(), 20))


def test_who_gave_up_in_the_same_moment_is_passed_over() -> None:
    async def main() -> None:
        room = Room(SIZE)
        leave = asyncio.Event()

        async def taker(size: int) -> None:
            async with room.take(size):
                await leave.wait()

        first, second, third = (asyncio.create_task(taker(size)) for size in (SIZE, 10, 10))
        await asyncio.sleep(0)
        leave.set()  # the first goes on in the next round, before the second hears of it
        second.cancel()
        await asyncio.wait_for(asyncio.gather(first, third), 5)
        assert second.cancelled()
        assert room.used == 0

    asyncio.run(main())


def test_first_come_first_served() -> None:
    async def main() -> None:
        room, order = Room(SIZE), list[int]()

        async def taker(number: int, size: int) -> None:
            async with room.take(size):
                order.append(number)
                await asyncio.sleep(0.001)

        sizes = [60, 90, 10, 10, 100]
        await asyncio.gather(*(taker(n, size) for n, size in enumerate(sizes)))
        assert order == [0, 1, 2, 3, 4]

    asyncio.run(main())
