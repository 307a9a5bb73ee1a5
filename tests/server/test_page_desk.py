"""The desk of a page: what it loads over the page's link, images that it hands to plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from opsin.errors import RemoteError, UsageError
from opsin.host.imjoy.unattended import Unattended
from opsin.rpc.objects import by_reference
from tests.host.imjoy_desks import plugin
from tests.host.imjoy_web import web
from tests.rpc.running import run, until
from tests.server.test_host_service import STACK, page
from tests.workers.processes import workers_of

GIVEN = plugin(
    "Given",
    """
import numpy as np
from imjoy import api

class ImJoyPlugin:
    def setup(self):
        pass

    def run(self, ctx):
        image = np.asarray(ctx.data.image)
        kept = {key: ctx.data[key] for key in ("name", "axes", "scale", "units")}
        return {"pixels": image.tolist(), "kind": type(ctx.data.image).__name__, **kept}

api.export(ImJoyPlugin())
""",
)
SHOWN = {"region": "whole", "level": 0, "slices": "shown", "position": {"z": 3.0}}


def face(answers: dict[str, Any] | None = None) -> tuple[Any, list[str]]:
    """What answers for the page, and what it was shown."""
    said: list[str] = []
    return by_reference(Unattended(said.append, answers)), said


def test_a_plugin_gets_the_plane_that_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (host, _):
            desk = await host.desk(face()[0])
            given = await desk.run(GIVEN, {"image": {"layer": 0, "where": SHOWN}})
            np.testing.assert_array_equal(given["pixels"], tifffile.imread(STACK)[3])
            assert given["axes"] == "yx"
            assert given["kind"] == "ndarray"
            assert len(given["scale"]) == 2
            whole = {**SHOWN, "slices": "all"}
            volume = {"layer": 0, "where": whole, "axes": "zyx"}
            given = await desk.run(GIVEN, {"image": volume})
            np.testing.assert_array_equal(given["pixels"], tifffile.imread(STACK))
            with pytest.raises(UsageError, match="one plane or volume"):
                await desk.run(GIVEN, {"image": {"layer": 0, "where": whole}})

    run(work())


def test_of_a_large_image_a_plugin_reads_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsin.host.imjoy.given_images.LARGEST", 100)

    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (host, _):
            desk = await host.desk(face()[0])
            given = await desk.run(GIVEN, {"image": {"layer": 0, "where": SHOWN}})
            assert given["kind"] == "LazyArray"
            np.testing.assert_array_equal(given["pixels"], tifffile.imread(STACK)[3])

    run(work())


@pytest.mark.parametrize("wanted", [3, {"layer": "0"}, {"layer": 99, "where": SHOWN}, {"layer": 0}])
def test_an_image_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Any
) -> None:
    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (host, _):
            desk = await host.desk(face()[0])
            with pytest.raises(UsageError):
                await desk.run(GIVEN, {"image": wanted})

    run(work())


def test_what_is_loaded_is_in_the_list_from_then_on_and_ends_with_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (host, session):
            desk = await host.desk(face()[0])
            loaded = await desk.load(GIVEN)
            assert loaded["state"] == "ready"
            assert loaded["plugin"] in [one.id for one in session.host.registry.all()]
            assert len(workers_of()) == 1
            await host.desk(face()[0])  # the page was loaded again
            await until(lambda: not workers_of())
        assert (tmp_path / "data" / "plugins" / "Given.imjoy.html").is_file()

    run(work())


def test_a_link_adds_a_plugin_only_if_the_user_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
from imjoy import api
api.export({"setup": lambda: None, "run": lambda ctx: api.log("ran", ctx.data.x, ctx.config.s)})
"""

    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (host, _):
            with web() as site:
                address = site.put("/Linked.imjoy.html", plugin("Linked", code))
                link = f'https://imjoy.io/#/app?plugin={address}&x=5&config={{"s":2}}'
                desk = await host.desk(face({"install the plugin Linked": "no"})[0])
                with pytest.raises((UsageError, RemoteError), match="did not want it"):
                    await desk.open_link(link)
                assert not (tmp_path / "data" / "plugins" / "Linked.imjoy.html").exists()
                willing, said = face({"install the plugin Linked": "yes"})
                desk = await host.desk(willing)
                await desk.open_link(link)
                assert "ran 5 2" in said
            await desk.open_link("?start=Linked&x=6")  # without the network
            await until(lambda: "ran 6 null" in said)

    run(work())


def test_folders_are_listed_for_their_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pictures"
    (folder / "Below").mkdir(parents=True)
    (folder / "b.tif").write_bytes(b"12345")
    (folder / ".hidden").write_text("")
    (folder / "gone").symlink_to(tmp_path / "nowhere")

    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (host, session):
            desk = await host.desk(face()[0])
            listed = await desk.list_files(str(folder))
            assert listed["path"] == str(folder)
            assert listed["parent"] == str(tmp_path)
            assert [(one["name"], one["is_folder"], one["size"]) for one in listed["entries"]] == [
                ("Below", True, 0),
                ("b.tif", False, 5),
                ("gone", False, 0),
            ]
            assert (await desk.list_files())["path"] == str(Path.home())
            for bad in ("/nowhere/at/all", "a\0b", str(folder / "b.tif")):
                with pytest.raises(UsageError, match="cannot be listed"):
                    await desk.list_files(bad)
            session.own = False
            desk = await host.desk(face()[0])
            with pytest.raises(UsageError, match="not shown to pages of others"):
                await desk.list_files(str(folder))

    run(work())


def test_a_kept_plugin_can_be_changed_and_another_one_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (host, session):
            entry = await host.add_plugin("Given.imjoy.html", GIVEN)
            assert await host.plugin_source(entry["id"]) == {
                "file_name": "Given.imjoy.html",
                "text": GIVEN,
            }
            assert entry["kept"]
            other = next(one for one in session.host.registry.all() if one.id != entry["id"])
            with pytest.raises(UsageError, match="change its file"):
                await host.plugin_source(other.id)
            async for listed in host.watch_plugins():
                assert [one["kept"] for one in listed if one["id"] == other.id] == [False]
                break

    run(work())


async def now(desk: Any) -> list[dict[str, Any]]:
    """What is loaded."""
    async for loaded in desk.watch():
        return list(loaded)
    raise AssertionError("it told nothing")


def test_an_update_says_whether_there_was_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def source(word: str) -> str:
        return plugin("Updated", f'from imjoy import api\napi.export({{"{word}": print}})')

    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (host, _):
            with web() as site:
                desk = await host.desk(face()[0])
                loaded = await desk.load(site.put("/Updated.imjoy.html", source("one")))
                assert await desk.update(loaded["plugin"]) is False
                assert [one["id"] for one in await now(desk)] == [loaded["id"]]  # it goes on
                site.put("/Updated.imjoy.html", source("two"))
                assert await desk.update(loaded["plugin"]) is True
                assert [one["functions"] for one in await now(desk)] == [["two"]]

    run(work())
