import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.chunks.cache import Cache


def block(size: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.zeros(size, np.uint8)


def fill(cache: Cache[str], key: str, size: int, rank: int | None = None) -> bool:
    if not cache.reserve(size, rank):
        return False
    cache.commit(key, block(size), size)
    return True


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefgh"), st.integers(1, 60), st.booleans(), st.sampled_from("rcwb")
        ),
        max_size=80,
    )
)
def test_the_budget_is_never_exceeded(steps: list[tuple[str, int, bool, str]]) -> None:
    cache: Cache[str] = Cache(100)
    reserved: list[tuple[str, int]] = []
    for key, size, base, action in steps:
        if action == "r" and cache.reserve(size, size):
            reserved.append((key, size))
        elif action == "c" and reserved:
            name, held = reserved.pop()
            cache.commit(name, block(held - held // 3), held, base=base)
        elif action == "b" and reserved:
            cache.release(reserved.pop()[1])
        elif action == "w":
            cache.want({name: rank for rank, name in enumerate("hgfe"[: size % 5])})
        assert cache.used >= 0
        assert cache.used + cache.reserved <= cache.budget
        assert cache.reserved == sum(held for _, held in reserved)
        here = [cache.get(name) for name in "abcdefgh"]
        assert cache.used == sum(array.nbytes for array in here if array is not None)
    assert cache.peak <= cache.budget


def test_the_least_recently_used_idle_chunk_goes_first() -> None:
    cache: Cache[str] = Cache(30)
    for key in "abc":
        fill(cache, key, 10)
    assert cache.get("a") is not None
    assert fill(cache, "d", 10)
    assert "b" not in cache
    assert all(key in cache for key in "acd")


def test_a_wanted_chunk_yields_only_to_a_more_urgent_one() -> None:
    cache: Cache[str] = Cache(30)
    cache.want({"a": 0, "b": 5, "c": 9, "d": 7})
    for key in "abc":
        fill(cache, key, 10, {"a": 0, "b": 5, "c": 9}[key])
    assert not cache.reserve(10, 9)
    assert not cache.reserve(10, None)
    assert fill(cache, "d", 10, 7)
    assert "c" not in cache
    assert not cache.reserve(30, 3), "nothing may go when that is not enough"
    assert "b" in cache
    assert "d" in cache


def test_a_coarsest_level_outlives_other_idle_chunks() -> None:
    cache: Cache[str] = Cache(40)
    cache.reserve(10)
    cache.commit("base", block(10), 10, base=True)
    for key in "abc":
        fill(cache, key, 10)
    fill(cache, "d", 10)
    assert "base" in cache
    assert "a" not in cache


def test_a_chunk_larger_than_what_was_reserved_is_a_bug() -> None:
    cache: Cache[str] = Cache(30)
    cache.reserve(5)
    with pytest.raises(ValueError, match="reserved"):
        cache.commit("a", block(6), 5)


def test_what_one_owner_brings_does_not_push_out_what_another_one_keeps() -> None:
    cache: Cache[str] = Cache(100, owner=lambda key: key[0])
    for key in ("a1", "a2", "a3"):
        fill(cache, key, 10)
    for number in range(30):
        fill(cache, f"b{number}", 20)
    assert all(key in cache for key in ("a1", "a2", "a3")), "30 of 100 is less than half"
    assert "b29" in cache
    for number in range(4, 9):
        fill(cache, f"a{number}", 10)
    assert sum(f"b{number}" in cache for number in range(30)) == 2, "now each has about its half"
    assert all(f"a{number}" in cache for number in range(4, 9))


def test_an_owner_may_have_all_that_nobody_else_needs() -> None:
    cache: Cache[str] = Cache(100, owner=lambda key: key[0])
    for number in range(10):
        fill(cache, f"b{number}", 10)
    assert len(cache) == 10


def test_chunks_that_nobody_asked_for_are_counted_as_wasted_when_they_go() -> None:
    cache: Cache[str] = Cache(30)
    for key in "abc":
        fill(cache, key, 10)
    cache.get("a")
    fill(cache, "d", 30)
    assert (cache.committed, cache.wasted) == (60, 20)
