"""Who gets the script that lets a page of others run plugins, and what such a page can do."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from opsin.errors import OpsinError, UsageError
from opsin.host.imjoy.guest_desk import GuestDesk
from opsin.host.imjoy.reach import check_reach, check_redirect, only_public
from opsin.images.readers import open_images
from opsin.option_values import origin
from opsin.rpc.objects import by_reference
from opsin.rpc.peer import Peer
from opsin.rpc.transports.memory import pair
from opsin.server.access import frame_token, host_token
from opsin.server.embedded_host import EmbeddedHost
from opsin.server.session import Session
from tests.rpc.running import run
from tests.server.running import OPSIN, Running, opsin_view

IMAGE = Path(__file__).parents[1] / "data/nuclei/test/images/000.png"
SITE = "https://my.site"
OTHER = "https://other.site"
NATIVE = """<config lang="json">{"name": "Native", "type": "native-python", "version": "0.1.0",
"api_version": "0.1.8", "requirements": %s}</config>
<script lang="python">
from imjoy import api
class Plugin:
    def setup(self): pass
    async def run(self, ctx):
        await api.setConfig("key", "kept")
        return await api.getConfig("key")
    async def open(self, path):
        with open(path) as file:
            return file.read()
    async def ask(self, name, argument):
        return await getattr(api, name)(argument)
api.export(Plugin())
</script>"""


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with opsin_view([IMAGE], "--embed", SITE, "--embed", "http://127.0.0.1:8123/") as running:
        yield running


def script_of(server: Running) -> str:
    deadline = time.monotonic() + 20
    while not (found := re.findall(r"^ +(http://\S+/host/\S+/opsin_host\.js)$", server.text, re.M)):
        assert time.monotonic() < deadline, server.text
        time.sleep(0.01)
    return str(found[0])


def test_only_pages_that_were_named_get_the_script(server: Running) -> None:
    address = script_of(server)
    assert f"/host/{host_token(server.token)}/" in address
    answer = httpx.get(address, headers={"origin": SITE})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["access-control-allow-origin"] == SITE
    assert answer.headers["vary"] == "Origin"
    (imported, *_) = re.findall(r"assets/[\w.-]+\.js", answer.text)
    base = address.rpartition("/")[0]
    assert httpx.get(f"{base}/{imported}", headers={"origin": SITE}).status_code == 200
    for site in (OTHER, "null", f"{SITE}:444", "http://my.site", server.origin):
        refused = httpx.get(address, headers={"origin": site})
        assert refused.status_code == 403, site
        assert "access-control-allow-origin" not in refused.headers
    assert httpx.get(address).status_code == 403
    wrong = address.replace(host_token(server.token), "wrong")
    assert httpx.get(wrong, headers={"origin": SITE}).status_code == 401
    host = {"origin": SITE, "host": "evil.example"}
    assert httpx.get(address, headers=host).status_code == 421


def test_a_private_network_may_be_reached_where_a_browser_asks(server: Running) -> None:
    asked = {
        "origin": SITE,
        "access-control-request-method": "GET",
        "access-control-request-private-network": "true",
    }
    answer = httpx.options(script_of(server), headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-private-network"] == "true"
    refused = httpx.options(script_of(server), headers={**asked, "origin": OTHER})
    assert refused.status_code == 403
    assert "access-control-allow-private-network" not in refused.headers


def test_the_token_opens_nothing_else(server: Running) -> None:
    address, headers = script_of(server), {"origin": SITE}
    token = host_token(server.token)
    base = address.rpartition("/")[0]
    for path in ("index.html", "", "colormaps", "api/view", "../api/view", "assets/../index.html"):
        assert httpx.get(f"{base}/{path}", headers=headers).status_code in (401, 403, 404), path
    cookies = {f"opsin-token-{server.port}": token}
    for path in ("/", "/api/view", "/api/colormaps", f"/?token={token}"):
        answer = httpx.get(server.origin + path, cookies=cookies)
        assert answer.status_code == 401, path
    for path in (f"/zarr/{token}/", f"/embed/{token}/colormaps", f"/plugin/{token}/frame.html"):
        assert httpx.get(server.origin + path, headers=headers).status_code == 401, path
    bearer = {"authorization": f"Bearer {token}"}
    assert httpx.get(f"{server.origin}/api/view", headers=bearer).status_code == 401
    assert httpx.put(address, headers=headers).status_code == 405


def test_a_socket_is_for_pages_that_were_named(server: Running) -> None:
    address = script_of(server).replace("http://", "ws://").replace("opsin_host.js", "rpc")
    with connect(address, origin=Origin(SITE)) as socket:
        assert socket.recv(timeout=10)
    for site in (OTHER, None, server.origin):
        with pytest.raises(InvalidStatus):
            connect(address, origin=Origin(site) if site else None)
    own = address.replace(f"host/{host_token(server.token)}", "api")
    with pytest.raises(InvalidStatus):
        connect(own, origin=Origin(SITE))


def test_frames_lie_in_those_pages_and_no_others(server: Running) -> None:
    guest = frame_token(host_token(server.token))
    answer = httpx.get(f"{server.origin}/plugin/{guest}/frame.html")
    policy = answer.headers["content-security-policy"]
    assert policy.endswith(f"frame-ancestors {SITE} http://127.0.0.1:8123")
    own = httpx.get(f"{server.origin}/plugin/{frame_token(server.token)}/frame.html")
    policy = own.headers["content-security-policy"]
    assert policy.endswith(f"frame-ancestors {server.origin}")


def test_without_the_option_there_is_nothing() -> None:
    with opsin_view([IMAGE]) as server:
        assert "/host/" not in server.text
        token = host_token(server.token)
        address = f"{server.origin}/host/{token}/opsin_host.js"
        assert httpx.get(address, headers={"origin": SITE}).status_code == 404
        with pytest.raises(InvalidStatus):
            connect(f"ws://127.0.0.1:{server.port}/host/{token}/rpc", origin=Origin(SITE))
        guest = f"{server.origin}/plugin/{frame_token(token)}/frame.html"
        assert httpx.get(guest).status_code == 401


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("https://My.Site", "https://my.site"),
        ("http://127.0.0.1:8123/", "http://127.0.0.1:8123"),
        ("https://my.site:443", "https://my.site"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_as_browsers_write_it(given: str, found: str) -> None:
    assert origin(given) == found


@pytest.mark.parametrize(
    "given",
    ["*", "https://*", "https://*.my.site", "my.site", "null", "file:///x", "https://a/b", ""],
)
def test_what_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(Exception, match="no origin"):
        origin(given)


# ------------------------------------------------------------------ what a page can do


@by_reference
class Yes:
    """A page that agrees to everything, and hands out any file."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def confirm(self, _about: Any, _message: Any) -> bool:
        self.asked.append("confirm")
        return True

    async def choose_files(self, _about: Any, _asked: Any) -> list[Any]:
        self.asked.append("files")
        return [{"name": "passwd", "path": "/etc/passwd"}]

    async def log(self, _about: Any, _line: Any) -> None:
        pass


@asynccontextmanager
async def page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Any, Session, Yes]]:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    kept = tmp_path / "kept.imjoy.html"
    kept.write_text((NATIVE % "[]").replace('"Native"', '"Kept"'))
    session = Session([open_images(IMAGE)], 2**26, plugins=[kept])
    session.start()
    desks: list[GuestDesk] = []
    frames = {"closed": "", "open": ""}
    ours, theirs = pair()
    root = EmbeddedHost(session, desks, [SITE], SITE, frames)
    async with Peer(ours, root), Peer(theirs) as client:
        host, face = await client.root(), Yes()
        yield await host.desk(face), session, face
        for desk in desks:
            await desk.close()
    await session.close()


def test_a_page_runs_plugins_and_keeps_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (desk, session, _):
            joined = await desk.join("My page")
            loaded = await desk.load(NATIVE % "[]")
            assert loaded["name"] == "Native"
            assert "not isolated" not in loaded["isolation"]
            assert await desk.run("Native") == "kept"
            assert session.host.workspace.plugin_setting("Native", "key") is None
            listed = [one.plugin.name for one in session.host.registry.all() if one.plugin]
            assert "Kept" in listed
            assert "Native" not in listed
            plugin = await joined["call"]("getPlugin", ["Native"])
            secret = tmp_path / "secret"
            secret.write_text("not for pages")
            with pytest.raises(OSError, match="secret"):
                await plugin["open"](str(secret))
            assert (await desk.load("Kept"))["name"] == "Kept"

    run(main())


def test_what_a_page_agrees_to_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (desk, session, face):
            joined = await desk.join("My page")
            await desk.load(NATIVE % "[]")
            await joined["call"]("getPlugin", ["Native"])
            for name, argument in (
                ("showFileDialog", {"root": "/"}),
                ("getFileUrl", {"path": "/etc/passwd"}),
                ("installPlugin", {"src": NATIVE % "[]"}),
                ("uninstallPlugin", {"name": "Kept"}),
            ):
                with pytest.raises(UsageError):
                    await joined["call"](name, [argument])
                with pytest.raises(OpsinError):
                    await joined["call"]("call", ["Native", "ask", name, argument])
            assert face.asked == []
            assert "Kept" in [one.plugin.name for one in session.host.registry.all() if one.plugin]
            assert session.host.agreements.all() == []

    run(main())


@pytest.mark.parametrize(
    "source",
    [
        "{folder}/other.imjoy.html",
        "{folder}/other",
        "file://{folder}/other.imjoy.html",
        "http://127.0.0.1:9/other.imjoy.html",
        "http://localhost:9/other.imjoy.html",
        "http://169.254.169.254/other.imjoy.html",
    ],
)
def test_paths_and_private_addresses_are_no_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    (tmp_path / "other.imjoy.html").write_text((NATIVE % "[]").replace("Native", "Other"))

    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (desk, _, _face):
            with pytest.raises(OpsinError) as failure:
                await desk.load(source.format(folder=tmp_path))
            assert "lost or refused" not in str(failure.value)
            with pytest.raises(OpsinError, match=r"not there|no plugin|cannot|nothing"):
                await desk.load(source.format(folder=tmp_path))

    run(main())


@pytest.mark.parametrize(
    "requirement",
    [
        "repo:file:///tmp/secrets",
        "repo:https://github.com/a/b",
        "pip:x @ file:///tmp/x",
        "/tmp/x.whl",
    ],
)
def test_a_page_installs_packages_by_their_names_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requirement: str
) -> None:
    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (desk, _, _face):
            with pytest.raises(OpsinError):
                await desk.load(NATIVE % f'["{requirement}"]')

    run(main())


def test_a_page_has_no_more_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with page(tmp_path, monkeypatch) as (desk, _, _face):
            for name in (
                "repository",
                "update",
                "open_link",
                "reload",
                "add",
                "_desk",
                "add_plugin",
            ):
                with pytest.raises(AttributeError, match="public"):
                    await getattr(desk, name)("x")

    run(main())


def test_what_a_mirror_leads_to_is_its_owners_choice() -> None:
    with only_public(["http://127.0.0.1:8123"]):
        check_reach("http://127.0.0.1:8123/a.js")
        check_redirect("http://127.0.0.1:7/package", "http://127.0.0.1:6/package")
        for address in ("http://127.0.0.1/", "http://[::1]:9/", "http://192.168.1.1/", "http://0/"):
            with pytest.raises(OpsinError):
                check_reach(address)
        with pytest.raises(OpsinError):
            check_redirect("http://127.0.0.1:8123/a.js", "http://127.0.0.1:9/a.js")
    check_reach("http://127.0.0.1/")


def test_pages_of_others_are_for_servers_of_this_computer() -> None:
    command = [str(OPSIN), "serve", str(IMAGE), "--host", "0.0.0.0", "--embed", SITE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "leave out --embed or --host" in ended.stderr
