"""A benchmark that is killed leaves nothing running."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from harness.demo import scratch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCRIPT = """
import time
from harness.chromium import browser
with browser("about:blank", "<title>Start</title>"):
    print("started", flush=True)
    time.sleep(600)
"""


def test_the_browser_ends_with_a_benchmark_that_is_killed() -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=BENCHMARKS, stdout=subprocess.PIPE, text=True
    )
    with killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "started\n"
        browser = family(killed.pid, "--type=renderer")
        killed.kill()
    _, left = psutil.wait_procs(browser, timeout=20)
    assert left == []
    with scratch() as folder:
        of_whom = {other.name.partition("_")[0] for other in folder.parent.iterdir()}
    assert str(killed.pid) not in of_whom, "its profile is taken away by the next one"


def family(pid: int, last: str) -> list[psutil.Process]:
    """All below a process, as soon as one of them has that argument."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        below = psutil.Process(pid).children(recursive=True)
        with suppress(psutil.NoSuchProcess):
            if any(last in process.cmdline() for process in below):
                return list(below)
        time.sleep(0.05)
    raise AssertionError("the browser did not start")
