"""Stores: local folders and HTTP answer alike, cancel, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from opsin.errors import Corrupt, ReadError, Unreachable
from opsin.images.remote_store import HttpStore
from opsin.images.store import LocalStore, Store
from opsin.images.waiting import wait_for
from tests.fault_server import Site

DATA = bytes(range(256)) * 40


@pytest.fixture(params=["local", "http"])
def store(request: pytest.FixtureRequest, site: Site) -> Store:
    (site.root / "a b/ü").mkdir(parents=True)
    (site.root / "a b/ü/0.0").write_bytes(DATA)
    (site.root / "empty").write_bytes(b"")
    return LocalStore(site.root) if request.param == "local" else HttpStore(site.url + "/")


def test_reads_whole_values_and_parts(store: Store) -> None:
    async def read() -> None:
        key = "a b/ü/0.0"
        assert await store.get(key, limit=len(DATA)) == DATA
        assert await store.get("empty", limit=0) == b""
        assert await store.get("a b/none", limit=9) is None
        assert await store.get_range("none", start=3, length=2) is None
        assert await store.get_range(key, start=1000, length=70) == DATA[1000:1070]
        assert await store.get_range(key, start=10000) == DATA[10000:]
        assert await store.get_range(key, start=10200, length=900) == DATA[10200:]
        assert await store.get_range(key, start=99999, length=9) == b""
        assert await store.get_range(key, start=5, length=0) == b""
        assert await store.get_range(key, suffix=20) == DATA[-20:]
        with pytest.raises(Corrupt, match=f"{len(DATA)} bytes, more than the 100"):
            await store.get(key, limit=100)

    wait_for(read())
    store.close()


def test_names_of_a_folder_and_none_by_http(store: Store) -> None:
    http = isinstance(store, HttpStore)
    for key, names in (("", ("a b/", "empty")), ("a b/ü", ("0.0",)), ("none", ()), ("empty", ())):
        assert wait_for(store.names(key)) == (None if http else names)
    store.close()


def test_a_reopened_store_is_closed_on_its_own(store: Store) -> None:
    other = store.reopen()
    store.close()
    store.close()
    assert wait_for(other.get("empty", limit=9)) == b""
    with pytest.raises(ReadError, match="closed"):
        wait_for(store.get("empty", limit=9))
    other.close()


def test_what_a_store_says_of_itself(store: Store) -> None:
    assert store.provenance in ("disk", "network")
    assert store.where.startswith(("/", "http://"))
    assert not store.where.endswith("/")


def test_many_reads_from_several_loops(store: Store) -> None:
    async def read() -> None:
        got = await asyncio.gather(
            *(store.get_range("a b/ü/0.0", start=i, length=2) for i in range(80))
        )
        assert got == [DATA[i : i + 2] for i in range(80)]

    for _ in range(3):
        wait_for(read())
    store.close()


def test_local_refusals(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for key, message in (("folder", "not a file"), ("pipe", "not a file"), ("loop", "levels")):
        with pytest.raises(ReadError, match=message):
            wait_for(store.get(key, limit=9))
    assert wait_for(store.get("folder/../missing", limit=9)) is None
    (tmp_path / "file").write_bytes(b"")
    assert wait_for(store.get("file/below", limit=9)) is None
    store.close()


def test_a_queued_local_read_that_is_cancelled_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    gate = threading.Event()
    ran: list[int] = []

    def note(*_: object, **__: object) -> bytes:
        ran.append(1)
        return b""

    async def cancel() -> None:
        (tmp_path / "x").write_bytes(b"x")
        monkeypatch.setattr(store, "read", lambda *_, **__: bytes(gate.wait(10)))
        blocking = [asyncio.create_task(store.get("x", limit=9)) for _ in range(8)]
        await asyncio.sleep(0.05)
        monkeypatch.setattr(store, "read", note)
        queued = asyncio.create_task(store.get("x", limit=9))
        await asyncio.sleep(0.05)
        queued.cancel()
        await asyncio.gather(queued, return_exceptions=True)
        gate.set()
        await asyncio.gather(*blocking)

    wait_for(cancel())
    store.close()
    assert ran == []


def test_a_running_local_read_that_is_cancelled_is_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    (tmp_path / "x").write_bytes(b"x")
    begun, go = threading.Event(), threading.Event()
    ended: list[int] = []

    def read(*_: object, **__: object) -> bytes:
        begun.set()
        go.wait(10)
        ended.append(1)
        return b""

    async def cancel() -> None:
        monkeypatch.setattr(store, "read", read)
        task = asyncio.create_task(store.get("x", limit=9))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0.05)
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [1]

    wait_for(cancel())
    store.close()


def test_closing_leaves_no_threads_and_no_files(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    files = len(list(Path("/proc/self/fd").iterdir()))
    others = set(threading.enumerate())  # of other tests
    for _ in range(5):
        store = LocalStore(tmp_path)
        wait_for(store.get("x", limit=9))
        store.close()
    names: list[str] = []
    for _ in range(100):
        ours = set(threading.enumerate()) - others
        names = [thread.name for thread in ours if thread.name.startswith("opsin-store")]
        if not names:
            break
        threading.Event().wait(0.01)
    assert names == []
    assert len(list(Path("/proc/self/fd").iterdir())) <= files


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, Unreachable),
        (503, Unreachable),
        (429, Unreachable),
        (403, ReadError),
        (401, ReadError),
        (400, ReadError),
    ],
)
def test_http_refusals_name_url_and_status(site: Site, status: int, kind: type) -> None:
    site.status["x"] = status
    store = HttpStore(site.url)
    with pytest.raises(ReadError, match=f"{site.url}/x answered {status} ") as caught:
        wait_for(store.get("x", limit=9))
    assert type(caught.value) is kind
    store.close()


def test_http_that_breaks_off_or_is_not_there(site: Site) -> None:
    (site.root / "x").write_bytes(DATA)
    site.cut = "x"
    with pytest.raises(Unreachable, match="did not answer"):
        wait_for(HttpStore(site.url).get("x", limit=len(DATA)))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1/x did not answer"):
        wait_for(HttpStore("http://127.0.0.1:1").get("x", limit=9))


def test_http_without_ranges_is_said_so(site: Site) -> None:
    (site.root / "x").write_bytes(DATA)
    site.ranges = False
    with pytest.raises(ReadError, match="part of a file"):
        wait_for(HttpStore(site.url).get_range("x", start=5, length=9))


def test_a_cancelled_http_read_stops_on_the_wire(site: Site) -> None:
    (site.root / "big").write_bytes(bytes(30 << 20))
    site.slow = "big"  # ten seconds of it
    store = HttpStore(site.url)

    async def cancel() -> None:
        task = asyncio.create_task(store.get("big", limit=30 << 20))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    wait_for(cancel())
    assert site.aborted.wait(2)
    store.close()
