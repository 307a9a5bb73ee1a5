"""Scripts of plugins: fetched once, from npm or from their address, and kept by their hash."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsin.errors import PluginError, Reason
from opsin.host.imjoy import resources
from opsin.host.imjoy.download import download
from opsin.host.imjoy.npm import entry_file, install, registry_of
from opsin.host.imjoy.resources import Kind, Resource, kept_file, obtain, package_file
from opsin.plugins.npm_mirrors import npm_file
from tests.host.imjoy_web import Web, packed, web


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, bytes]]:
    folder = tmp_path_factory.mktemp("packed")
    return {name: packed(name, folder) for name in ("preact", "fflate")}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tarballs: dict[str, tuple[str, bytes]]) -> Iterator[Web]:
    with web() as site:
        monkeypatch.setenv("npm_config_registry", f"{site.address}/")
        for name, (version, tarball) in tarballs.items():
            site.publish(name, {version: tarball}, version)
        yield site


def got(address: str, folder: Path, kind: Kind = "script", offline: bool = False) -> Resource:
    return asyncio.run(obtain(address, folder, kind=kind, offline=offline))


def refused(address: str, folder: Path, reason: Reason, kind: Kind = "script") -> str:
    with pytest.raises(PluginError) as caught:
        got(address, folder, kind)
    assert caught.value.reason == reason, caught.value
    return str(caught.value)


def test_mirrors_of_npm_are_resolved_through_npm(site: Web, tmp_path: Path) -> None:
    version = package_version("fflate")
    for address in (
        f"https://unpkg.com/fflate@{version}/umd/index.js",
        f"https://cdn.jsdelivr.net/npm/fflate@^{version}/umd/index.min.js",  # made of the other
        "//unpkg.com/fflate/umd/index.js",
        f"https://cdnjs.cloudflare.com/ajax/libs/fflate/{version}/umd/index.js",
        "https://cdn.jsdelivr.net/npm/fflate",  # as its package.json says
    ):
        found = got(address, tmp_path)
        assert found.route == f"npm/fflate@{version}/umd/index.js"
        content = found.path(tmp_path).read_bytes()
        assert content == (NODE_MODULES / "fflate/umd/index.js").read_bytes()
        assert found.hash == hashlib.sha256(content).hexdigest()
        assert found.content_type == "text/javascript"
        path = package_file(found.route.removeprefix("npm/"), tmp_path)
        assert path == found.path(tmp_path)
    assert sum(path.endswith(".tgz") for path in site.asked) == 1
    elsewhere = "https://cdnjs.cloudflare.com/ajax/libs/fflate/0/browser.min.js"
    assert got(elsewhere, tmp_path).route == f"npm/fflate@{version}/esm/browser.js"
    assert got("https://esm.sh/fflate", tmp_path).route.startswith(f"npm/fflate@{version}/esm/")


def test_what_was_fetched_is_there_without_a_network(
    tmp_path: Path, tarballs: dict[str, tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with web() as site:
        monkeypatch.setenv("npm_config_registry", site.address)
        site.publish("preact", {"1.0.0": tarballs["preact"][1]}, "1.0.0")
        own = site.put("/lib/own one.js?v=1", "let a = 1;", "application/javascript")
        first = [got(own.replace(" ", "%20"), tmp_path), got("https://unpkg.com/preact", tmp_path)]
        asked = len(site.asked)
        again = [got(one.address, tmp_path) for one in first]
        assert (again, len(site.asked)) == (first, asked)
    assert [got(one.address, tmp_path) for one in first] == first
    digest = hashlib.sha256(b"let a = 1;").hexdigest()
    assert first[0].route == f"files/{digest}/own_one.js"
    assert kept_file(digest, "own_one.js", tmp_path) == first[0].path(tmp_path)
    # Another file of a package that is here, with the registry gone
    other = got("https://unpkg.com/preact@1/dist/preact.mjs", tmp_path)
    assert other.route == "npm/preact@1.0.0/dist/preact.mjs"
    message = refused("https://unpkg.com/other@1", tmp_path, "needs_network")
    assert "Connect this computer" in message


def test_dead_addresses_are_named(site: Web, tmp_path: Path) -> None:
    gone = f"{site.address}/gone.js"
    assert gone in refused(gone, tmp_path, "dead_address")
    assert "404" in refused(gone, tmp_path, "dead_address")
    page = site.put("/page.js", "<html></html>", "text/html")
    assert "a page, and no script" in refused(page, tmp_path, "dead_address")
    assert "no version 99" in refused("https://unpkg.com/preact@99", tmp_path, "dead_address")
    refused("https://unpkg.com/preact/dist/nothing.js", tmp_path, "dead_address")
    refused("https://unpkg.com/no-such-package", tmp_path, "dead_address")
    busy = site.put("/busy.js", "", status=503)
    refused(busy, tmp_path, "needs_network")
    assert "no http" in refused("file:///etc/passwd", tmp_path, "dead_address")
    refused("javascript:alert(1)", tmp_path, "dead_address")
    refused("http://[", tmp_path, "dead_address")


def test_redirects_are_few_and_stay_on_the_web(site: Web, tmp_path: Path) -> None:
    end = site.put("/end.js", "1")
    site.put("/one.js", end, status=302)
    assert got(f"{site.address}/one.js", tmp_path).name == "end.js"
    site.put("/loop.js", f"{site.address}/loop.js", status=302)
    with pytest.raises(PluginError):
        got(f"{site.address}/loop.js", tmp_path)
    site.put("/out.js", "file:///etc/passwd", status=302)
    with pytest.raises(PluginError):
        got(f"{site.address}/out.js", tmp_path)


def test_sizes_are_bounded(site: Web) -> None:
    address = site.put("/large.js", b" " * 100_000)
    assert len(asyncio.run(download(address, limit=100_000)).content) == 100_000
    with pytest.raises(PluginError, match="holds more"):
        asyncio.run(download(address, limit=99_999))


def test_packages_are_verified_and_unpacked_safely(site: Web, tmp_path: Path) -> None:
    evil = tar(
        {
            "package/package.json": b'{"main": "../../outside.js"}',
            "package/../../outside.js": b"1",
            "/etc/outside.js": b"1",
            "package/a/../../../outside.js": b"1",
            "package/index.js": b"2",
            "package/back\\slash.js": b"3",
        },
        link="/etc/passwd",
    )
    site.publish("evil", {"1.0.0": evil}, "1.0.0")
    found = got("https://unpkg.com/evil", tmp_path / "kept")
    assert found.path(tmp_path / "kept").read_bytes() == b"2"
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    home = "kept/npm/evil@1.0.0"
    assert [f for f in files if "addresses" not in f] == [
        f"{home}/index.js",
        f"{home}/package.json",
    ]
    site.publish("swapped", {"1.0.0": evil}, "1.0.0", integrity="sha512-AAAA")
    with pytest.raises(PluginError, match="not what the registry says"):
        asyncio.run(install("swapped", "", tmp_path))
    site.publish("broken", {"1.0.0": gzip.compress(b"x" * 5000)}, "1.0.0")
    with pytest.raises(PluginError, match="cannot be unpacked"):
        asyncio.run(install("broken", "", tmp_path))
    site.publish("unsigned", {"1.0.0": evil}, "1.0.0", integrity=None)
    with pytest.raises(PluginError, match="how to verify"):
        asyncio.run(install("unsigned", "", tmp_path))
    assert entry_file(tmp_path / "kept/npm/evil@1.0.0", "unpkg") == "index.js"


def test_many_at_once_fetch_a_package_once(site: Web, tmp_path: Path) -> None:
    async def all_of_them() -> list[Resource]:
        names = ["dist/preact.mjs", "package.json", "LICENSE"] * 5
        return await asyncio.gather(
            *(obtain(f"https://unpkg.com/preact/{name}", tmp_path) for name in names)
        )

    assert len({one.hash for one in asyncio.run(all_of_them())}) == 3
    assert sum(path.endswith(".tgz") for path in site.asked) == 1


def test_the_registry_is_the_one_that_npm_is_set_to_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "npmrc"
    file.write_text("registry = https://one.example/npm/\n@a:registry=https://two.example\n; x\n")
    monkeypatch.setenv("npm_config_userconfig", str(file))
    monkeypatch.delenv("npm_config_registry", raising=False)
    assert registry_of("vue") == "https://one.example/npm"
    assert registry_of("@a/b") == "https://two.example"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://three.example/")
    assert registry_of("vue") == "https://three.example"


@pytest.mark.parametrize(
    "path", ["", "..", "a/../b", "/etc/passwd", "a//b", "a\\b", "a\0b", "\ud800", "x" * 5000]
)
def test_what_is_served_lies_in_the_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "npm").mkdir()
    (tmp_path / "npm" / "out").symlink_to("/etc")
    assert package_file(path, tmp_path) is None
    assert package_file("out/passwd", tmp_path) is None
    assert kept_file(path, path, tmp_path) is None
    assert kept_file("0" * 64, path, tmp_path) is None
    assert path.startswith("/") or npm_file(f"https://unpkg.com/{path}") is None


def test_names_are_plain() -> None:
    name = resources._name("https://x.org/a/%2e%2e%2f%2e%2eetc?x=1", "text/javascript", "script")
    assert name == "etc.js"
    assert resources._name("https://x.org/", "", "style") == "file.css"


NODE_MODULES = Path(__file__).parents[2] / "web" / "node_modules"


def package_version(name: str) -> str:
    import json

    version: str = json.loads((NODE_MODULES / name / "package.json").read_bytes())["version"]
    return version


def tar(files: dict[str, bytes], link: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
        about = tarfile.TarInfo("package/link.js")
        about.type, about.linkname = tarfile.SYMTYPE, link
        archive.addfile(about)
    return packed.getvalue()


def test_what_a_module_imports_is_kept_with_it(site: Web, tmp_path: Path) -> None:
    """As esm.sh writes it: paths from the root; and others, circles, and what is not there."""
    kind = "application/javascript"
    deep = site.put("/v135/deep.mjs", "export const deep = 4;", kind)
    circle = f'import "{site.address}/lib/main.mjs"; export const round = 2;'
    site.put("/lib/circle.mjs", circle, kind)
    site.put("/v135/half.mjs", 'export{deep as half}from"./deep.mjs";', kind)
    main = site.put(
        "/lib/main.mjs",
        """import{half as h}from"/v135/half.mjs";
import "./circle.mjs"
import { h as bare } from "preact";
export * from '../v135/deep.mjs'; const later = () => import("./gone.mjs");
const no = "/v135/no.mjs", from = "/v135/no.mjs";
""",
        kind,
    )
    found = got(main, tmp_path, "module")
    lines = found.path(tmp_path).read_text().splitlines()
    home = found.path(tmp_path).parent

    def behind(line: str, quote: str = '"') -> Path:
        path = home / line.split(quote)[1]
        assert (tmp_path / "files") in path.resolve().parents
        return path

    half = behind(lines[0])
    assert (home / half.parent / half.read_text().split('"')[1]).read_text() == (
        "export const deep = 4;"
    )
    # Who imports in a circle has the address, which needs the network.
    assert behind(lines[1]).read_text() == circle
    assert lines[2] == 'import { h as bare } from "preact";'
    assert behind(lines[3], "'").read_text() == "export const deep = 4;"
    assert f'import("{site.address}/lib/gone.mjs")' in lines[3]
    assert lines[4] == 'const no = "/v135/no.mjs", from = "/v135/no.mjs";'
    assert "/v135/no.mjs" not in site.asked
    assert site.asked.count("/v135/deep.mjs") == 1
    assert got(deep, tmp_path, "module", offline=True).name == "deep.mjs"
    # A script is left as it is.
    assert got(site.put("/s.js", 'import "/v135/deep.mjs"', kind), tmp_path).path(
        tmp_path
    ).read_text() == ('import "/v135/deep.mjs"')


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("cdn.rawgit.com", "dead_address"),
        ("rawgit.com", "dead_address"),
        ("dl.bintray.com", "dead_address"),
        ("notrawgit.com", "needs_network"),
        ("x.org", "needs_network"),
    ],
)
def test_what_a_service_had_that_was_ended_will_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, reason: Reason
) -> None:
    def without_network(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", without_network)
    with pytest.raises(PluginError, match=host.replace(".", r"\.")) as failed:
        got(f"https://{host}/a.js", tmp_path)
    assert failed.value.reason == reason
