"""Files that plugins were given addresses of: read in parts, put once, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from opsin.host.imjoy.shared_files import SharedFile, SharedFiles
from opsin.server import shared_files
from opsin.server.access import Access, frame_token, network_frame_token
from opsin.server.plugin_frames import plugin_frames
from opsin.server.shared_files import ServedFiles

TOKEN, BASE = "token", "http://127.0.0.1:8000/"
HOME = "/home"
OPAQUE = {"Origin": "null"}
Steps = Callable[[httpx.AsyncClient, ServedFiles], Awaitable[None]]


def play(steps: Steps) -> None:
    """Do it with a server."""

    async def playing() -> None:
        shared = SharedFiles()
        app = Starlette(
            routes=plugin_frames(TOKEN, lambda: None, shared),
            middleware=[Middleware(Access, token=TOKEN, port=8000)],
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, headers=OPAQUE) as client:
            await steps(client, ServedFiles(shared, BASE, TOKEN))

    asyncio.run(playing())


def place(path: Path, *, overwrite: bool = False) -> SharedFile:
    """Where something can be put."""
    return SharedFile(path.name, path, shown=f"{HOME}/P/{path.name}", overwrite=overwrite)


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(one.name for one in folder.iterdir())


def test_a_file_is_read_whole_and_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "a picture.png"
    path.write_bytes(bytes(range(100)))

    async def steps(client: httpx.AsyncClient, served: ServedFiles) -> None:
        address = served.address(SharedFile(path.name, path), network=False)
        assert frame_token(TOKEN) in address
        assert address.endswith("/a%20picture.png")
        answer = await client.get(address)
        assert (answer.status_code, answer.content) == (200, path.read_bytes())
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["content-security-policy"].startswith("sandbox ")
        part = await client.get(address, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
        assert (await client.head(address)).headers["content-length"] == "100"
        text = SharedFile("words", None, b"of it")
        assert (await client.get(served.address(text, network=True))).content == b"of it"

    play(steps)


def test_nothing_is_had_without_token_and_secret(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a")

    async def steps(client: httpx.AsyncClient, served: ServedFiles) -> None:
        address = served.address(SharedFile(path.name, path, owner="me"), network=False)
        assert served.address(SharedFile(path.name, path, owner="me"), network=False) == address
        secret = address.split("/")[-2]
        for wrong, status in ((secret, "nothing"), (frame_token(TOKEN), "x" * len(TOKEN))):
            answer = await client.get(address.replace(wrong, status))
            assert answer.status_code in (401, 404)
        assert (await client.put(address, content=b"b")).status_code == 410
        assert path.read_text() == "a"
        path.unlink()
        path.symlink_to("/etc/hostname")
        assert (await client.get(address)).status_code == 404
        path.unlink()
        path.write_text("a")
        served.forget("me")
        assert (await client.get(address)).status_code == 404

    play(steps)


def test_a_file_is_put_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.bin"

    async def steps(client: httpx.AsyncClient, served: ServedFiles) -> None:
        address = served.address(place(path), network=True)
        assert network_frame_token(TOKEN) in address
        asked = await client.options(address)
        assert "PUT" in asked.headers["access-control-allow-methods"]
        assert (await client.get(address)).status_code == 404
        answer = await client.put(address, content=b"content")
        assert answer.status_code == 201
        assert answer.json() == {"path": f"{HOME}/P/a.bin", "name": "a.bin", "size": 7}
        assert (await client.put(address, content=b"again")).status_code == 410
        assert path.read_bytes() == b"content"
        other = served.address(place(path), network=True)
        assert (await client.put(other, content=b"other")).status_code == 409
        third = served.address(place(path, overwrite=True), network=True)
        assert (await client.put(third, content=b"third")).status_code == 201
        assert path.read_bytes() == b"third"
        assert names(path.parent) == ["a.bin"]

    play(steps)


@pytest.mark.parametrize("size", [0, 1, 3, 70_000])
def test_a_form_brings_its_file(tmp_path: Path, size: int) -> None:
    content = (b"\r\n--almost" * (size // 10 + 1))[:size]

    async def steps(client: httpx.AsyncClient, served: ServedFiles) -> None:
        address = served.address(place(tmp_path / "a"), network=False)
        answer = await client.post(address, files={"file": ("its.png", content)})
        assert answer.status_code == 201, answer.text
        assert (tmp_path / "a").read_bytes() == content
        bad = served.address(place(tmp_path / "b"), network=False)
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        assert (await client.post(bad, content=b"nothing", headers=kind)).status_code == 400
        assert names(tmp_path) == ["a"]

    play(steps)


def test_too_much_is_refused_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_files, "LARGEST_UPLOAD", 10)

    async def steps(client: httpx.AsyncClient, served: ServedFiles) -> None:
        address = served.address(place(tmp_path / "a"), network=False)
        assert (await client.put(address, content=b"x" * 11)).status_code == 413
        assert names(tmp_path) == []

    play(steps)
