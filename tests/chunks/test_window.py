import math

from hypothesis import given
from hypothesis import strategies as st

from opsin.chunks.window import FIRST, SMALLEST, Window

CHUNK = 500_000


def through(latency: float, bandwidth: float, answers: int = 400, largest: int = 60) -> Window:
    """A window after so many answers of a link on which all that is asked for waits together."""
    window, now = Window(largest), 0.0
    while answers > 0:
        together = window.size
        seconds = latency + together * CHUNK / bandwidth
        now += seconds
        for place in range(1, together + 1):
            window.answered(seconds, CHUNK, now, place)
        answers -= together
    return window


def test_a_slow_link_gets_few_and_a_long_fast_one_many() -> None:
    assert through(0.1, 5e6).size <= 4
    assert through(0.2, 500e6).size >= 40
    assert 8 <= through(0.1, 50e6).size <= 40


def test_delay_and_bandwidth_are_about_those_of_the_link() -> None:
    window = through(0.1, 5e6)
    assert 0.2 <= window.delay <= 0.5
    assert 2e6 <= window.bandwidth <= 5.5e6
    assert through(0.2, 500e6).bandwidth > 100e6


def test_what_is_given_up_late_counts_as_late_and_what_is_given_up_early_does_not() -> None:
    window = through(0.1, 50e6)
    before = window.size
    window.gave_up(window.delay)
    assert window.size == before
    for _ in range(100):
        window.gave_up(10.0)
    assert window.size == SMALLEST


def test_at_first_nothing_is_known() -> None:
    window = Window(60)
    assert (window.size, window.delay, window.bandwidth) == (FIRST, 0.0, math.inf)
    window.gave_up(5.0)
    assert window.size == FIRST


@given(st.lists(st.tuples(st.floats(1e-6, 100), st.integers(1, 10**9), st.integers(1, 60))))
def test_it_stays_within_its_bounds(answers: list[tuple[float, int, int]]) -> None:
    window, now = Window(20), 0.0
    for seconds, size, place in answers:
        now += seconds / 2
        window.answered(seconds, size, now, place)
        assert SMALLEST <= window.size <= 20
        assert window.bandwidth > 0
        assert 0 < window.delay <= max(s for s, *_ in answers)
