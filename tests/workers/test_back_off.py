"""Back-off, by all sequences of deaths, successes and starts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsin.workers.back_off import FIRST, FREE, LONGEST, BackOff

STEPS = st.lists(st.tuples(st.sampled_from(["dies", "lives", "waits"]), st.floats(0, 200)))


@given(STEPS)
def test_starts_of_what_dies_are_ever_further_apart_and_a_success_forgets_all(
    steps: list[tuple[str, float]],
) -> None:
    known, now, last, in_a_row = BackOff(), 0.0, -1e9, 0
    for what, seconds in steps:
        now += seconds
        if known.wait(now) > 0:
            now += known.wait(now)
        assert known.wait(now) == 0, "a wait has an end"
        if in_a_row >= FREE:
            apart = min(LONGEST, FIRST * 2 ** (in_a_row - FREE))
            assert now - last >= apart - 1e-9
        known = known.begun(now)
        last = now
        if what == "dies":
            known = known.died(now, "it fell over\nlast words")
            in_a_row += 1
        elif what == "lives":
            known, in_a_row = BackOff(), 0
        assert known.deaths == in_a_row
        assert known.wait(now) <= LONGEST
        if in_a_row < FREE:
            assert known.wait(now) == 0, "the first deaths cost nothing"
        else:
            assert f"{in_a_row} times in a row" in known.words(now)
            assert known.words(now).endswith("it fell over")


def test_those_who_wait_together_go_one_after_the_other() -> None:
    known = BackOff()
    for _ in range(FREE):
        known = known.begun(0.0).died(0.0, "")
    assert known.wait(0.0) == FIRST
    assert known.begun(FIRST).wait(FIRST) == FIRST, "until it is known how the first one went"
    assert BackOff(10**6).pause == LONGEST
