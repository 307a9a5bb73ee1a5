"""What is lent and borrowed between two sessions, honest and lying; both ends in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import ProtocolError
from opsin.rpc import segment as segments
from opsin.rpc import shared_arrays
from opsin.rpc.arrays import Array
from opsin.rpc.codec import Placed
from opsin.rpc.pool import Pool, default_pool
from opsin.rpc.segment import hold_of
from opsin.rpc.shared_arrays import SharedArrays, available, empty
from tests.rpc.process import nothing_leaks, room_for, shared_mappings

pytestmark = pytest.mark.skipif(not available(), reason="no shared arrays here")

DTYPES = ["bool", "uint8", "int16", "uint32", "float16", "float64", "complex128", "datetime64[ns]"]
Patch = pytest.MonkeyPatch


class Link:
    """Two ends; what one drops, the other learns at once."""

    def __init__(self, trusted: bool = True, pool: Pool | None = None) -> None:
        self.ours_pool = Pool() if pool is None else pool
        self.theirs_pool = Pool()
        self.ours = SharedArrays(self.ours_pool, trusted=trusted)
        self.theirs = SharedArrays(self.theirs_pool, trusted=trusted)
        self.theirs.listen(lambda lease: self.ours.ended([lease]))

    def hand(self, array: Array) -> Array:
        shared = self.ours.share(array)
        assert shared is not None
        placed, descriptor = shared
        return self.theirs.adopt(placed, os.dup(descriptor))

    def close(self) -> None:
        for end in (self.ours, self.theirs):
            end.close()
        for pool in (self.ours_pool, self.theirs_pool):
            pool.trim()


def some(size: int = 100_000, value: int = 7) -> Array:
    return np.full(size, value, np.uint8)


def same_memory(a: Array, b: Array) -> bool:
    """They lie in the same segment, at the same place."""
    holds = hold_of(a), hold_of(b)
    if holds[0] is None or holds[1] is None:
        return False
    inodes = [os.fstat(hold.segment.descriptor).st_ino for hold in holds if hold is not None]
    offsets = [
        array.__array_interface__["data"][0] - hold.segment.address
        for array, hold in zip((a, b), holds, strict=True)
        if hold is not None
    ]
    return inodes[0] == inodes[1] and offsets[0] == offsets[1]


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 40), max_size=4),
    st.lists(st.sampled_from([slice(None), slice(None, None, -1), slice(1, None, 2)]), max_size=4),
    st.permutations(range(4)),
    st.sampled_from("CF"),
    st.booleans(),
    st.sampled_from("<>"),
)
def check_any_array(
    name: str,
    shape: list[int],
    slices: list[slice],
    axes: list[int],
    order: Literal["C", "F"],
    trusted: bool,
    byteorder: Literal["<", ">"],
) -> None:
    link = Link(trusted)
    dtype = np.dtype(name).newbyteorder(byteorder)
    for born_shared in (False, True):
        if born_shared:
            whole: Array = empty(shape, dtype, order, link.ours_pool)
        else:
            whole = np.empty(shape, dtype, order)
        assert whole.flags.f_contiguous if order == "F" else whole.flags.c_contiguous
        whole.reshape(-1, order="A").view(np.uint8)[:] = np.arange(whole.nbytes) % 2
        array = whole[tuple(slices[: whole.ndim])]
        array = array.transpose([axis for axis in axes if axis < array.ndim])
        got = link.hand(array)
        assert got.dtype == np.dtype(name).newbyteorder("<")
        assert np.array_equal(got, array, equal_nan=got.dtype.kind in "fcmM")
        with pytest.raises(ValueError, match="WRITEABLE"):
            got.flags.writeable = True
        if array.size and hold_of(array) is not None and byteorder == "<":
            assert same_memory(array, got) == trusted
        assert link.ours.lent == 1
        del got
        assert link.ours.lent == 0
    del whole, array
    link.close()
    assert link.ours_pool.bytes == 0


def test_any_array_arrives_and_one_born_shared_is_not_copied() -> None:
    with nothing_leaks():
        check_any_array()


def test_a_received_array_outlives_every_handle() -> None:
    with nothing_leaks():
        link = Link()
        got = link.hand(some())[10:20].view(np.int8)
        link.close()
        del link
        assert got.tolist() == [7] * 10
        del got


def test_the_owner_sees_when_the_last_view_is_gone_and_uses_the_memory_again() -> None:
    with nothing_leaks():
        link = Link()
        one = link.hand(some(value=1))
        first = hold_of(one)
        assert first is not None
        inode = os.fstat(first.segment.descriptor).st_ino
        two = link.hand(some(value=2))
        assert not same_memory(one, two)
        del first
        part = one[5:6]
        del one
        assert link.ours.lent == 2
        del part
        assert link.ours.lent == 1
        three = link.hand(some(value=3))
        again = hold_of(three)
        assert again is not None
        assert os.fstat(again.segment.descriptor).st_ino == inode
        assert (two[0], three[0]) == (2, 3)
        del two, three, again
        link.close()


def test_an_array_that_is_sent_on_is_not_copied_and_keeps_its_lease() -> None:
    check_forwarding()


def check_forwarding() -> None:
    with nothing_leaks():
        first, second = Link(), Link()
        middle = first.hand(some(value=1))
        last = second.hand(middle)
        assert second.ours_pool.bytes == 0
        assert same_memory(middle, last)
        del middle
        first.hand(some(value=2))
        untouched = bool(last[0] == 1) and first.ours.lent == 1
        del last
        left = first.ours.lent
        first.close()
        second.close()
        assert untouched
        assert left == 0


def test_memory_is_never_used_again_while_a_lost_session_had_it() -> None:
    check_lost()


def check_lost() -> None:
    """The other side still looks at it, for all we know: it may hang, and not be dead."""
    with nothing_leaks():
        pool = Pool()
        link = Link(pool=pool)
        link.theirs.listen(lambda lease: None)  # nothing comes through any more
        got = link.hand(some(value=1))
        link.ours.close()
        other = Link(pool=pool)
        other.hand(some(value=2))
        untouched = bool(got[0] == 1)
        del got
        link.close()
        other.close()
        assert untouched


def test_what_an_untrusted_side_sent_cannot_change_any_more() -> None:
    check_untrusted()


def check_untrusted() -> None:
    with nothing_leaks():
        link = Link()
        link.theirs = SharedArrays(link.theirs_pool, trusted=False)
        link.theirs.listen(lambda lease: link.ours.ended([lease]))
        array = empty(100_000, np.uint8, pool=link.ours_pool)
        array[:] = 1
        got = link.hand(array)
        array[:] = 2
        untouched = bool(got[0] == 1)
        del got, array
        link.close()
        assert untouched


def test_an_untrusted_side_sees_nothing_of_other_arrays_and_needs_no_copy() -> None:
    with nothing_leaks():
        pool = Pool()
        Link(pool=pool).hand(some(65_537, value=66))
        link = Link(trusted=False, pool=pool)
        got = link.hand(some(70_000, value=1))
        hold = hold_of(got)
        assert hold is not None
        memory = np.asarray(hold)
        assert (memory[:70_000] == 1).all()
        assert (memory[70_000:] == 0).all()
        del got, hold, memory
        link.close()


def check_readers_cannot_write() -> None:
    with nothing_leaks():
        link = Link()
        shared = link.ours.share(some())
        assert shared is not None
        descriptor = shared[1]
        try:
            with pytest.raises(PermissionError):
                os.pwrite(descriptor, b"x", 0)
            with pytest.raises(OSError, match="Operation not permitted"):
                os.ftruncate(descriptor, 0)
        finally:
            link.close()


def test_readers_cannot_write() -> None:
    check_readers_cannot_write()


# --------------------------------------------------------------------------------------- lies


def check_lies() -> None:
    """Each claim that is wrong is a ProtocolError, the descriptor is closed, the lease is over."""
    with nothing_leaks():
        link = Link()
        shared = link.ours.share(some(131_072))
        assert shared is not None
        placed, descriptor = shared
        size = placed.size
        lies: list[dict[str, Any]] = [
            {"size": size + 4096},
            {"size": size - 1},
            {"size": 2**40},
            {"size": 0, "shape": (0,)},
            {"offset": size},
            {"offset": -1},
            {"offset": 1},
            {"shape": (size + 1,)},
            {"shape": (-1,)},
            {"shape": (2**62, 8), "strides": (0, 0)},
            {"shape": (2**30,), "strides": (0,)},
            {"shape": (2, size // 2 + 1), "strides": (1, 1)},
            {"strides": (-1,)},
            {"strides": (2,)},
            {"strides": (2**62,)},
            {"strides": ()},
            {"strides": (1, 1)},
            {"shape": (1,) * 65, "strides": (1,) * 65},
            {"dtype": "uint16"},
            {"dtype": "object"},
            {"dtype": "O"},
            {"dtype": "u1,u1"},
            {"dtype": "(2,)u1"},
            {"dtype": "U100"},
            {"dtype": "uint7"},
            {"dtype": ""},
        ]
        ended: list[int] = []
        link.theirs.listen(ended.append)
        for number, lie in enumerate(lies):
            with pytest.raises(ProtocolError):
                link.theirs.adopt(replace(placed, segment=number, **lie), os.dup(descriptor))
            assert ended.pop() == number
        link.close()


def test_lies_are_errors() -> None:
    check_lies()


def check_other_files() -> None:
    """Descriptors of something else."""
    placed = Placed("uint8", (8192,), (1,), 0, 1, 8192)
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    every = segments.SIZE_SEALS | segments.SEAL_FUTURE_WRITE

    def sealed(seals: int, allocated: bool = True) -> int:
        made = os.memfd_create("lie", flags)
        os.ftruncate(made, 8192)
        if allocated:
            os.posix_fallocate(made, 0, 8192)
        segments._seal(made, seals)
        return made

    def temporary() -> int:
        made = os.open("/tmp", os.O_TMPFILE | os.O_RDWR)
        os.pwrite(made, bytes(8192), 0)
        return made

    makers: list[Callable[[], int]] = [
        lambda: os.open("/dev/zero", os.O_RDWR),
        lambda: os.open("/", os.O_RDONLY),
        lambda: os.eventfd(0),
        temporary,
        lambda: sealed(0),
        lambda: sealed(segments.SIZE_SEALS),
        lambda: sealed(every & ~segments.SEAL_SHRINK),
        lambda: sealed(every & ~segments.SEAL_GROW),
        lambda: sealed(every, allocated=False),
    ]
    with nothing_leaks():
        for trusted in (True, False):
            for maker in makers:
                with pytest.raises(ProtocolError):
                    SharedArrays(Pool(), trusted=trusted).adopt(placed, maker())
        good = SharedArrays(Pool()).adopt(placed, sealed(every))
        assert not good.any()
        del good


def test_what_is_no_segment_is_an_error() -> None:
    check_other_files()


def check_leases() -> None:
    with nothing_leaks():
        link = Link()
        shared = link.ours.share(some())
        assert shared is not None
        number = shared[0].segment
        for wrong in (number + 1, 0, -1):
            with pytest.raises(ProtocolError):
                link.ours.ended([wrong])
        link.ours.ended([number])
        with pytest.raises(ProtocolError):
            link.ours.ended([number])
        with pytest.raises(ProtocolError):
            link.theirs.adopt(shared[0], None)
        link.close()


def test_leases_that_do_not_exist_are_errors() -> None:
    check_leases()


def test_a_segment_that_is_here_needs_no_descriptor() -> None:
    with nothing_leaks():
        link = Link()
        ended: list[int] = []
        link.theirs.listen(ended.append)
        shared = link.ours.share(some())
        assert shared is not None
        placed, descriptor = shared
        one = link.theirs.adopt(placed, os.dup(descriptor))
        two = link.theirs.adopt(replace(placed, offset=10, shape=(5,)), None)
        assert two.tolist() == [7] * 5
        with pytest.raises(ProtocolError):
            link.theirs.adopt(replace(placed, size=placed.size * 2), None)
        assert ended == [placed.segment]
        del one
        assert ended == [placed.segment]
        del two
        assert ended == [placed.segment] * 3
        link.close()


TRUNCATE = """
import os, sys
import numpy as np
from opsin.errors import ProtocolError
from opsin.rpc import segment
from opsin.rpc.codec import Placed
from opsin.rpc.segment import hold_of
from opsin.rpc.shared_arrays import SharedArrays
{without}
lie = os.memfd_create("lie", os.MFD_ALLOW_SEALING)
os.posix_fallocate(lie, 0, 8192)
try:
    array = SharedArrays().adopt(Placed("uint8", (8192,), (1,), 0, 1, 8192), os.dup(lie))
except ProtocolError:
    sys.exit(77)
os.ftruncate(lie, 0)
array.sum()
"""


@pytest.mark.parametrize("checked", [True, False])
def test_a_segment_cannot_be_taken_away_while_it_is_read(checked: bool) -> None:
    """Without the check the reader is killed by SIGBUS."""
    script = TRUNCATE.format(without="" if checked else "segment.check = lambda *_: False")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == (77 if checked else -7), done.stderr


# ------------------------------------------------------- every protection is needed by its test


def _forget_lent(patch: Patch) -> None:
    share = SharedArrays.share

    def forgetful(self: SharedArrays, array: Array) -> tuple[Placed, int] | None:
        shared = share(self, array)
        if shared is not None and hold_of(array) is not None:
            weak = self._lent.pop(shared[0].segment)
            del weak
        return shared

    def ended(self: SharedArrays, leases: list[int]) -> None:
        for number in leases:
            self._lent.pop(number, None)

    patch.setattr(SharedArrays, "share", forgetful)
    patch.setattr(SharedArrays, "ended", ended)


def _reuse_lost(patch: Patch) -> None:
    patch.setattr(SharedArrays, "close", lambda self: self._lent.clear())


def _trust_all(patch: Patch) -> None:
    patch.setattr(segments, "check", lambda descriptor, size: True)


def _seal_nothing(patch: Patch) -> None:
    patch.setattr(segments, "_seal", lambda descriptor, seals: None)


def _check_nothing(patch: Patch) -> None:
    patch.setattr(segments, "check", lambda descriptor, size: False)


def _check_no_layout(patch: Patch) -> None:
    patch.setattr(shared_arrays, "check_layout", lambda *_: None)


def _take_any_dtype(patch: Patch) -> None:
    patch.setattr(shared_arrays, "dtype_of", np.dtype)


def _take_any_lease(patch: Patch) -> None:
    def ended(self: SharedArrays, leases: list[int]) -> None:
        for number in leases:
            self._lent.pop(number, None)

    patch.setattr(SharedArrays, "ended", ended)


@pytest.mark.parametrize(
    ("check", "without"),
    [
        (check_forwarding, _forget_lent),
        (check_lost, _reuse_lost),
        (check_untrusted, _trust_all),
        (check_readers_cannot_write, _seal_nothing),
        (check_lies, _check_nothing),
        (check_lies, _check_no_layout),
        (check_lies, _take_any_dtype),
        (check_other_files, _check_nothing),
        (check_leases, _take_any_lease),
    ],
)
def test_it_needs_its_protection(
    check: Callable[[], None], without: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    without(monkeypatch)
    with pytest.raises((Exception, pytest.fail.Exception)) as failure:
        check()
    assert not isinstance(failure.value, ProtocolError)


# --------------------------------------------------------------------- where there is no room


def test_without_descriptors_arrays_go_by_copy() -> None:
    with nothing_leaks():
        link = Link()
        shared = link.ours.share(some())
        assert shared is not None
        placed, descriptor = shared
        received = os.dup(descriptor)
        with room_for(0):
            assert link.ours.share(some()) is None
            ordinary = empty(100_000, np.uint8, pool=link.ours_pool)
            assert hold_of(ordinary) is None
            got = link.theirs.adopt(placed, received)
        assert hold_of(got) is None
        assert got[0] == 7
        assert not got.flags.writeable
        assert link.ours.lent == 0
        link.close()


def test_beyond_the_pools_number_of_segments_arrays_go_by_copy() -> None:
    with nothing_leaks():
        link = Link()
        link.theirs_pool.most = 2
        got = [link.hand(some(value=value)) for value in range(4)]
        assert [hold_of(array) is not None for array in got] == [True, True, False, False]
        assert [array[0] for array in got] == [0, 1, 2, 3]
        assert link.ours.lent == 2
        del got
        link.close()


def test_what_is_small_is_not_shared_and_objects_are_refused() -> None:
    pool = Pool()
    assert hold_of(empty(65_536, np.uint8, pool=pool)) is None
    assert hold_of(empty(65_537, np.uint8, pool=pool)) is not None
    assert empty((), "float32", pool=pool).shape == ()
    assert empty(np.int64(3)).shape == (3,)
    assert empty((3, 0)).shape == (3, 0)
    with pytest.raises(TypeError, match="Python objects"):
        empty(10, object)
    with pytest.raises(TypeError, match="Python objects"):
        empty(10, [("a", "O")])
    with pytest.raises(ValueError, match="negative"):
        empty((-5, 3))
    broadcast = np.broadcast_to(empty(100_000, np.uint8, pool=pool), (3, 100_000))
    link = Link(pool=pool)
    got = link.hand(broadcast)
    assert not same_memory(got, broadcast)
    assert np.array_equal(got, broadcast)
    for dtype in ("object", "u1,u2", "S9"):
        with pytest.raises(TypeError):
            link.ours.share(np.zeros(100_000, dtype))


def test_where_nothing_can_be_shared_everything_goes_by_buffer(monkeypatch: Patch) -> None:
    before = shared_mappings()
    monkeypatch.setattr(shared_arrays, "available", lambda: False)
    assert SharedArrays().share(some()) is None
    array = empty(100_000, np.uint8)
    assert hold_of(array) is None
    assert shared_mappings() == before
    assert default_pool() is default_pool()
