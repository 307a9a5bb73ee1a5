"""What names a plugin of ImJoy: URIs, manifests, and the address of its app."""

from __future__ import annotations

import json
import random
from contextlib import suppress

import pytest

from opsin.errors import OpsinError, PluginError, UsageError
from opsin.plugins.imjoy_query import read_query
from opsin.plugins.imjoy_repository import ImjoyRepository, read_manifest
from opsin.plugins.imjoy_uri import ImjoyUri, manifest_address, read_uri

RAW = "https://raw.githubusercontent.com"
GIST = "https://gist.github.com"

URIS = {
    "a/b:My Plugin": ImjoyUri(
        "repository", f"{RAW}/a/b/master/manifest.imjoy.json", "My Plugin", "", "a/b"
    ),
    " a/b@c0ffee : X @ GPU ": ImjoyUri(
        "repository", f"{RAW}/a/b/c0ffee/manifest.imjoy.json", "X", "GPU", "a/b@c0ffee"
    ),
    "github.com/a/b.js:X": ImjoyUri(
        "repository", f"{RAW}/a/b.js/master/manifest.imjoy.json", "X", "", "a/b.js"
    ),
    "https://github.com/a/b/blob/master/x%20y.imjoy.html": ImjoyUri(
        "address", f"{RAW}/a/b/master/x%20y.imjoy.html"
    ),
    "https://github.com/a/b/blob/master/x y.imjoy.html@stable": ImjoyUri(
        "address", f"{RAW}/a/b/master/x%20y.imjoy.html", tag="stable"
    ),
    f"{GIST}/a/1234": ImjoyUri("gist", "https://api.github.com/gists/1234"),
    f"{GIST}/a/1234/raw/9/x.imjoy.html": ImjoyUri(
        "address", "https://gist.githubusercontent.com/a/1234/raw/9/x.imjoy.html"
    ),
    "https://x.org/a.imjoy.html@CPU?v=1": ImjoyUri(
        "address", "https://x.org/a.imjoy.html?v=1", tag="CPU"
    ),
    "https://kaibu.org/#/app": ImjoyUri("external", "https://kaibu.org/#/app"),
    "HTTP://x.org": ImjoyUri("external", "http://x.org"),
    "www.x.org/a.imjoy.html": ImjoyUri("address", "https://www.x.org/a.imjoy.html"),
    "PyImage@GPU": ImjoyUri("name", text="PyImage", tag="GPU"),
    "two words": ImjoyUri("name", text="two words"),
    "repository/x.imjoy.html@GPU": ImjoyUri("path", text="repository/x.imjoy.html", tag="GPU"),
    r"C:\plugins\x.imjoy.html": ImjoyUri("path", text=r"C:\plugins\x.imjoy.html"),
    "file:///data/x%20y.imjoy.html": ImjoyUri("path", text="/data/x y.imjoy.html"),
    "<config>\n</config>": ImjoyUri("source", text="<config>\n</config>"),
}


@pytest.mark.parametrize("text", URIS, ids=lambda text: text.replace("\n", " "))
def test_each_kind_of_uri(text: str) -> None:
    assert read_uri(text) == URIS[text]


@pytest.mark.parametrize(
    "text", ["", "  ", "@GPU", "a/b:", "a/b: @x", "/:x", "a/../b:x", "https://"]
)
def test_what_names_nothing_is_said_so(text: str) -> None:
    with pytest.raises(UsageError, match=r"no (plugin|repository|address)"):
        read_uri(text)


def test_addresses_hold_no_password() -> None:
    with pytest.raises(UsageError, match="name or password"):
        read_uri("https://me:secret@x.org/a.imjoy.html")


def test_repositories_of_the_app() -> None:
    wanted = f"{RAW}/a/b/dev/x/manifest.imjoy.json"
    assert manifest_address("https://github.com/a/b/tree/dev/x") == wanted
    assert manifest_address("a/b") == f"{RAW}/a/b/master/manifest.imjoy.json"
    assert manifest_address("https://x.org/m.json") == "https://x.org/m.json"


def manifest(address: str, root: str | None = "repository") -> ImjoyRepository:
    plugins = [
        {"name": "Unet", "type": "native-python", "version": "0.1"},
        {"name": "Old", "disabled": True},
        {"name": "There", "uri": "https://x.org/there.imjoy.html@GPU"},
        {"name": "Named", "uri": "folder/named it.imjoy.html"},
        {"name": "Unet", "version": "0.2"},
        {"type": "window"},
        7,
    ]
    value = {"name": "All", "uri_root": root, "plugins": plugins}
    return read_manifest("\ufeff" + json.dumps(value), address, "a/b")


def test_a_manifest_lists_plugins_with_their_addresses() -> None:
    found = manifest(f"{RAW}/a/b/master/manifest.imjoy.json")
    assert [(one.name, one.version, one.uri) for one in found.plugins] == [
        ("Unet", "0.1", f"{RAW}/a/b/master/repository/Unet.imjoy.html"),
        ("There", "", "https://x.org/there.imjoy.html@GPU"),
        ("Named", "", f"{RAW}/a/b/master/repository/folder/named%20it.imjoy.html"),
        ("Unet", "0.2", f"{RAW}/a/b/master/repository/Unet.imjoy.html"),
    ]
    assert found.find("Unet").origin == "a/b:Unet"
    assert found.find("Unet").version == "0.1"
    with pytest.raises(PluginError, match="no plugin 'Old' in All"):
        found.find("Old")
    beside = manifest("https://x.org/m.json", None)
    assert beside.find("Unet").uri == "https://x.org/Unet.imjoy.html"
    elsewhere = manifest("https://x.org/m.json", "https://y.org/r/")
    assert elsewhere.find("Unet").uri == "https://y.org/r/Unet.imjoy.html"


def test_dependencies_are_looked_up_in_the_same_manifest() -> None:
    found = manifest(f"{RAW}/a/b/master/manifest.imjoy.json")
    unet = f"{RAW}/a/b/master/repository/Unet.imjoy.html"
    assert found.dependency("Unet@GPU") == ImjoyUri("address", unet, tag="GPU")
    assert found.dependency("There") == ImjoyUri(
        "address", "https://x.org/there.imjoy.html", tag="GPU"
    )
    assert found.dependency("There@CPU").tag == "CPU"
    assert found.dependency("c/d:E") == read_uri("c/d:E")
    with pytest.raises(PluginError, match="Missing"):
        found.dependency("Missing")


def test_a_manifest_of_this_computer_leads_nowhere_else() -> None:
    text = json.dumps({"uri_root": "../..", "plugins": [{"name": "a", "uri": "../../etc/x"}]})
    (one,) = read_manifest(text, "/data/r/manifest.imjoy.json").plugins
    assert one.uri == "/data/r/etc/x"


@pytest.mark.parametrize("text", ["", "7", "{}", "[" * 10_000, '{"plugins": {}}', b"\xff\xfe\x00"])
def test_what_is_no_manifest_is_said_so(text: str | bytes) -> None:
    with pytest.raises(PluginError, match="no list of plugins"):
        read_manifest(text, "x.json")


def test_the_address_of_the_app() -> None:
    query = read_query(
        "https://imjoy.io/#/app?p=a/b:X%20Y&w=sandbox&start=X+Y&flags=quiet&upgrade=1"
        "&engine=http://localhost:8888?token=t&image=a&image=b&bare"
    )
    assert query.engine == "http://localhost:8888?token=t"
    assert (query.plugin, query.is_search, query.upgrade) == ("a/b:X Y", False, True)
    assert (query.workspace, query.wipe, query.start, query.quiet) == ("sandbox", True, "X Y", True)
    assert query.context["config"] == {}
    assert query.context["data"]["image"] == ["a", "b"]
    assert query.context["data"]["bare"] is None
    assert read_query("?plugin=blur").is_search
    assert read_query("https://imjoy.io/#/app") == read_query("")
    lite = read_query('/lite?plugin=a/b:X&config={"s":2}&data={"x":[1]}&binder=1&spec=r')
    assert (lite.config, lite.data) == ({"s": 2}, {"x": [1]})
    assert (lite.engine_type, lite.spec) == ("binder", "r")


PIECES = (
    *("a", "USER", "/", ":", "@", "\\", "?", "#", "%", "%2f", "..", ".", " ", "\t", "\n", "\r"),
    *("https://", "http://", "HTTPS://", "file://", "github.com", "gist.github.com", "blob", "["),
    *("]", ".imjoy.html", "www.", "\0", "\ud800", "ü", "🎉", "&", "=", "plugin", "{", '"', "tree"),
    *("manifest.imjoy.json", "x" * 50, "::1", ":99999999", "\u3000", "\x85", "//", "user:pw@"),
)


def test_any_text_is_a_uri_or_said_to_be_none() -> None:
    draw = random.Random(8)
    found = 0
    for _ in range(30_000):
        text = "".join(draw.choices(PIECES, k=draw.randint(0, 12)))
        read_query(text)
        listing = {"uri_root": text, "plugins": [{"name": text, "uri": text[::-1]}]}
        repository = read_manifest(json.dumps(listing), "https://x.org/manifest.imjoy.json")
        for read in (read_uri, manifest_address, repository.dependency):
            with suppress(OpsinError):
                read(text)
                found += 1
    assert found > 10_000
