"""What a loader notes of its requests."""

from __future__ import annotations

from opsin.chunks.brick import ChunkKey
from opsin.chunks.journal import KEPT, Entry, Journal
from opsin.chunks.loader import Loader
from tests.chunks.pyramid import pyramid
from tests.rpc.running import run, until


def entry(number: int) -> Entry:
    return Entry(ChunkKey(0, 0, (number,)), 0.0, 1.0, 5, "disk", "came")


def test_the_last_entries_are_kept_by_number() -> None:
    journal = Journal()
    for number in range(KEPT + 10):
        journal.add(entry(number))
    assert journal.count == KEPT + 10
    assert [e.key.grid for e in journal.since(KEPT + 7)] == [(KEPT + 7,), (KEPT + 8,), (KEPT + 9,)]
    assert len(journal.since(0)) == KEPT
    assert journal.since(KEPT + 10) == []


def test_each_request_is_noted_with_its_end() -> None:
    async def main() -> None:
        image, source = pyramid((1024, 1024), chunk=256, delay=0.01, provenance="network")
        loader = Loader(2**24)
        loader.add(image)
        client = loader.client(lambda _: None)
        source.corrupt.add((0, (0, 1)))
        client.want([[ChunkKey(0, 0, (0, 0))], [ChunkKey(0, 0, (0, 1))]])
        await until(lambda: loader.journal.count == 2)
        client.want([[ChunkKey(0, 0, (1, 0))]])
        await until(lambda: source.started[0, (1, 0)] > 0)
        client.want([])
        await until(lambda: loader.journal.count == 3)
        entries = {e.key.grid: e for e in loader.journal.since(0)}
        ends = {grid: e.end for grid, e in entries.items()}
        assert ends == {(0, 0): "came", (0, 1): "failed", (1, 0): "given up"}
        assert entries[0, 0].bytes == len(b"encoded")
        assert entries[0, 0].provenance == "network"
        assert 0.01 <= entries[0, 0].ended - entries[0, 0].began < 5
        await loader.close()

    run(main(), 20)
