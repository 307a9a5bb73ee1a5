"""The database of a workspace: whatever befalls it, nobody waits and nothing fails."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from opsin.host import records
from opsin.host.records import Records

INSERT = "INSERT INTO runs (id, title) VALUES (:id, :title)"
TITLES = "SELECT title FROM runs ORDER BY rowid"


def titles(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [title for (title,) in database.execute(TITLES)]


def test_what_is_written_is_read_in_order_and_kept(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    one = Records(tmp_path / "r.sqlite")
    expected = [f"title {number}" for number in range(500)]
    for number, title in enumerate(expected):
        one.write(INSERT, {"id": str(number), "title": title})
    assert [row["title"] for row in one.read(TITLES, {})] == expected
    one.write(INSERT, {"id": "last", "title": "a name \udcff with a byte that is no text"})
    one.close()
    one.close()
    assert titles(tmp_path / "r.sqlite") == [
        *expected,
        r"a name \udcff with a byte that is no text",
    ]
    new = set(threading.enumerate()) - before
    assert "opsin records" not in {thread.name for thread in new}


def test_a_lock_of_another_process_makes_nobody_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = Records(tmp_path / "r.sqlite")
    with closing(sqlite3.connect(tmp_path / "r.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        one.write(INSERT, {"id": "1", "title": "patient"})
        assert time.monotonic() - started < 1
        assert one.read(TITLES, {}) == []
        assert time.monotonic() - started < 2
        other.rollback()
        one.close()
        assert titles(tmp_path / "r.sqlite") == ["patient"]

        monkeypatch.setattr(records, "BUSY", 0.1)
        other.execute("BEGIN EXCLUSIVE")
        impatient = Records(tmp_path / "r.sqlite")
        with caplog.at_level(logging.WARNING, "opsin"):
            impatient.write(INSERT, {"id": "2", "title": "lost"})
            impatient.close()
        assert "database is locked" in caplog.text
        impatient.write(INSERT, {"id": "3", "title": "too late"})
        other.rollback()
    assert titles(tmp_path / "r.sqlite") == ["patient"]


def test_one_that_was_locked_when_it_was_opened_is_used_later(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        one = Records(path)
        other.rollback()
    one.write(INSERT, {"id": "1", "title": "here"})
    assert [row["title"] for row in one.read(TITLES, {})] == ["here"]
    one.close()


def test_a_disk_that_takes_nothing_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = Records(tmp_path / "r.sqlite")
    with caplog.at_level(logging.WARNING, "opsin"):
        one.write("INSERT INTO nowhere VALUES (:x)", {"x": 1})
        assert one.read(TITLES, {}) == []
    assert "no such table: nowhere" in caplog.text
    one.write(INSERT, {"id": "1", "title": "after"})
    assert [row["title"] for row in one.read(TITLES, {})] == ["after"]
    one.close()
