"""Chunks of far sources are kept from one session to the next: whole, bounded, and never wrong."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec

from opsin.chunks.disk_cache import DiskCache, chunk_name
from opsin.chunks.loader import Loader
from opsin.errors import Corrupt, UsageError
from opsin.images.readers import open_image
from opsin.images.source import Array
from tests.fault_server import Site, serving

NAMES = [chunk_name("trial", 0, (number,)) for number in range(200)]
CHUNKS = r"/c/|^image\.zarr/c"


def content(name: str) -> bytes:
    return random.Random(name).randbytes(10_000)


def in_files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("??/*") if len(path.name) == 64]


def put(cache: DiskCache, *names: str) -> None:
    for name in names:
        cache.put(name, content(name))
    cache.close()


def get(cache: DiskCache, *names: str) -> list[bytes | None]:
    async def read() -> list[bytes | None]:
        return [await cache.get(name) for name in names]

    return asyncio.run(read())


def test_what_was_put_is_there_in_the_next_session(tmp_path: Path) -> None:
    put(DiskCache(tmp_path / "cache"), *NAMES[:50])
    cache = DiskCache(tmp_path / "cache")
    assert get(cache, *NAMES[:60]) == [content(name) for name in NAMES[:50]] + [None] * 10
    assert (cache.hits, cache.misses) == (50, 10)
    cache.close()
    assert (tmp_path / "cache").stat().st_mode & 0o77 == 0, "nobody else may read it"


def test_the_size_is_bounded_and_the_longest_unused_goes(tmp_path: Path) -> None:
    for first in range(0, 200, 20):
        cache = DiskCache(tmp_path, size=500_000)
        put(cache, *NAMES[first : first + 20])
        cache = DiskCache(tmp_path, size=500_000)
        assert get(cache, NAMES[5]) == [content(NAMES[5])]
        cache.close()
        assert sum(path.stat().st_size for path in in_files(tmp_path)) <= 500_000
    with sqlite3.connect(tmp_path / "index.sqlite") as index:
        total, counted = index.execute(
            "SELECT (SELECT bytes FROM total), (SELECT sum(bytes) FROM chunks)"
        ).fetchone()
    index.close()
    assert total == counted == sum(path.stat().st_size for path in in_files(tmp_path))
    assert NAMES[199] in {path.name for path in in_files(tmp_path)}


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "grow", "swap"])
def test_a_damaged_entry_is_a_miss_and_goes(tmp_path: Path, damage: str) -> None:
    put(DiskCache(tmp_path), *NAMES[:2])
    path, other = (tmp_path / name[:2] / name for name in NAMES[:2])
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[5000] ^= 1
    elif damage == "cut":
        del data[5000:]
    elif damage == "empty":
        data.clear()
    elif damage == "grow":
        data += b"more"
    else:
        data = bytearray(other.read_bytes())
    path.write_bytes(data)
    cache = DiskCache(tmp_path)
    assert get(cache, *NAMES[:2]) == [None, content(NAMES[1])]
    assert not path.exists()
    put(cache, NAMES[0])
    again = DiskCache(tmp_path)
    assert get(again, NAMES[0]) == [content(NAMES[0])]
    again.close()


@pytest.mark.parametrize("damage", ["gone", "garbage"])
def test_the_index_is_made_again_from_the_files(tmp_path: Path, damage: str) -> None:
    put(DiskCache(tmp_path), *NAMES[:30])
    for path in tmp_path.glob("index.sqlite*"):
        path.unlink()
    if damage == "garbage":
        (tmp_path / "index.sqlite").write_bytes(os.urandom(5000))
    left = tmp_path / NAMES[0][:2] / ".0123.99.part"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    cache = DiskCache(tmp_path)
    assert get(cache, *NAMES[:30]) == [content(name) for name in NAMES[:30]]
    cache.close()
    assert not left.exists(), "what an interrupted process has left goes"
    with sqlite3.connect(tmp_path / "index.sqlite") as index:
        assert index.execute("SELECT count(*) FROM chunks").fetchone() == (30,)
    index.close()


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot be the disk cache"):
        DiskCache(tmp_path / "file")


def test_whoever_makes_the_index_is_waited_for(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "index.sqlite", check_same_thread=False)) as other:
        other.execute("CREATE TABLE something (x)")
        other.execute("BEGIN EXCLUSIVE")
        later = threading.Timer(0.3, other.rollback)
        later.start()
        cache = DiskCache(tmp_path)
        later.join()
    put(cache, NAMES[0])
    again = DiskCache(tmp_path)
    assert get(again, NAMES[0]) == [content(NAMES[0])]
    again.close()


def _fill(folder: Path, seed: int, seconds: float) -> None:
    cache = DiskCache(folder, size=600_000)
    chosen, end = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < end:
        name = chosen.choice(NAMES)
        found = get(cache, name)[0]
        assert found in (None, content(name))
        if found is None:
            cache.put(name, content(name))
    cache.close()


def test_processes_share_a_folder_and_one_that_is_killed_leaves_it_valid(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    good = [context.Process(target=_fill, args=(tmp_path, seed, 2.5)) for seed in range(2)]
    for one in good:
        one.start()
    for seed in range(3):
        victim = context.Process(target=_fill, args=(tmp_path, 10 + seed, 60))
        victim.start()
        time.sleep(0.6 + 0.1 * seed)
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
    for one in good:
        one.join()
        assert one.exitcode == 0
    cache = DiskCache(tmp_path, size=600_000)
    found = get(cache, *NAMES)
    assert all(data in (None, content(name)) for name, data in zip(NAMES, found, strict=True))
    assert sum(data is not None for data in found) > 20
    cache.close()
    assert sum(path.stat().st_size for path in in_files(tmp_path)) <= 600_000


# With a loader and a real server


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    root = tmp_path / "site"
    root.mkdir()
    write(root, 1)
    with serving(root) as site:
        yield site


def pixels(seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, 4000, (400, 300)).astype(np.uint16)


def write(root: Path, seed: int) -> None:
    array = zarr.create_array(
        root / "image.zarr",
        shape=(400, 300),
        dtype=np.uint16,
        chunks=(100, 100),
        compressors=BloscCodec(cname="lz4"),
        overwrite=True,
    )
    array[:] = pixels(seed)


def session(site: Site, folder: Path) -> tuple[Array, int]:
    """All pixels as a new process would load them, and the bytes that came from the server."""

    async def load() -> tuple[Array, int]:
        loader = Loader(64 << 20, disk_cache=DiskCache(folder))
        image = loader.add(open_image(f"{site.url}/image.zarr"))
        found = await loader.read(image, 0, (0, 0), (400, 300))
        count = loader.bytes_read
        came = {entry.provenance for entry in loader.journal.since(0)}
        assert came == {"network" if count else "disk"}
        await loader.close()
        return found, count

    return asyncio.run(load())


def test_the_second_session_asks_the_server_for_no_chunk(site: Site, tmp_path: Path) -> None:
    first, count = session(site, tmp_path / "cache")
    np.testing.assert_array_equal(first, pixels(1))
    assert count > 100_000
    assert len(site.asked(CHUNKS)) == 12
    site.requests.clear()
    second, count = session(site, tmp_path / "cache")
    np.testing.assert_array_equal(second, pixels(1))
    assert count == 0
    assert site.asked(CHUNKS) == []


def test_content_that_was_written_anew_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    session(site, tmp_path / "cache")
    write(site.root, 2)
    later = time.time() + 5
    os.utime(site.root / "image.zarr" / "zarr.json", (later, later))
    np.testing.assert_array_equal(session(site, tmp_path / "cache")[0], pixels(2))


def test_what_a_server_does_not_date_is_not_kept(site: Site, tmp_path: Path) -> None:
    site.dated = False
    session(site, tmp_path / "cache")
    write(site.root, 2)
    np.testing.assert_array_equal(session(site, tmp_path / "cache")[0], pixels(2))
    assert in_files(tmp_path / "cache") == []


def test_damaged_entries_are_fetched_again(site: Site, tmp_path: Path) -> None:
    session(site, tmp_path / "cache")
    for number, path in enumerate(in_files(tmp_path / "cache")):
        data = bytearray(path.read_bytes())
        data[-1 - number] ^= 0x10
        path.write_bytes(data)
    site.requests.clear()
    np.testing.assert_array_equal(session(site, tmp_path / "cache")[0], pixels(1))
    assert len(site.asked(CHUNKS)) == 12


def test_what_is_no_chunk_is_not_kept(site: Site, tmp_path: Path) -> None:
    site.wrong = CHUNKS
    with pytest.raises(Corrupt):
        session(site, tmp_path / "cache")
    assert in_files(tmp_path / "cache") == []
    site.wrong = "$^"
    np.testing.assert_array_equal(session(site, tmp_path / "cache")[0], pixels(1))


def test_an_entry_that_agrees_but_is_no_chunk_is_fetched(site: Site, tmp_path: Path) -> None:
    session(site, tmp_path / "cache")
    names = [path.name for path in in_files(tmp_path / "cache")]
    cache = DiskCache(tmp_path / "cache")
    for name in names:
        cache.put(name, b"no chunk")
    cache.close()
    np.testing.assert_array_equal(session(site, tmp_path / "cache")[0], pixels(1))
