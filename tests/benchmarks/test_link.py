import asyncio

import pytest
from harness.sim.link import Chunk, Conditions, Link
from harness.sim.virtual_loop import run
from hypothesis import given, settings
from hypothesis import strategies as st


def chunk(number: int) -> Chunk:
    return 0, (number,)


def times(conditions: Conditions, sizes: list[int], begins: list[float]) -> list[float]:
    """When each of some requests ended."""

    async def main() -> list[float]:
        link = Link(conditions)

        async def one(number: int) -> float:
            await asyncio.sleep(begins[number])
            await link.get(chunk(number), sizes[number])
            return asyncio.get_running_loop().time()

        return await asyncio.gather(*map(one, range(len(sizes))))

    return run(main())


def test_one_request_takes_the_latency_and_its_bytes() -> None:
    assert times(Conditions(0.1, 1e6), [500_000], [0.0]) == pytest.approx([0.6])


def test_requests_share_the_bandwidth_evenly() -> None:
    # Both begin at 0.1; until 0.3 each gets half, then the second one has all for itself.
    ends = times(Conditions(0.1, 1e6), [100_000, 300_000], [0.0, 0.0])
    assert ends == pytest.approx([0.3, 0.5])


def test_one_that_comes_later_slows_the_first_one_down_from_then_on() -> None:
    ends = times(Conditions(0.0, 1e6), [200_000, 100_000], [0.0, 0.1])
    assert ends == pytest.approx([0.3, 0.3])


def test_connections_are_taken_in_turns() -> None:
    ends = times(Conditions(0.1, 1e12, connections=2), [1] * 5, [0.0] * 5)
    assert ends == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3])
    ends = times(Conditions(0.1, 1e12, connections=2, turnaround=0.05), [1] * 5, [0.0] * 5)
    assert ends == pytest.approx([0.1, 0.1, 0.25, 0.25, 0.4])


def test_what_is_cancelled_gives_its_share_and_its_place_back() -> None:
    async def main() -> tuple[Link, float]:
        link = Link(Conditions(0.0, 1e6, connections=2))
        tasks = [asyncio.create_task(link.get(chunk(n), 100_000)) for n in range(3)]
        await asyncio.sleep(0.1)  # each of the first two has 50,000 bytes
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return link, link.bytes

    link, size = run(main())
    # Of 150,000 bytes that remain, none has to wait for another's.
    assert [request.complete for request in link.log] == [False, True, True]
    assert size == pytest.approx(250_000)
    assert max(request.ended for request in link.log) == pytest.approx(0.25)


def test_what_is_cancelled_while_it_waits_never_gets_onto_the_wire() -> None:
    async def main() -> Link:
        link = Link(Conditions(0.1, 1e6, connections=1))
        tasks = [asyncio.create_task(link.get(chunk(n), 1)) for n in range(3)]
        await asyncio.sleep(0.05)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return link

    assert [request.name for request in run(main()).log] == [chunk(0), chunk(2)]


@settings(max_examples=50, deadline=None)
@given(
    requests=st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 2)), min_size=1, max_size=12),
    latency=st.floats(0, 0.5),
)
def test_no_more_than_the_bandwidth_comes_and_none_of_it_is_lost(
    requests: list[tuple[int, float]], latency: float
) -> None:
    sizes, begins = [size for size, _ in requests], [begin for _, begin in requests]
    ends = times(Conditions(latency, 1e6), sizes, begins)
    for size, begin, end in zip(sizes, begins, ends, strict=True):
        assert end >= begin + latency + size / 1e6 - 1e-6
    # The link is never idle while there is something to send.
    idle_at_most = max(begins) + latency
    assert max(ends) <= idle_at_most + sum(sizes) / 1e6 + 1e-6
    assert max(ends) >= min(begins) + latency + sum(sizes) / 1e6 - 1e-6
