"""What pages may say about what plugins are allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from opsin.cli import main
from opsin.errors import UsageError
from opsin.host.agreements import Agreements
from opsin.host.permissions import Allowed
from opsin.host.registry import read_registered
from opsin.host.workspace import Workspace
from opsin.rpc.peer import Peer
from opsin.rpc.transports.memory import pair
from opsin.server.host_service import HostService
from opsin.server.roots import Roots
from opsin.server.session import Session
from tests.host.test_permissions import HEADER
from tests.rpc.running import run

ASKS = "network = 'downloads', files = 'reads models', processes = 'converts'"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def write(folder: Path, version: str = "1") -> Path:
    path = folder / "fetcher.py"
    path.write_text(HEADER.format(version=version, asks=ASKS))
    return path


@asynccontextmanager
async def page(plugin: Path, **options: Any) -> AsyncIterator[tuple[Any, Session]]:
    session = Session([], 2**26, plugins=[plugin], **options)
    session.start()
    ours, theirs = pair()
    async with Peer(ours, HostService(session)), Peer(theirs) as client:
        yield await client.root(), session
    await session.close()


async def told(stream: Any) -> dict[str, Any]:
    """What is told of the plugin next."""
    async for plugins in stream:
        (found,) = [one for one in plugins if one["name"] == "Fetcher"]
        return dict(found)
    raise AssertionError("nothing was told")


def states(plugin: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one["folders"] or one["state"] for one in plugin["permissions"]}


def test_the_user_answers_and_the_page_hears_of_it(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    folder = str(tmp_path / "models")

    async def work() -> None:
        async with page(write(tmp_path)) as (host, session):
            stream = host.watch_plugins()
            plugin = await told(stream)
            assert plugin["asks"] == ["network", "files"]
            assert plugin["may_allow"]
            assert states(plugin) == {
                "network": "unasked", "files": "unasked", "processes": "always",
            }  # fmt: skip
            id, terms = plugin["id"], plugin["terms"]
            await host.answer(id, {"network": True, "files": [folder]}, terms)
            assert states(await told(stream)) == {
                "network": "allowed", "files": [folder], "processes": "always",
            }  # fmt: skip
            for answers in ({"gpu": True}, {"files": ["/"]}, {"network": 3}, {"network": [folder]}):
                with pytest.raises(UsageError):
                    await host.answer(id, answers, terms)
            with pytest.raises(UsageError, match="has changed meanwhile"):
                await host.answer(id, {"network": False}, "others")
            # Another process of the same user takes it back: that is heard, too.
            Agreements(Workspace()).answer(read_registered(write(tmp_path)), {"network": False})
            assert states(await told(stream))["network"] == "refused"
            session.host.forget_plugin(id)
            again = session.host.registry.add(tmp_path / "fetcher.py")
            assert session.host.agreements.allowed(again) == Allowed()

    run(work(), 60)


@pytest.mark.parametrize("trusting", [True, False])
def test_others_change_nothing(trusting: bool, tmp_path: Path) -> None:
    path = write(tmp_path)
    own = Agreements(Workspace())
    own.answer(read_registered(path), {"network": True})

    async def work() -> None:
        async with page(path, trusting=trusting, own=False) as (host, _):
            plugin = await told(host.watch_plugins())
            assert not plugin["may_allow"]
            assert states(plugin)["network"] == ("allowed" if trusting else "unasked")
            for answer in (True, False):
                with pytest.raises(UsageError, match="command line of this server"):
                    await host.answer(plugin["id"], {"network": answer}, plugin["terms"])
            await host.remove_plugin(plugin["id"])
            # A file of the same name that asks for the same has not been agreed to.
            await host.add_plugin("fetcher.py", path.read_text() + "\n# something else\n")
            added = await told(host.watch_plugins())
            assert states(added)["network"] == "unasked"

    run(work(), 60)
    assert own.allowed(read_registered(path)).network


def test_a_server_gives_what_its_command_line_says(tmp_path: Path) -> None:
    path = write(tmp_path)
    plugin = read_registered(path)
    given = [(plugin, Allowed(network=True))]

    async def work() -> None:
        async with page(path, trusting=False, own=False, allowed=given) as (host, session):
            found = await told(host.watch_plugins())
            assert states(found)["network"] == "allowed"
            assert session.host.agreements.allowed(plugin) == Allowed(network=True)
            write(tmp_path, version="2")
            session.host.registry.refresh()
            assert states(await told(host.watch_plugins()))["network"] == "unasked"

    run(work(), 60)
    assert not Agreements(Workspace()).allowed(read_registered(write(tmp_path))).network


READER = """
from pathlib import Path
from opsin.types import Table


def reads(file: Path) -> Table:
    return {"text": [file.read_text()]}
"""


@pytest.mark.parametrize("own", [True, False])
def test_others_hand_over_only_files_below_the_roots(own: bool, tmp_path: Path) -> None:
    """A plugin of theirs could else read all files of the user for them."""
    shown = tmp_path / "shown"
    shown.mkdir()
    for place, text in ((shown, "shown"), (tmp_path, "secret")):
        (place / "file").write_text(text)
        (place / ".hidden").write_text("secret")
    (shown / "link").symlink_to(tmp_path / "file")
    plugin = tmp_path / "fetcher.py"
    plugin.write_text(f"# /// script\n# [tool.opsin]\n# name = 'Fetcher'\n# ///\n{READER}")
    where = {"region": "whole", "level": 0, "slices": "all", "position": {}}

    async def work() -> None:
        async with page(plugin, own=own, roots=Roots([shown])) as (host, session):
            id = (await told(host.watch_plugins()))["id"]

            async def read(path: Path) -> str:
                asked = {"plugin": id, "operation": "reads", "inputs": {}, "where": where}
                job = session.host.job(await host.run(asked | {"parameters": {"file": str(path)}}))
                await job.wait()
                assert job.state == "done", job.error
                return job.results[0].path.read_text().splitlines()[1]

            assert await read(shown / "file") == "shown"
            others = (tmp_path / "file", shown / "link", shown / ".hidden", shown / "../file")
            for path in others:
                if own:
                    assert await read(path) == "secret"
                    continue
                with pytest.raises(UsageError, match="below a folder that this server shows"):
                    await read(path)
            if not own:
                with pytest.raises(UsageError, match="by its own user only"):
                    await host.run_on_folder([], str(tmp_path), str(tmp_path / "out"))

    run(work(), 60)


@pytest.mark.parametrize("text", ["fetcher.py", "fetcher.py:gpu", "none.py:network", ":network"])
def test_what_cannot_be_allowed_is_refused_at_once(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--root", str(tmp_path), "--allow", text]) != 0
    assert capsys.readouterr().err.startswith("opsin: ")
