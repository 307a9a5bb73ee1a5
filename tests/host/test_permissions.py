"""What an agreement is about, and what is allowed after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from opsin.errors import UsageError
from opsin.host.agreements import Agreements
from opsin.host.permissions import (
    Agreement,
    Allowed,
    from_words,
    said_of,
    terms,
    to_be_asked,
    wanted,
)
from opsin.host.registry import Registered, read_registered
from opsin.host.workspace import Workspace
from opsin.plugins.manifest import Permission, Plugin

NETWORK = 'network = "downloads its model once"'
HEADER = """# /// script
# [tool.opsin]
# name = "Fetcher"
# version = "{version}"
# permissions = {{ {asks} }}
# ///
from opsin.types import Image


def same(image: Image) -> Image:
    return image
"""


def written(path: Path, version: str = "1.0", asks: str = NETWORK, more: str = "") -> Registered:
    path.write_text(HEADER.format(version=version, asks=asks) + more)
    return read_registered(path)


@pytest.fixture
def agreements(tmp_path: Path) -> Agreements:
    return Agreements(Workspace(tmp_path / "workspace"))


def states(agreements: Agreements, plugin: Registered) -> dict[str, str]:
    return {one.name: one.state for one in agreements.asked(plugin)}


def test_nothing_is_allowed_until_it_is_agreed_to(agreements: Agreements, tmp_path: Path) -> None:
    plugin = written(tmp_path / "a.py", asks=f"{NETWORK}, processes = 'converts'")
    assert states(agreements, plugin) == {"network": "unasked", "processes": "always"}
    assert agreements.allowed(plugin) == Allowed()
    agreements.answer(plugin, {"network": True})
    assert agreements.allowed(plugin) == Allowed(network=True)
    again = Agreements(Workspace(tmp_path / "workspace"))  # it is remembered
    assert again.allowed(plugin) == Allowed(network=True)
    assert Agreements(Workspace(tmp_path / "other")).allowed(plugin) == Allowed()
    again.answer(plugin, {"network": False})
    assert agreements.allowed(plugin) == Allowed()
    assert states(agreements, plugin)["network"] == "refused"


def test_an_agreement_is_about_one_version_and_what_it_asks_for(
    agreements: Agreements, tmp_path: Path
) -> None:
    path = tmp_path / "a.py"
    agreements.answer(written(path), {"network": True})
    assert agreements.allowed(written(path, more="\n# edited\n")).network
    for changed in (
        written(path, version="1.1"),
        written(path, asks='network = "sends statistics"'),
        written(path, asks=f"{NETWORK}, files = 'and your files'"),
    ):
        assert agreements.allowed(changed) == Allowed()
        assert states(agreements, changed)["network"] == "unasked"
    assert agreements.allowed(written(path)).network  # back to what was agreed to
    assert not agreements.allowed(written(tmp_path / "b.py")).network


def test_what_is_taken_back_is_taken_back_in_all_versions(
    agreements: Agreements, tmp_path: Path
) -> None:
    path = tmp_path / "a.py"
    agreements.answer(written(path), {"network": True})
    agreements.answer(written(path, version="2"), {"network": True})
    agreements.answer(written(path, version="2"), {"network": False})
    assert not agreements.allowed(written(path)).network


def test_a_copy_with_other_contents_is_asked_anew(agreements: Agreements, tmp_path: Path) -> None:
    """Whoever may drop a file onto a window could else replace one that is allowed much."""
    folder = tmp_path / "workspace" / "plugins"
    agreements.answer(written(folder / "a.py"), {"network": True})
    assert agreements.allowed(written(folder / "a.py")).network
    assert not agreements.allowed(written(folder / "a.py", more="\n# other\n")).network


def test_a_plugin_that_was_linked_is_the_same(agreements: Agreements, tmp_path: Path) -> None:
    agreements.answer(written(tmp_path / "a.py"), {"network": True})
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    assert agreements.allowed(read_registered(tmp_path / "link.py")).network
    written(tmp_path / "b.py", more="\n# another\n")
    (tmp_path / "link.py").unlink()
    (tmp_path / "link.py").symlink_to(tmp_path / "b.py")
    assert not agreements.allowed(read_registered(tmp_path / "link.py")).network


def test_what_the_user_did_not_see_is_not_agreed_to(agreements: Agreements, tmp_path: Path) -> None:
    shown = agreements.terms(written(tmp_path / "a.py"))
    now = written(tmp_path / "a.py", version="2")
    with pytest.raises(UsageError, match="has changed meanwhile"):
        agreements.answer(now, {"network": True}, shown)
    assert not agreements.allowed(now).network


def test_what_is_not_asked_for_is_not_allowed(agreements: Agreements, tmp_path: Path) -> None:
    plugin = written(tmp_path / "a.py", asks="gpu = 'faster'")
    assert plugin.plugin is not None
    for name, match in (
        ("network", "does not ask for the network"),
        ("processes", "may start other programs"),
        ("everything", "no permission 'everything'"),
    ):
        with pytest.raises(UsageError, match=match):
            agreements.answer(plugin, {name: True})
        with pytest.raises(UsageError, match=match):
            from_words(plugin.plugin, [name])
    # Not even if somebody wrote it into the database.
    about = agreements.terms(plugin)
    agreements._workspace.agree([Agreement(str(tmp_path / "a.py"), about, "network", True)])
    assert agreements.allowed(plugin) == Allowed()


def test_folders_are_named_and_not_too_large(
    agreements: Agreements, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    models = home / "models"
    models.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    plugin = written(tmp_path / "a.py", asks="files = 'reads models'")
    (tmp_path / "link").symlink_to(models)
    agreements.answer(plugin, {"files": (tmp_path / "link",)})
    assert agreements.allowed(plugin) == Allowed(folders=(models,))  # where the link leads now
    assert agreements.allowed(plugin).words() == (f"files={models}",)
    for folder in (home, tmp_path, Path("/"), Path("/proc/self"), home / "none", Path("models")):
        with pytest.raises(UsageError):
            agreements.answer(plugin, {"files": (folder,)})
    with pytest.raises(UsageError, match="Name the folders"):
        agreements.answer(plugin, {"files": True})
    assert agreements.allowed(plugin) == Allowed(folders=(models,))
    agreements.answer(plugin, {"files": ()})
    assert agreements.allowed(plugin) == Allowed()


def test_a_database_that_is_locked_allows_nothing_and_keeps_nothing_unsaid(
    agreements: Agreements, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3
    from contextlib import closing

    monkeypatch.setattr("opsin.host.records.CHANGE_WITHIN", 0.1)
    plugin = written(tmp_path / "a.py")
    agreements.answer(plugin, {"network": True})
    with closing(sqlite3.connect(tmp_path / "workspace" / "workspace.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert not agreements.allowed(plugin).network
        with pytest.raises(UsageError, match="try again"):
            agreements.answer(plugin, {"network": False})
    assert agreements.allowed(plugin).network


def test_what_holds_without_a_memory_is_what_is_given(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    plugin = written(tmp_path / "a.py", asks=f"{NETWORK}, gpu = 'faster'")
    Agreements(workspace).answer(plugin, {"gpu": True})
    forgetful = Agreements(workspace, remembered=False)
    assert forgetful.allowed(plugin) == Allowed()
    forgetful.give(plugin, Allowed(network=True))
    assert forgetful.allowed(plugin) == Allowed(network=True)
    assert not forgetful.allowed(written(tmp_path / "a.py", version="2")).network
    assert Agreements(workspace).allowed(written(tmp_path / "a.py")) == Allowed()


def test_plugins_of_napari_cannot_ask_so_all_can_be_allowed(agreements: Agreements) -> None:
    made = Plugin(name="x", kind="napari", source="napari:x", digest="", version="1")
    plugin = Registered("1", Path("/x/napari.yaml"), made, None, None)
    assert states(agreements, plugin) == dict.fromkeys(("network", "files", "gpu"), "unasked")
    agreements.answer(plugin, {"network": True})
    assert agreements.allowed(plugin) == Allowed(network=True)
    newer = structs.replace(made, version="2")
    assert not agreements.allowed(Registered("1", plugin.path, newer, None, None)).network


def test_files_of_imjoy_are_asked_about_the_network(tmp_path: Path) -> None:
    plugin = Plugin(name="x", kind="native-python", source="a/x.imjoy.html", digest="")
    assert [one.name for one in wanted(plugin)] == ["network", "files", "gpu"]
    assert to_be_asked(plugin) == ("network",)
    assert to_be_asked(structs.replace(plugin, source="x.py")) == ()
    assert wanted(structs.replace(plugin, source="x.py")) == ()
    mine = structs.replace(plugin, source="x.py", permissions=(Permission("gpu"),))
    assert to_be_asked(mine) == ("gpu",)


def test_a_line_says_what_a_run_goes_without() -> None:
    network, gpu = Permission("network", "downloads"), Permission("gpu", "faster")
    plugin = Plugin(
        name="Fetcher", kind="native-python", source="", digest="", permissions=(network, gpu)
    )

    def line(given: Allowed, *packages: str, has_gpu: bool = False, plugin: Plugin = plugin) -> str:
        return said_of(plugin, "/my plugins/a.py", given, packages, has_gpu=has_gpu)

    assert line(Allowed()) == (
        "Fetcher asks for the network, is not allowed that, and runs without. To allow it: "
        "opsin plugins permissions '/my plugins/a.py' --allow network"
    )
    assert line(Allowed(network=True)) == ""
    assert line(Allowed(network=True), has_gpu=True).endswith("--allow gpu")
    silent = structs.replace(plugin, permissions=())
    assert line(Allowed(), "numpy==2.0", has_gpu=True, plugin=silent) == ""
    assert line(Allowed(), "torch==2.9.0", plugin=silent) == ""
    assert "name gpu among its permissions" in line(
        Allowed(), "torch==2.9.0", has_gpu=True, plugin=silent
    )


def test_terms_are_not_those_of_another_text() -> None:
    one = Plugin(name="a", kind="native-python", source="", digest="1", version="1")
    assert terms(one, copied=False) == terms(structs.replace(one, digest="2"), copied=False)
    assert terms(one, copied=True) != terms(structs.replace(one, digest="2"), copied=True)
    shifted = structs.replace(one, name="a1", version="")
    assert terms(one, copied=False) != terms(shifted, copied=False)
