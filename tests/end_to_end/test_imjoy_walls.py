"""Frames of plugins try to get out.

The same works from the app's own origin, or with the network: so it tests something.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.end_to_end.app import App
from tests.end_to_end.frames import bundle, frame, prepare, script
from tests.server.running import Running, opsin_view

IMAGE = Path(__file__).parents[1] / "data" / "volume" / "img3d.tif"

TRY = """async (origin, outside) => {
    const tried = async (what) => {
        try { return Boolean(await what()); } catch { return false; }
    };
    const got = async (address, options) => (await fetch(address, options)).ok;
    const socket = (address) => new Promise((resolve) => {
        const link = new WebSocket(address);
        link.onopen = () => { link.close(); resolve(true); };
        link.onerror = () => resolve(false);
    });
    const picture = (address) => new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve(true);
        image.onerror = () => resolve(false);
        image.src = address;
    });
    return {
        page: await tried(() => parent.document.body.innerHTML.length > 0),
        api: await tried(() => got(origin + "/api/view")),
        credentials: await tried(() => got(origin + "/api/view", { credentials: "include" })),
        socket: await tried(() => socket(origin.replace("http", "ws") + "/api/rpc")),
        frames: await tried(() => got(origin + "/api/frames")),
        outside: await tried(() => got(outside + "/text")),
        picture: await tried(() => picture(outside + "/picture.svg")),
    };
}"""
NOTHING = dict.fromkeys(
    ("page", "api", "credentials", "socket", "frames", "outside", "picture"), False
)


class _Heard(BaseHTTPRequestHandler):
    heard: list[str]

    def do_GET(self) -> None:
        self.heard.append(self.path)
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        is_picture = self.path.endswith(".svg")
        self.send_header("Content-Type", "image/svg+xml" if is_picture else "text/plain")
        self.end_headers()
        self.wfile.write(b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>')

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def another_site() -> Iterator[tuple[str, list[str]]]:
    """A server of somebody else, and all that it was asked for."""
    heard: list[str] = []
    handler = type("Handler", (_Heard,), {"heard": heard})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = str(tmp_path_factory.mktemp("data"))
    with opsin_view([IMAGE], environment={"OPSIN_DATA": data}) as running:
        yield running


@pytest.fixture
def page(app: App, server: Running, bundled: Path) -> Iterator[App]:
    prepare(app, server, bundled)
    yield app
    app.errors.clear()  # the browser says what it refused


def attempt(page: App, server: Running, outside: str, *, network: bool) -> Any:
    text = f"api.export({{ attempt: {TRY} }});"
    spec = frame("window", script(text), network=network)
    page.page.evaluate("frame => window.begin(frame)", spec)
    return page.page.evaluate(
        "([origin, outside]) => window.started.one.interface.attempt(origin, outside)",
        [server.origin, outside],
    )


def test_a_frame_reaches_neither_the_app_nor_others(page: App, server: Running) -> None:
    with another_site() as (outside, heard):
        assert attempt(page, server, outside, network=False) == NOTHING
        assert heard == []


def test_the_same_works_from_the_apps_own_origin(page: App, server: Running) -> None:
    with another_site() as (outside, _):
        page.page.evaluate(
            "document.body.append(Object.assign(document.createElement('iframe'), {id: 'own'}))"
        )
        page.until("document.getElementById('own').contentDocument !== null")
        inner = next(one for one in page.page.frames if one.url == "about:blank")
        got = inner.evaluate(
            f"([origin, outside]) => ({TRY})(origin, outside)", [server.origin, outside]
        )
        # The app's own policy lets it speak to nobody else, either.
        assert got == {**dict.fromkeys(NOTHING, True), "outside": False, "picture": False}


def test_with_the_network_it_reaches_others_but_not_the_app(page: App, server: Running) -> None:
    with another_site() as (outside, heard):
        got = attempt(page, server, outside, network=True)
        assert got == {**NOTHING, "outside": True, "picture": True}
        assert set(heard) == {"/text", "/picture.svg"}


INNER = "document.body.append(Object.assign(document.createElement('iframe'), { src: there }))"
FORM = """{ const form = document.createElement('form'); form.action = there;
    document.body.append(form); form.submit(); }"""
WORKER = "new Worker(URL.createObjectURL(new Blob([`fetch('${there}')`])))"
BEACON = "navigator.sendBeacon(there)"
MOVES = [
    "location.href = there",
    "top.location.href = there",
    "window.open(there)",
    "location.href = location.href.replace('frame.html', 'outside.html?page=' + there)",
    FORM,
]


def go(page: App, there: str, escape: str, *, network: bool) -> None:
    text = f"api.export({{ go: (there) => {{ {escape}; }} }});"
    spec = frame("window", script(text), network=network)
    page.page.evaluate("frame => window.begin(frame)", spec)
    page.page.evaluate(
        "there => { window.started.one.interface.go(there).catch(() => null); }", there
    )


@pytest.mark.parametrize("escape", [*MOVES, INNER, WORKER, BEACON])
def test_nothing_that_it_knows_is_carried_out(page: App, server: Running, escape: str) -> None:
    with another_site() as (outside, heard):
        go(page, f"{outside}/gone", escape, network=False)
        page.page.wait_for_timeout(700)
        assert heard == []
        assert page.page.evaluate("location.origin") == server.origin
        assert len(page.context.pages) == 1


@pytest.mark.parametrize("escape", [INNER, WORKER, BEACON])
def test_with_the_network_the_same_gets_out(page: App, escape: str) -> None:
    with another_site() as (outside, heard):
        go(page, f"{outside}/gone", escape, network=True)
        page.page.wait_for_timeout(700)
        assert "/gone" in heard


def test_a_frame_cannot_speak_for_another(page: App) -> None:
    honest = "api.export({ who: () => 'honest' });"
    page.page.evaluate("frame => window.begin(frame)", frame("window", script(honest)))
    forged = """api.export({ forge: async () => {
        const message = { type: "setInterface", api: { who: "forged" }, target_id: "one",
                          peer_id: "one" };
        parent.postMessage(message, "*");
        parent.postMessage({ type: "disconnect", peer_id: "one" }, "*");
        for (let n = 0; n < parent.frames.length; n++) {
            parent.frames[n].postMessage({ type: "execute", code: { type: "script",
                content: "api.export({ who: () => 'forged' })", attrs: {} } }, "*");
            parent.frames[n].postMessage({ type: "initialize", config: {} }, "*");
        }
    } });"""
    page.page.evaluate("frame => window.begin(frame)", frame("window", script(forged), id="two"))
    page.page.evaluate("window.started.two.interface.forge()")
    page.page.wait_for_timeout(300)
    assert page.page.evaluate("window.started.one.interface.who()") == "honest"
    assert page.page.evaluate("window.told.filter(([event]) => event !== 'resized')") == []
