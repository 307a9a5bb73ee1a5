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
