"""The text of a plugin, by what names it: fetched once, and there from then on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from opsin.errors import PluginError, UsageError
from opsin.host.imjoy.sources import PluginSource, obtain_repository, obtain_source
from tests.host.imjoy_web import web

PLUGIN = '\ufeff<config lang="json">\n{"name": "Blur"}\n</config>'
PLAIN = PLUGIN.removeprefix("\ufeff")


def got(text: str, folder: Path, **how: Any) -> PluginSource:
    return asyncio.run(obtain_source(text, folder, **how))


def test_a_plugin_is_there_without_a_network_once_it_was_fetched(tmp_path: Path) -> None:
    with web() as site:
        address = site.put("/a/My Blur.imjoy.html", PLUGIN).replace(" ", "%20")
        found = got(f"{address}@GPU", tmp_path)
        assert (found.text, found.tag, found.address) == (PLAIN, "GPU", address)
        assert found.path is not None
        assert found.path.name == "My Blur.imjoy.html"
        site.put("/a/My Blur.imjoy.html", PLAIN.replace("Blur", "Sharpen"))
        assert got(address, tmp_path).text == PLAIN
        assert "Sharpen" in got(address, tmp_path, fresh=True).text
    assert "Sharpen" in got(address, tmp_path).text
    assert "Sharpen" in got(address, tmp_path, fresh=True, offline=True).text
    with pytest.raises(PluginError) as caught:
        got(address, tmp_path, fresh=True)
    assert caught.value.reason == "needs_network"
    assert "Sharpen" in found.path.read_text()


def test_plugins_of_a_repository_are_found_by_name(tmp_path: Path) -> None:
    with web() as site:
        site.put("/r/plugins/Blur.imjoy.html", PLUGIN)
        listed = [{"name": "Blur"}, {"name": "Lost", "uri": "lost.imjoy.html"}]
        text = json.dumps({"name": "R", "uri_root": "plugins", "plugins": listed})
        place = site.put("/r/manifest.imjoy.json", text)
        repository = asyncio.run(obtain_repository(place, tmp_path))
        found = got("Blur@CPU", tmp_path, repository=repository)
        assert (found.text, found.tag, found.repository) == (PLAIN, "CPU", repository)
        with pytest.raises(PluginError, match=r"lost\.imjoy\.html.*404") as caught:
            got("Lost", tmp_path, repository=repository)
        assert caught.value.reason == "dead_address"
        with pytest.raises(PluginError, match="no plugin 'Other' in R"):
            got("Other", tmp_path, repository=repository)
    again = asyncio.run(obtain_repository(place, tmp_path))
    assert got("Blur", tmp_path, repository=again).text == PLAIN


def test_a_plugin_of_a_gist(tmp_path: Path) -> None:
    """GitHub's answer of a gist, as its documentation has it."""
    from opsin.host.imjoy.sources import _Getter
    from opsin.plugins.imjoy_uri import ImjoyUri

    with web() as site:
        raw = site.put("/raw/Blur.imjoy.html", PLUGIN)
        files = {
            "notes.md": {"filename": "notes.md", "raw_url": "x"},
            "Blur.imjoy.html": {"filename": "Blur.imjoy.html", "raw_url": raw},
        }
        getter = _Getter(tmp_path, fresh=False, offline=False)
        gist = ImjoyUri("gist", site.put("/gists/1", json.dumps({"files": files})), tag="GPU")
        assert asyncio.run(getter.in_gist(gist)) == ImjoyUri("address", raw, tag="GPU")
        for number, text in enumerate(("{}", "[]", "no", json.dumps({"files": {"a": 1}}))):
            empty = ImjoyUri("gist", site.put(f"/empty/{number}", text))
            with pytest.raises(PluginError, match="holds no"):
                asyncio.run(getter.in_gist(empty))


def test_files_are_read_where_the_user_chose_them(tmp_path: Path) -> None:
    path = tmp_path / "a.imjoy.html"
    path.write_text(PLUGIN)
    assert got(f"{path}@GPU", tmp_path, files=True).text == PLAIN
    with pytest.raises(PluginError, match="a plugin cannot name"):
        got(str(path), tmp_path)
    with pytest.raises(PluginError, match="cannot be read"):
        got(str(tmp_path / "b.imjoy.html"), tmp_path, files=True)
    listing = json.dumps({"plugins": [{"name": "A", "uri": "a.imjoy.html"}]})
    from opsin.plugins.imjoy_repository import read_manifest

    here = read_manifest(listing, str(tmp_path / "manifest.imjoy.json"))
    assert got("A", tmp_path, repository=here).text == PLAIN
    outside = json.dumps({"plugins": [{"name": "A", "uri": "../../etc/passwd.imjoy.html"}]})
    here = read_manifest(outside, str(tmp_path / "manifest.imjoy.json"))
    with pytest.raises(PluginError, match="cannot be read"):
        got("A", tmp_path, repository=here)


def test_source_text_is_the_plugin_itself(tmp_path: Path) -> None:
    assert got(PLAIN, tmp_path).text == PLAIN
    page = got("https://kaibu.org/#/app", tmp_path)
    assert (page.external, page.address) == (True, "https://kaibu.org/#/app")
    with pytest.raises(UsageError, match="no plugin 'Blur'"):
        got("Blur", tmp_path)
    with pytest.raises(PluginError) as caught:
        got("a/b:Blur", tmp_path, offline=True)
    assert caught.value.reason == "needs_network"


def test_what_is_no_plugin_is_said_so(tmp_path: Path) -> None:
    with web() as site:
        page = site.put("/a.imjoy.html", "<html>\n<body></body></html>", "text/html")
        with pytest.raises(PluginError, match="no plugin of ImJoy"):
            got(page, tmp_path)
        other = site.put("/b.imjoy.html", b"\xff\xfe<config>")
        with pytest.raises(PluginError, match="no text"):
            got(other, tmp_path)
