"""Files of ImJoy's plugins: those that they keep, and addresses of those that they may read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from opsin.errors import UsageError
from opsin.host.imjoy.api import PluginApi
from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.file_system import LARGEST, MOST, FileSystem
from opsin.host.imjoy.loaded import Loaded
from opsin.host.imjoy.shared_files import SharedFile
from tests.host.imjoy_desks import desk_in, plugin
from tests.rpc.running import run

HOME = "/home"
TEXT = plugin("Keeper", "", "collection") + '<attachment name="words">of <b>it</b></attachment>\n'


class Kept:
    """Keeps what it is to serve."""

    def __init__(self) -> None:
        self.files: list[SharedFile] = []
        self.forgotten: list[str] = []

    def address(self, file: SharedFile, *, network: bool) -> str:
        self.files.append(file)
        return f"http://here/{len(self.files)}/{file.name}"

    def forget(self, owner: str) -> None:
        self.forgotten.append(owner)


@asynccontextmanager
async def keeper(
    folder: Path, answers: dict[str, Any] | None = None
) -> AsyncIterator[tuple[Desk, Loaded, Callable[..., Awaitable[Any]], Kept]]:
    """A plugin's api, on a desk whose files are served."""
    async with desk_in(folder, answers=answers) as desk:
        served = Kept()
        desk.files.served = served
        loaded = await desk.load(TEXT)
        api = PluginApi(desk, loaded)

        async def call(name: str, *args: Any) -> Any:
            return await api.call(name, list(args))

        yield desk, loaded, call, served


def test_files_are_written_and_read_as_node_does(tmp_path: Path) -> None:
    async def steps() -> None:
        async with keeper(tmp_path) as (_, _, call, _):
            await call("fs.mkdir", f"{HOME}/a/b", {"recursive": True})
            await call("fs.writeFile", f"{HOME}/a/b/one.txt", "Ünï")
            await call("fs.appendFile", f"{HOME}/a/b/one.txt", b"\x00")
            assert await call("fs.readFile", f"{HOME}/a/b/one.txt") == "Ünï".encode() + b"\x00"
            assert await call("fs.readFile", f"{HOME}/a/b/one.txt", "utf8") == "Ünï\x00"
            assert await call("fs.readdir", f"{HOME}/a") == ["b"]
            assert await call("fs.readdir", "/") == ["home", "tmp"]
            about = await call("fs.stat", f"{HOME}/a/b/one.txt")
            assert (about["size"], about["type"], await about["isFile"]()) == (6, "file", True)
            await call("fs.rename", f"{HOME}/a/b/one.txt", "/tmp/two.txt")
            assert await call("fs.exists", "/tmp/two.txt")
            await call("fs.unlink", "/tmp/two.txt")
            assert not await call("fs.exists", "/tmp/two.txt")
            await call("fs.rmdir", f"{HOME}/a", {"recursive": True})
            assert await call("fs.readdir", "/home") == []

    run(steps())


def test_functions_at_the_end_get_an_error_or_a_result(tmp_path: Path) -> None:
    got: list[Any] = []

    async def told(*args: Any) -> None:
        got.append(args)

    async def steps() -> None:
        async with keeper(tmp_path) as (_, _, call, _):
            await call("fs.writeFile", "/tmp/a", "x", told)
            await call("fs.readFile", "/tmp/a", "utf8", told)
            await call("fs.readFile", "/tmp/none", told)
            await call("fs.exists", "/tmp/a", told)
            browser_files = await call("getPlugin", "BrowserFS")
            assert await browser_files["fs"]["readFile"]("/tmp/a", "utf8") == "x"

    run(steps())
    assert got[:2] == [(None, None), (None, "x")]
    assert got[2][0]["_rtype"] == "error"
    assert got[2][0]["_rvalue"].startswith("ENOENT: /tmp/none")
    assert got[3] == (True,)


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "etc", "", f"{HOME}/../../secret", f"{HOME}/link/secret", f"{HOME}/a\0b"],
)
def test_nothing_else_of_the_computer_is_named(tmp_path: Path, name: str) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    for one in (home, outside):
        one.mkdir()
    (outside / "secret").write_text("secret")
    (tmp_path / "secret").write_text("secret")
    (home / "link").symlink_to(outside)
    files = FileSystem(home)
    for call, *more in (("readFile",), ("writeFile", "x"), ("unlink",), ("stat",)):
        with pytest.raises(UsageError, match="ENOENT"):
            asyncio.run(files.call(call, name, *more))
    assert (outside / "secret").read_text() == "secret"
    files.close()


def test_what_is_kept_is_limited(tmp_path: Path) -> None:
    files = FileSystem(tmp_path)
    with pytest.raises(UsageError, match="ENOSPC"):
        files.check_room(LARGEST + 1)
    for _ in range(MOST // LARGEST):
        files.check_room(LARGEST)
    with pytest.raises(UsageError, match="ENOSPC"):
        files.check_room(1)
    with pytest.raises(UsageError, match="ENOSYS"):
        asyncio.run(files.call("watch", "/home"))


def test_temporary_files_end_with_the_desk_and_others_stay(tmp_path: Path) -> None:
    async def steps() -> Path:
        async with keeper(tmp_path) as (desk, _, call, _):
            await call("fs.writeFile", f"{HOME}/kept.txt", "x")
            await call("fs.writeFile", "/tmp/gone.txt", "x")
            return desk.files.kept.path("/tmp/gone.txt")

    gone = run(steps())
    assert not gone.exists()

    async def again() -> None:
        async with keeper(tmp_path) as (_, _, call, _):
            assert await call("fs.readFile", f"{HOME}/kept.txt", "utf8") == "x"
            assert not await call("fs.exists", "/tmp/gone.txt")

    run(again())


def test_a_plugin_gets_addresses_of_what_it_may_read_alone(tmp_path: Path) -> None:
    chosen, other = tmp_path / "chosen.tif", tmp_path / "other.tif"
    for one in (chosen, other):
        one.write_bytes(b"picture")

    async def steps() -> None:
        async with keeper(tmp_path) as (desk, loaded, call, served):

            async def choose(about: Any, asked: Any) -> list[Any]:
                return [{"name": chosen.name, "path": str(chosen)}]

            desk.face.choose_files = choose  # type: ignore[method-assign]
            for path in (chosen, other):
                with pytest.raises(UsageError, match="no file that Keeper was given to read"):
                    await call("getFileUrl", {"path": str(path)})
            (given,) = await call("showFileDialog", {})
            assert given["url"] == "http://here/1/chosen.tif"
            assert served.files[0].path == chosen.resolve()
            await call("getFileUrl", {"path": str(chosen), "file_manager": "opsin"})
            with pytest.raises(UsageError):
                await call("getFileUrl", {"path": str(other)})
            await call("getFileUrl", {"path": "words"})
            assert served.files[-1].content == b"of <b>it</b>"
            await desk.stop(loaded.id)
            assert served.forgotten == [served.files[0].owner]

    run(steps())


def test_who_is_not_the_user_chooses_nothing_that_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")

    async def steps() -> None:
        async with keeper(tmp_path) as (desk, _, call, _):

            async def choose(about: Any, asked: Any) -> list[Any]:
                return [{"name": secret.name, "path": str(secret)}]

            desk.face.choose_files = choose  # type: ignore[method-assign]
            desk.files.is_own = False
            (given,) = await call("showFileDialog", {})
            assert "url" not in given
            with pytest.raises(UsageError):
                await call("getFileUrl", {"path": str(secret)})

    run(steps())


def test_a_place_for_a_file_is_in_the_folder_of_the_plugin(tmp_path: Path) -> None:
    async def steps() -> None:
        async with keeper(tmp_path) as (desk, _, call, served):
            await call("requestUploadUrl", {"path": "data/a.png"})
            place = served.files[-1]
            assert (place.shown, place.is_upload) == (f"{HOME}/Keeper/data/a.png", True)
            assert place.path == desk.files.kept.path(f"{HOME}/Keeper/data/a.png")
            for wrong in (
                "../a.png",
                "/etc/passwd",
                f"{HOME}/Other/a.png",
                f"{HOME}/Keeper/../a.png",
            ):
                with pytest.raises(UsageError):
                    await call("requestUploadUrl", {"path": wrong})
            await call("fs.mkdir", f"{HOME}/Keeper")
            await call("fs.writeFile", f"{HOME}/Keeper/b.txt", "x")
            with pytest.raises(UsageError, match="overwrite"):
                await call("requestUploadUrl", {"path": "b.txt"})
            await call("requestUploadUrl", {"path": "b.txt", "overwrite": True})
            await call("getFileUrl", {"path": "b.txt"})
            manager = await call("getFileManager", "opsin")
            found = await manager["listFiles"](f"{HOME}/Keeper")
            assert found["children"] == [{"name": "b.txt", "type": "file", "size": 1}]

    run(steps())
