"""Many callers of one host: every call gets its own answer, and all workers end. Short."""

from __future__ import annotations

from pathlib import Path

from harness.load import load

from tests.rpc.process import nothing_leaks
from tests.rpc.running import run

WORKERS, IN_FLIGHT = 8, 32


def test_no_call_is_lost_under_load(tmp_path: Path) -> None:
    with nothing_leaks():
        made = run(load(tmp_path, WORKERS, IN_FLIGHT, seconds=4), 120)
    assert made.lost == []
    assert made.calls >= IN_FLIGHT
    assert 1 < made.workers <= WORKERS
