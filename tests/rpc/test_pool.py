"""Segments are used again, but never while somebody looks at them."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from opsin.rpc.pool import Pool, size_class
from opsin.rpc.segment import Hold, hold_of
from opsin.rpc.shared_arrays import available
from tests.rpc.process import nothing_leaks, room_for, shared_mappings

pytestmark = pytest.mark.skipif(not available(), reason="no shared arrays here")

KIB = 2**10


def filled(hold: Hold, value: int) -> Hold:
    np.asarray(hold)[:] = value
    return hold


def test_memory_is_used_again_when_its_last_view_is_gone() -> None:
    with nothing_leaks():
        pool = Pool()
        hold = pool.take(100 * KIB, memoryview(bytes(range(256)) * 400))
        segment = hold.segment
        view = np.asarray(hold)[50:60:3].view(np.int8)
        assert hold_of(view) is hold
        assert hold_of(view.copy()) is None
        del hold
        assert pool.idle_bytes == 0
        assert view.tolist() == [50, 53, 56, 59]
        del view
        assert pool.idle_bytes == pool.bytes == segment.size
        again = pool.take(100 * KIB, memoryview(b"again"))
        assert again.segment is segment
        assert bytes(np.asarray(again)[:6]) == b"again\x05"
        assert pool.take(100 * KIB).segment is not segment
        assert pool.take(50 * KIB).segment is not segment
        del again
        pool.trim()
        assert pool.bytes == 0


@pytest.mark.parametrize("size", [1, 4096, 4097, 65_537, 2**20, 2**20 + 1, 3 * 2**29 + 7])
def test_a_size_class_wastes_at_most_an_eighth(size: int) -> None:
    rounded = size_class(size)
    assert size <= rounded <= max(size * 9 // 8 + 1, 4096 * -(-size // 4096))
    assert rounded % 4096 == 0
    assert size_class(rounded) == rounded


def test_idle_memory_is_bounded_and_the_longest_unused_goes_first() -> None:
    with nothing_leaks():
        pool = Pool(limit=300 * KIB)
        holds = {size: pool.take(size * KIB) for size in (96, 112, 128, 512)}
        kept = {size: hold.segment for size, hold in holds.items()}
        for size in (96, 112, 128, 512):
            del holds[size]
        assert pool.bytes == pool.idle_bytes == (112 + 128) * KIB
        assert pool.take(128 * KIB).segment is kept[128]
        pool.trim(130 * KIB)
        assert pool.idle_bytes == 128 * KIB
        pool.trim()


def test_no_more_segments_than_allowed() -> None:
    with nothing_leaks():
        pool = Pool(most=3)
        holds = [pool.take(100 * KIB) for _ in range(3)]
        with pytest.raises(OSError, match="3 segments"):
            pool.take(100 * KIB)
        holds.pop()
        holds.append(pool.take(200 * KIB))  # instead of the idle one
        with pytest.raises(OSError, match="3 segments"):
            pool.take(100 * KIB)
        del holds
        pool.trim()


def test_a_failure_leaves_nothing_behind() -> None:
    with nothing_leaks():
        pool = Pool()
        idle = pool.take(100 * KIB).segment
        with room_for(0):  # the idle one has to go
            hold = pool.take(200 * KIB)
        assert pool.bytes == hold.segment.size
        for room in range(2):
            with room_for(room), pytest.raises(OSError, match="Too many open files"):
                pool.take(200 * KIB)
        with room_for(0), pytest.raises(OSError, match="Too many open files"):
            pool.receive(hold.segment.descriptor, hold.segment.size, fixed=False)
        assert pool.bytes == hold.segment.size
        del hold, idle
        pool.trim()
        assert pool._count == 0


def test_what_the_computer_does_not_have_is_refused() -> None:
    """Otherwise the kernel would end processes until there is room."""
    with nothing_leaks(), pytest.raises(OSError, match="memory"):
        Pool().take(2**50)


class PoolMachine(RuleBasedStateMachine):
    """Any sequence of uses: contents stay, the books are right."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool(limit=400 * KIB, most=12)
        self.held: list[tuple[int, Hold]] = []
        self.count = 0

    @rule(size=st.sampled_from([70, 80, 100, 300]), written=st.booleans())
    def take(self, size: int, written: bool) -> None:
        if len(self.held) == 12:
            return
        self.count += 1
        value = self.count % 251
        content = memoryview(bytes([value]) * (size * KIB))
        hold = self.pool.take(size * KIB, content if written else None)
        self.held.append((value, hold if written else filled(hold, value)))

    @rule(which=st.integers(0, 100))
    def let_go(self, which: int) -> None:
        if self.held:
            self.held.pop(which % len(self.held))

    @rule(limit=st.integers(0, 400 * KIB))
    def trim(self, limit: int) -> None:
        self.pool.trim(limit)
        assert self.pool.idle_bytes <= limit

    @rule(which=st.integers(0, 100))
    def spoil(self, which: int) -> None:
        if self.held:
            self.held[which % len(self.held)][1].segment.recyclable = False

    @invariant()
    def contents_stay(self) -> None:
        for value, hold in self.held:
            assert np.all(np.asarray(hold)[: 70 * KIB] == value)

    @invariant()
    def the_books_are_right(self) -> None:
        used = sum(hold.segment.size for _, hold in self.held)
        assert self.pool.bytes == used + self.pool.idle_bytes
        assert self.pool.idle_bytes <= self.pool.limit
        assert len({hold.segment.descriptor for _, hold in self.held}) == len(self.held)

    def teardown(self) -> None:
        self.held.clear()
        self.pool.trim()
        assert self.pool.bytes == self.pool._count == 0


PoolMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_any_sequence_of_uses() -> None:
    before = shared_mappings()
    machine = PoolMachine.TestCase("runTest")
    machine.runTest()
    gc.collect()
    assert shared_mappings() == before


def test_threads_and_the_garbage_collector_at_any_moment() -> None:
    """Holds die in other threads, and in cycles that are collected while the pool is at work."""
    with nothing_leaks():
        pool, threshold = Pool(limit=2**20), gc.get_threshold()
        errors: list[BaseException] = []

        def work(seed: int) -> None:
            try:
                for number in range(150):
                    hold = filled(pool.take((70 + number % 3 * 30) * KIB), seed)
                    cycle: list[object] = [hold]
                    cycle.append(cycle)
                    assert np.all(np.asarray(hold) == seed)
                    del hold, cycle
            except BaseException as error:
                errors.append(error)

        gc.set_threshold(3, 2, 2)
        try:
            threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            gc.set_threshold(*threshold)
        assert not errors
        gc.collect()
        pool.trim()
        assert pool.bytes == pool._count == 0


# ------------------------------------------------- in processes of their own: they fork, or die


def python(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "dev", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


FORK = """
import os
import numpy as np
from opsin.rpc import pool as pool_module
from opsin.rpc.pool import Pool
{without}
pool = Pool()
used = pool.take(2**17)
np.asarray(used)[:] = 1
pool.take(2**18)  # idle
start, started = os.pipe()
if os.fork() == 0:
    assert pool.bytes == 0, "it is not the child's"
    before = len(os.listdir("/proc/self/fd"))
    np.asarray(pool.take(2**18))[:] = 2
    del used
    assert pool.bytes == 2**18, "the child's own"
    os._exit(0)
mine = pool.take(2**18)
np.asarray(mine)[:] = 3
_, status = os.wait()
assert status == 0, "the child failed"
assert np.all(np.asarray(mine) == 3), "the child wrote into it"
assert np.all(np.asarray(used) == 1)
del mine, used
assert pool.idle_bytes == pool.bytes == 2**17 + 2**18
"""


def test_a_fork_does_not_use_its_parents_memory() -> None:
    done = python(FORK.format(without=""))
    assert (done.returncode, done.stderr) == (0, "")


def test_that_needs_its_protection() -> None:
    without = "Pool.forget = lambda self: None; pool_module.os.getpid = lambda: 1"
    assert python(FORK.format(without=without)).returncode != 0


FULL = """
import os, resource, sys
import numpy as np
from opsin.rpc import segment
from opsin.rpc.pool import Pool
{without}
segment._memory_file = lambda: os.open("{folder}", os.O_TMPFILE | os.O_RDWR)
segment._seal = lambda *_: None  # such a file cannot be sealed
pool = Pool()
try:
    while True:
        hold = pool.take(2**18)
        np.asarray(hold)[:] = 1
        hold.segment.recyclable = False
        globals().setdefault("all", []).append(hold)
except OSError as error:
    assert "No space left" in str(error), error
    assert len(all) == 4
    all.clear()
    pool.take(2**18)
    sys.exit(77)
"""


@pytest.mark.parametrize("allocated", [True, False])
def test_a_full_file_system_is_an_error_and_not_a_signal(allocated: bool, tmp_path: Path) -> None:
    """A real tmpfs of 1 MiB, mounted for one process. Without the allocation it kills."""
    without = "" if allocated else "os.posix_fallocate = lambda fd, at, size: os.truncate(fd, size)"
    script = tmp_path / "script.py"
    folder = tmp_path / "small"
    folder.mkdir()
    script.write_text(FULL.format(without=without, folder=folder))
    mount = f"mount -t tmpfs -o size=1m none {folder}"
    command = f"{mount} || exit 99; {sys.executable} {script}"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", command],
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 99 or done.stderr.startswith(b"unshare"):
        pytest.skip("mounting is not allowed here")
    assert done.returncode == (77 if allocated else 128 + 7), done.stderr


LIMITED = """
import resource
from opsin.errors import BudgetExceeded
from opsin.rpc.pool import default_pool
from opsin.rpc.shared_arrays import SharedArrays, empty
import numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
small = empty(2**19, "uint8")
try:
    empty(2**21, "uint8")
except BudgetExceeded as error:
    assert "2097152 bytes" in str(error)
else:
    raise AssertionError("there was room")
assert SharedArrays().share(np.zeros(2**21, "uint8")) is None
assert default_pool().bytes == 2**19
"""


def test_a_limit_on_files_is_an_error_and_not_a_signal() -> None:
    done = python(LIMITED)
    assert (done.returncode, done.stderr) == (0, "")


EXIT = """
import threading
import numpy as np
from opsin.rpc.pool import Pool, default_pool
from opsin.rpc.shared_arrays import SharedArrays, empty
import os
a = empty((1000, 1000), "float32")
b = SharedArrays()
b.listen(print)
placed, descriptor = b.share(a)
c = b.adopt(placed, os.dup(descriptor))
placed, descriptor = b.share(np.zeros(10**6))
d = b.adopt(placed, os.dup(descriptor))[10:]
cycle = [a, c, Pool().take(10**5)]
cycle.append(cycle)
class Late:
    def __del__(self):
        self.array[:] = 3
late = Late()
late.array = a
late.me = late
"""


def test_the_end_of_the_interpreter_is_silent() -> None:
    done = python(EXIT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
