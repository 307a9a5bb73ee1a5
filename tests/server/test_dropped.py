"""Files that a page hands over: shown, refused with a sentence, and gone with the session."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from opsin.errors import UsageError, WriteError
from opsin.host.workspace import Workspace
from opsin.server.dropped import Dropped
from opsin.server.routes import ERRORS, routes
from opsin.server.session import Session
from tests.rpc.running import run, until
from tests.server.running import opsin_view
from tests.server.test_host_service import STACK, page

PICTURE = Path("tests/data/nuclei/test/images/003.png").read_bytes()


@asynccontextmanager
async def client_of(session: Session) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=routes(), exception_handlers=dict(ERRORS))
    app.state.session = session
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        yield client


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def kept(session: Session) -> list[Path]:
    """What lies in the folders of files that were handed over."""
    folders = session.host.workspace.results.glob(".dropped.*")
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def test_an_image_and_points_become_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (_, session):
            async with client_of(session) as client:
                answer = await client.put("/api/files/a%20b.png", content=PICTURE)
                (image,) = answer.json()["layers"]
                await until(lambda: image in session.scene.layers)
                assert session.scene.layers[image].name == "a b"
                answer = await client.put("/api/files/spots.csv", content=b"y,x\n1,2\n3,4\n")
                (points,) = answer.json()["layers"]
                assert session.scene.points[points].points.count == 2
            assert sorted(path.name for path in kept(session)) == ["a b.png", "spots.csv"]
        assert kept(session) == []

    run(work())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.txt", b"hello", "notes.txt"),
        ("broken.tif", b"II*\0", "broken.tif"),
        ("numbers.csv", b"a,b\n1,2\n", "numbers.csv"),
        ("..", b"", "has a name"),
    ],
)
def test_what_is_nothing_to_see_is_told_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, said: str
) -> None:
    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (_, session):
            async with client_of(session) as client:
                answer = await client.put(f"/api/files/{name.replace('.', '%2E')}", content=content)
            told = answer.json()
            error = told.get("error") or told["refused"]
            assert said in error
            assert str(tmp_path) not in error
            assert kept(session) == []
            assert list(session.scene.layers) == [0]

    run(work())


def test_pages_of_others_hand_nothing_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (_, session):
            monkeypatch.setattr(session, "own", False)
            async with client_of(session) as client:
                answer = await client.put("/api/files/a.png", content=PICTURE)
            assert answer.status_code == 400
            assert list(session.host.workspace.results.iterdir()) == []

    run(work())


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def lost() -> AsyncIterator[bytes]:
    yield b"1234"
    raise ConnectionResetError("gone")


def test_what_is_too_large_or_breaks_off_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        dropped = Dropped(tmp_path)
        path = await dropped.take("../../etc/passwd", None, pieces(b"ab", b"c"))
        assert path.read_bytes() == b"abc"
        assert path.parent.parent.parent == tmp_path
        monkeypatch.setattr("opsin.server.dropped.LARGEST", 5)
        for size, content in ((6, pieces()), (None, pieces(b"1234", b"56"))):
            with pytest.raises(UsageError, match=r"opsin view large\.tif"):
                await dropped.take("large.tif", size, content)
        with pytest.raises(WriteError):
            await dropped.take("cut.tif", None, lost())
        monkeypatch.setattr("opsin.server.dropped.LEFT", 2**80)
        with pytest.raises(WriteError, match="does not fit"):
            await dropped.take("full.tif", 3, pieces(b"123"))
        assert files_in(tmp_path) == ["passwd"]
        dropped.close()
        assert files_in(tmp_path) == []

    run(work())


def test_what_a_killed_process_leaves_goes_with_the_next(tmp_path: Path) -> None:
    with opsin_view([STACK], environment={"OPSIN_DATA": str(tmp_path)}) as running:
        answer = httpx.put(
            f"{running.origin}/api/files/a.png",
            content=PICTURE,
            cookies=running.cookies,
            headers={"Origin": running.origin},
        )
        assert answer.status_code == 200, answer.text
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(20)
    assert len(list((tmp_path / "results").glob(".dropped.*"))) == 1
    Workspace(tmp_path).close()
    assert list((tmp_path / "results").glob(".dropped.*")) == []
