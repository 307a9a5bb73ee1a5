"""Added plugins of ImJoy: from addresses and repositories, kept with what they name, updated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsin.errors import PluginError, UsageError
from opsin.host.imjoy.added import add, is_imjoy_source, update
from opsin.host.imjoy.applications import application, is_served, parse_place, place_of
from opsin.host.imjoy.resources import kept_resource
from opsin.host.workspace import Workspace
from tests.host.imjoy_desks import desk_in, plugin
from tests.host.imjoy_web import Web, web
from tests.rpc.running import run

SCRIPT = "window.answer = 42"


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as found:
        yield found


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    found = Workspace(tmp_path / "workspace")
    yield found
    found.close()


def drawer(site: Web, version: str = "1", **config: object) -> str:
    """A window plugin that needs a script and a style."""
    script = site.put("/lib.js", SCRIPT, "text/javascript")
    needs = [script, f"css:{site.address}/missing.css"]
    return plugin(
        "Drawer", "api.export({})", "window", version=version, requirements=needs, **config
    )


def test_what_it_names_by_address_is_fetched_and_kept_with_it(
    site: Web, workspace: Workspace
) -> None:
    address = site.put("/plugins/Drawer.imjoy.html", drawer(site))
    found = run(add(workspace, address))
    assert found.path == workspace.plugins / "Drawer.imjoy.html"
    assert found.plugin is not None
    assert found.plugin.version == "1"
    kept = kept_resource(f"{site.address}/lib.js", workspace.fetched)
    assert kept is not None
    assert kept.path(workspace.fetched).read_text() == SCRIPT
    assert workspace.origin("Drawer.imjoy.html") == address


def test_workers_and_pages_of_npm_are_fetched_when_it_is_added(
    site: Web, workspace: Workspace
) -> None:
    worker = site.put("/own_worker.js", SCRIPT, "text/javascript")
    page = "https://cdn.jsdelivr.net/npm/itk-vtk-viewer@14.51.0/package.json"
    run(add(workspace, plugin("Busy", "x", "web-worker", base_worker=worker, base_frame=page)))
    for address in (worker, page):
        assert kept_resource(address, workspace.fetched) is not None
    known = "https://oeway.github.io/itk-vtk-viewer/"
    run(add(workspace, plugin("Known", "", "rpc-window", base_frame=known)))
    assert list(workspace.fetched.glob("**/itk-vtk-viewer*/**/dist/index.html"))


def test_a_script_that_is_dead_is_named_and_nothing_is_kept(
    site: Web, workspace: Workspace
) -> None:
    text = plugin("Dead", "x", "window", requirements=[f"{site.address}/gone.js"])
    address = site.put("/Dead.imjoy.html", text)
    with pytest.raises(PluginError, match=r"/gone\.js") as raised:
        run(add(workspace, address))
    assert raised.value.reason == "dead_address"
    assert not list(workspace.plugins.iterdir())


def test_an_update_brings_what_is_there_now(site: Web, workspace: Workspace) -> None:
    address = site.put("/Drawer.imjoy.html", drawer(site))
    found = run(add(workspace, address))
    site.put("/Drawer.imjoy.html", drawer(site, "2"))
    assert run(add(workspace, address)).plugin == found.plugin  # as it was fetched
    newer = run(update(workspace, found))
    assert newer.plugin is not None
    assert newer.plugin.version == "2"
    assert newer.path == found.path
    site.pages.clear()
    with pytest.raises(PluginError):
        run(update(workspace, newer))
    assert "2" in newer.path.read_text()  # the old one stays


def test_what_came_from_nowhere_has_no_update(workspace: Workspace) -> None:
    found = run(add(workspace, plugin("Typed", "api.export({})", "web-worker")))
    with pytest.raises(UsageError, match="no update"):
        run(update(workspace, found))


def test_dependencies_are_looked_up_where_it_came_from_also_later(
    site: Web, tmp_path: Path
) -> None:
    other = "from imjoy import api\napi.export({'setup': lambda: None})"
    site.put("/repo/Other.imjoy.html", plugin("Other", other))
    main = "from imjoy import api\napi.export({'setup': lambda: None})"
    site.put("/repo/Main.imjoy.html", plugin("Main", main, dependencies=["Other"]))
    listed = {"name": "R", "plugins": [{"name": "Main"}, {"name": "Other"}]}
    manifest = site.put("/repo/manifest.imjoy.json", json.dumps(listed))

    async def once() -> list[str]:
        async with desk_in(tmp_path) as desk:
            source = f"{manifest}:Main"
            loaded = await (desk.load("Main") if desk.shelf.is_known("Main") else desk.add(source))
            assert loaded.state == "ready"
            return sorted(one.name for one in [loaded, desk.named("Other")] if one is not None)

    assert run(once()) == ["Main", "Other"]
    asked = len(site.asked)
    assert run(once()) == ["Main", "Other"]
    assert len(site.asked) == asked  # all of it is here


def test_applications_are_known_by_name_and_by_their_sites() -> None:
    known = application("itk-vtk-viewer")
    assert known is not None
    assert application("https://kitware.github.io/itk-vtk-viewer/app/?a=1") == known
    assert parse_place(known.place) == ("itk-vtk-viewer", "14.51.0", "dist/index.html")
    assert parse_place("npm:@scope/name/a/b.html") == ("@scope/name", "", "a/b.html")
    assert parse_place("npm:name/../../b.html") is None
    assert application("viewer") is None
    assert place_of("https://kitware.github.io/itk-vtk-viewer/app/") == parse_place(known.place)
    assert place_of("https://example.org/") is None
    for here in ("", "https://lib.imjoy.io/default_base_frame.html", known.place, known.sites[0]):
        assert is_served(here)
    assert is_served("https://unpkg.com/itk-vtk-viewer@14.51.0/dist/index.html")
    assert not is_served("https://example.org/page.html")
    assert parse_place("https://example.org/npm:a/b") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("imjoy-team/imjoy-plugins:Image Window", True),
        ("https://example.org/a.imjoy.html", True),
        ("denoise.imjoy.html@GPU", True),
        ("itk-vtk-viewer", True),
        ("nuclei.py", False),
        ("examples/nuclei.py:nuclei", False),
        ("napari-skimage", False),
        ("napari:napari-skimage:gaussian", False),
    ],
)
def test_what_names_a_plugin_of_imjoy(text: str, expected: bool) -> None:
    assert is_imjoy_source(text) is expected
