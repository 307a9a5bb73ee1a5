"""A loader over a server that fails in every way: nothing hangs, nothing wrong is shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec

from opsin.chunks import loader as loader_module
from opsin.chunks.brick import ChunkKey
from opsin.chunks.loader import Client, Loader
from opsin.errors import Corrupt, ReadError, Unreachable
from opsin.images.readers import open_image
from opsin.images.source import Array
from tests.fault_server import NEVER, Site, serving

SIDE = 6
CHUNK = 64
SHAPE = (SIDE * CHUNK, SIDE * CHUNK)
PIXELS = np.random.default_rng(3).integers(1, 4000, SHAPE).astype(np.uint16)
ONE = r"a\.zarr/c/2/3$"
ALL = r"a\.zarr/c/"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    for name in ("a.zarr", "b.zarr"):
        array = zarr.create_array(
            tmp_path / name,
            shape=SHAPE,
            dtype=np.uint16,
            chunks=(CHUNK, CHUNK),
            compressors=BloscCodec(cname="lz4"),
        )
        array[:] = PIXELS
    with serving(tmp_path) as site:
        yield site


class Session:
    """A loader of both images, whose wants come or fail."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.loader = Loader(64 << 20)
        self.numbers = [self.loader.add(open_image(f"{site.url}/{n}.zarr")) for n in "ab"]
        site.requests.clear()
        site.times.clear()
        self.told = asyncio.Event()
        self.client: Client = self.loader.client(lambda _key: self.told.set())

    def every(self, image: int = 0) -> list[ChunkKey]:
        return [ChunkKey(image, 0, (y, x)) for y in range(SIDE) for x in range(SIDE)]

    def want(self, *keys: ChunkKey) -> None:
        self.client.want([key] for key in keys)

    async def settled(self, *keys: ChunkKey) -> list[ChunkKey]:
        """Wait for all of them; those that failed."""
        while True:
            self.told.clear()
            failed = [key for key in keys if self.loader.failure(key) is not None]
            if all(key in failed or key in self.loader.cache for key in keys):
                return failed
            await self.told.wait()

    def chunk(self, key: ChunkKey) -> Array:
        found = self.loader.get(key)
        assert found is not None
        return found


def expected(key: ChunkKey) -> Array:
    y, x = (i * CHUNK for i in key.grid)
    return PIXELS[y : y + CHUNK, x : x + CHUNK]


def run(site: Site, test: Callable[[Session], Awaitable[None]]) -> None:
    async def main() -> None:
        session = Session(site)
        try:
            async with asyncio.timeout(25):
                await test(session)
        finally:
            site.go.set()
            await session.loader.close()
        assert session.loader.in_flight == 0

    asyncio.run(main())


def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "RETRY_DELAYS", (0.02, 0.04, 0.08))


def test_a_chunk_that_is_not_there_is_all_fill_value(site: Site) -> None:
    site.status[ONE] = 404

    async def test(session: Session) -> None:
        session.want(*session.every())
        assert await session.settled(*session.every()) == []
        for key in session.every():
            wanted = np.zeros((CHUNK, CHUNK)) if key.grid == (2, 3) else expected(key)
            np.testing.assert_array_equal(session.chunk(key), wanted)
        assert len(site.asked(ONE)) == 1, "that is an answer, and no reason to ask again"

    run(site, test)


def test_a_server_that_is_busy_for_a_while_is_asked_again_and_not_at_once(site: Site) -> None:
    site.failures[ONE] = 2 * 2  # the library asks twice each time

    async def test(session: Session) -> None:
        key = ChunkKey(0, 0, (2, 3))
        session.want(key)
        assert await session.settled(key) == []
        np.testing.assert_array_equal(session.chunk(key), expected(key))
        at = [moment for path, moment in site.times if path.endswith("c/2/3")]
        gaps = np.diff(at)
        assert len(gaps) == 4  # within each pair it is the library that waits
        assert gaps[1] > 0.15
        assert gaps[3] > 0.7, "each time it is given longer"

    run(site, test)


@pytest.mark.parametrize("fault", ["status", "reset", "cut"])
def test_what_keeps_failing_is_given_up_alone(
    site: Site, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_retries(monkeypatch)
    if fault == "status":
        site.status[ONE] = 500
    else:
        setattr(site, fault, ONE)

    async def test(session: Session) -> None:
        session.want(*session.every())
        (key,) = await session.settled(*session.every())
        assert key.grid == (2, 3)
        error = session.loader.failure(key)
        assert isinstance(error, Unreachable)
        assert "a.zarr/c/2/3" in str(error)
        assert 4 <= len(site.asked(ONE)) <= 8
        for other in session.every():
            if other != key:
                np.testing.assert_array_equal(session.chunk(other), expected(other))
        site.status.clear()
        site.reset = site.cut = NEVER
        session.loader.retry()
        assert await session.settled(key) == []
        np.testing.assert_array_equal(session.chunk(key), expected(key))

    run(site, test)


def test_a_refusal_is_an_answer(site: Site) -> None:
    site.status[ONE] = 403

    async def test(session: Session) -> None:
        session.want(*session.every())
        for key in await session.settled(*session.every()):
            assert isinstance(session.loader.failure(key), ReadError)
            assert key.grid == (2, 3)
        assert len(site.asked(ONE)) == 1

    run(site, test)


def test_wrong_bytes_are_a_failure_and_never_pixels(site: Site) -> None:
    site.wrong = ALL

    async def test(session: Session) -> None:
        session.want(*session.every())
        assert len(await session.settled(*session.every())) == SIDE**2
        assert all(isinstance(session.loader.failure(k), Corrupt) for k in session.every())
        assert session.loader.cache.used == 0

    run(site, test)


def test_what_nobody_wants_any_more_is_not_asked_for_and_stops_on_the_wire(site: Site) -> None:
    site.hang = ALL

    async def test(session: Session) -> None:
        session.want(*session.every())
        while len(site.asked(ALL)) < 6:  # noqa: ASYNC110 # the server runs on threads
            await asyncio.sleep(0.01)
        session.want()
        await asyncio.sleep(0.1)
        asked = len(site.asked(ALL))
        assert session.loader.in_flight == 0
        site.go.set()
        await asyncio.sleep(0.3)
        assert len(site.asked(ALL)) == asked < SIDE**2
        assert len(session.loader.cache) == 0, "what was aborted does not arrive"

    run(site, test)


def test_a_body_on_its_way_is_aborted(site: Site, tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "large.zarr", shape=(2048, 4096), dtype=np.uint16, chunks=(2048, 4096)
    )
    array[:] = np.random.default_rng(0).integers(0, 60000, (2048, 4096))
    site.slow = r"large\.zarr/c/"

    async def test(session: Session) -> None:
        number = session.loader.add(open_image(f"{site.url}/large.zarr"))
        session.want(ChunkKey(number, 0, (0, 0)))
        sent = site.sent
        while site.sent < sent + (1 << 18):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        session.want()
        await asyncio.to_thread(site.aborted.wait, 10)
        assert site.aborted.is_set()
        assert site.sent - sent < 12 << 20

    run(site, test)


def test_a_source_that_hangs_does_not_hold_up_another_one(site: Site) -> None:
    site.hang = ALL

    async def test(session: Session) -> None:
        session.want(*session.every(0), *session.every(1))
        started = time.monotonic()
        assert await session.settled(*session.every(1)) == []
        assert time.monotonic() - started < 10
        assert not any(key in session.loader.cache for key in session.every(0))

    run(site, test)


def test_a_slow_server_only_takes_its_time(site: Site) -> None:
    site.delay = 0.05
    site.slow = ALL

    async def test(session: Session) -> None:
        session.want(*session.every())
        assert await session.settled(*session.every()) == []
        for key in session.every():
            np.testing.assert_array_equal(session.chunk(key), expected(key))

    run(site, test)
