"""The host thread: a host for programs that have no event loop of their own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from opsin.errors import Cancelled, UsageError
from opsin.host.host_thread import HostThread
from opsin.host.workspace import Workspace


def test_it_runs_what_it_is_given_until_it_is_closed(tmp_path: Path) -> None:
    thread = HostThread(Workspace(tmp_path / "data"), front_end="trial")

    async def where() -> str:
        return threading.current_thread().name

    async def forever() -> None:
        await asyncio.sleep(60)

    assert thread.run(where()) == "opsin host"
    assert thread.host.recorder.front_end == "trial"
    called = threading.Event()
    thread.soon(called.set)
    assert called.wait(5)
    waiting = thread.begin(forever())
    waiting.cancel()
    with pytest.raises(CancelledError):
        waiting.result(5)
    assert thread.is_alive
    thread.close()
    thread.close()
    assert not thread.is_alive
    thread.soon(called.clear)
    with pytest.raises(Cancelled, match="closed"):
        thread.begin(where()).result(5)
    assert called.is_set()


def test_there_is_one_of_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    HostThread.end_shared()
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    first = HostThread.shared()
    assert HostThread.shared() is first
    HostThread.end_shared()
    assert not first.is_alive
    second = HostThread.shared()
    assert second is not first
    HostThread.end_shared()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="OPSIN_DATA"):
        HostThread.shared()
