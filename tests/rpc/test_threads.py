from __future__ import annotations

import threading
import time
from unittest.mock import patch

from opsin.rpc.threads import Threads, waiting


def test_work_runs_in_a_bounded_number_of_threads() -> None:
    threads = Threads(3)
    at_once, most, lock = 0, 0, threading.Lock()
    done = threading.Semaphore(0)

    def work() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.005)
        with lock:
            at_once -= 1
        done.release()

    for _ in range(30):
        threads.submit(work)
    for _ in range(30):
        assert done.acquire(timeout=5)
    assert most == 3
    threads.close()


def test_a_thread_that_waits_does_not_count() -> None:
    threads = Threads(1)
    reached = threading.Event()

    def outer() -> None:
        inner_done = threading.Event()
        threads.submit(inner_done.set)
        with waiting():
            assert inner_done.wait(5)
        reached.set()

    threads.submit(outer)
    assert reached.wait(5)
    threads.close()


def test_that_it_does_not_count_matters() -> None:
    threads = Threads(1)
    reached = threading.Event()

    def outer() -> None:
        inner_done = threading.Event()
        threads.submit(inner_done.set)
        if inner_done.wait(0.1):
            reached.set()

    threads.submit(outer)
    assert not reached.wait(0.3)
    threads.close()


def test_idle_threads_end() -> None:
    before = threading.active_count()
    with patch("opsin.rpc.threads.IDLE", 0.01):
        threads = Threads(4)
        done = threading.Event()
        threads.submit(done.set)
        assert done.wait(5)
        deadline = time.monotonic() + 5
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.005)
    assert threading.active_count() <= before
    threads.close()


def test_waiting_elsewhere_changes_nothing() -> None:
    with waiting():
        pass
