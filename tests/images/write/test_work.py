"""Work: pieces are given out as far as there is room, and stop when they are told to."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from opsin.images.memory import image_from_array
from opsin.images.pyramid import Spares
from opsin.images.write import work as module
from opsin.images.write.layout import layout_of
from opsin.images.write.options import Options
from opsin.images.write.work import Kept, Piece, Work

CHUNK = 16 * 16 * 2


def work_of(monkeypatch: pytest.MonkeyPatch, room: int, done: Any = None) -> Work:
    """Of 2 × 6 chunks of 16 × 16 pixels, each a box of four pieces."""
    monkeypatch.setattr("opsin.images.write.traversal.GROWN", 0)
    monkeypatch.setattr(module, "FILLED", room)
    pixels = np.zeros((32, 96), np.uint16)
    layout = layout_of(image_from_array(pixels, chunks=(8, 8)), Options(chunks=(16, 16)))
    return Work(layout, Spares((16, 16), pixels.dtype), done)


def taken(work: Work) -> list[Piece]:
    """All that it gives out now."""
    pieces = []
    with pytest.raises(BlockingIOError):
        while (piece := work.take(wait=False)) is not None:
            pieces.append(piece)
    return pieces


def test_as_many_boxes_are_filled_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    work = work_of(monkeypatch, 3 * CHUNK)
    pieces = taken(work)
    assert len(pieces) == 3 * 4
    for piece in pieces[:3]:
        work.placed(piece)
    assert taken(work) == []
    work.placed(pieces[3])
    assert len(taken(work)) == 4


def test_one_box_is_filled_however_little_room_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    work = work_of(monkeypatch, 1)
    pieces = taken(work)
    assert len(pieces) == 4
    for piece in pieces:
        work.placed(piece)
    assert len(taken(work)) == 4


def test_who_waits_is_woken_by_room_and_by_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    work = work_of(monkeypatch, 1)
    pieces = taken(work)
    got: list[Piece | None] = []
    waiting = [threading.Thread(target=lambda: got.append(work.take())) for _ in range(6)]
    for thread in waiting:
        thread.start()
    assert got == []
    for piece in pieces:
        work.placed(piece)
    work.stop()
    for thread in waiting:
        thread.join(5)
        assert not thread.is_alive()
    assert len(got) == 6
    assert work.take() is None


def test_what_is_done_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    done = np.ones((2, 6), np.bool_)
    done[1, 4] = False
    work = work_of(monkeypatch, 1 << 20, done)
    indices = []
    while (piece := work.take(wait=False)) is not None:
        indices.append(piece.index)
    assert indices == [(2, 8), (2, 9), (3, 8), (3, 9)]


def test_the_oldest_that_are_kept_go_first() -> None:
    kept = Kept(limit=100)
    for number in range(4):
        kept.add((number,), np.full(30, number, np.uint8))
    kept.add((9,), np.zeros(101, np.uint8))
    assert kept.take((0,)) is None
    assert kept.take((9,)) is None
    found = kept.take((1,))
    assert found is not None
    assert found.tolist() == [1] * 30
    assert kept.take((1,)) is None
    kept.add((5,), np.zeros(40, np.uint8))
    assert kept.take((2,)) is not None
