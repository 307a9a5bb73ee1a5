"""Plugins of ImJoy in frames of the page: what they are given, and what they cannot reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error

from tests.end_to_end.app import App
from tests.end_to_end.frames import bundle, code, frame, prepare, script
from tests.server.running import Running, opsin_view

IMAGE = Path(__file__).parents[1] / "data" / "volume" / "img3d.tif"
EXPORTS = "api.export({ setup() {}, add: (a, b) => a + b, run: (ctx) => ctx.data });"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of the server, with files for frames in it."""
    folder = tmp_path_factory.mktemp("data")
    files = folder / "fetched" / "files" / "abc"
    files.mkdir(parents=True)
    (files / "library.js").write_text("var library = { twice: (n) => 2 * n };")
    (files / "broken.js").write_text("throw new Error('the library is broken');")
    (files / "style.css").write_text("body { background: rgb(1, 2, 3); }")
    (files / "talker.js").write_text("onmessage = (e) => postMessage(e.data + 1);")
    page = folder / "fetched" / "apps" / "viewer"
    page.mkdir(parents=True)
    (page / "index.html").write_text(
        '<!doctype html><html><head><script src="https://lib.imjoy.io/imjoy-loader.js"></script>'
        "</head><body><script>loadImJoyRPC({api_version: '0.2.3'}).then(async (imjoyRPC) => {"
        "const api = await imjoyRPC.setupRPC({name: 'A viewer'});"
        "api.export({ setup() {}, hear: (value) => value }); });</script></body></html>"
    )
    return folder


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Running]:
    with opsin_view([IMAGE], environment={"OPSIN_DATA": str(data)}) as running:
        yield running


@pytest.fixture
def page(app: App, server: Running, bundled: Path) -> App:
    prepare(app, server, bundled)
    return app


def files_of(page: App, name: str) -> str:
    place = page.page.evaluate("async () => (await (await fetch('api/frames')).json()).closed")
    return f"/{place}{name}"


def begin(page: App, spec: dict[str, Any]) -> Any:
    return page.page.evaluate("frame => window.begin(frame)", spec)


def call(page: App, name: str, *args: Any, of: str = "one") -> Any:
    script = "([id, name, args]) => window.started[id].interface[name](...args)"
    return page.page.evaluate(script, [of, name, list(args)])


def logged(page: App) -> list[str]:
    told = page.page.evaluate("window.told")
    return [line for event, detail in told if event == "log" for line in detail["items"]]


@pytest.mark.parametrize("kind", ["window", "iframe", "web-worker"])
def test_a_plugin_exports_and_is_called(page: App, kind: str) -> None:
    assert set(begin(page, frame(kind, script(EXPORTS)))) >= {"setup", "add", "run"}
    assert call(page, "add", 2, 3) == 5
    assert call(page, "run", {"data": [1, {"a": None}]}) == [1, {"a": None}]


@pytest.mark.parametrize("kind", ["window", "web-worker"])
def test_it_calls_the_api_and_hears_what_fails(page: App, kind: str) -> None:
    text = """api.export({
        async run() {
            const failed = await api.fail().catch((error) => error.message);
            return [await api.echo(5), failed, await api.utils.sleep(1), api.TAG, api.config];
        },
        async wrong() { throw new Error("no such layer"); },
    });"""
    begin(page, frame(kind, script(text)))
    expected = [5, "it cannot be done", "utils.sleep done", "stable", {"workspace": "default"}]
    assert call(page, "run") == expected
    with pytest.raises(Error, match="no such layer"):
        call(page, "wrong")


@pytest.mark.parametrize("kind", ["window", "web-worker"])
def test_arrays_and_functions_travel(page: App, kind: str) -> None:
    text = """api.export({
        mean: ({ _rtype, _rvalue, _rshape }) => {
            const pixels = new Uint16Array(_rvalue);
            return [_rtype, _rshape, pixels.reduce((a, b) => a + b, 0) / pixels.length];
        },
        image: () => ({ _rtype: "ndarray", _rvalue: Float32Array.of(1, 2, 3, 4).buffer,
                        _rshape: [2, 2], _rdtype: "float32" }),
        numbers: () => [Int16Array.of(-1, 2), new Blob(["abc"], { type: "text/plain" })],
        shower: async (tell) => { for (const n of [1, 2, 3]) await tell(n); },
    });"""
    begin(page, frame(kind, script(text)))
    got = page.page.evaluate(
        """async () => {
            const one = window.started.one.interface;
            const image = await one.image();
            const array = new image.constructor("uint16", [2, 2], Uint16Array.of(1, 2, 3, 6));
            const heard = [];
            await one.shower((n) => { heard.push(n); });
            const [numbers, blob] = await one.numbers();
            return [await one.mean(array), image.dtype, image.shape, [...image.data], heard,
                    [numbers._rtype, numbers._rdtype, numbers._rvalue.byteLength],
                    [blob._rtype, blob._rmime, blob._rvalue.byteLength]];
        }"""
    )
    assert got == [
        ["ndarray", [2, 2], 3],
        "float32",
        [2, 2],
        [1, 2, 3, 4],
        [1, 2, 3],
        ["typedarray", "int16", 4],
        ["blob", "text/plain", 3],
    ]


def test_a_window_gets_its_page_in_order(page: App) -> None:
    text = "api.export({ look: () => [document.querySelectorAll('p').length,"
    text += " getComputedStyle(document.body).backgroundColor, library.twice(4)] });"
    library = code("requirement", lang="script", src=files_of(page, "files/abc/library.js"))
    style = code("requirement", lang="style", src=files_of(page, "files/abc/style.css"))
    html = code("html", "<div><p>one</p></div><p>not shown</p>")
    begin(page, frame("window", library, style, html, script(text)))
    assert call(page, "look") == [1, "rgb(1, 2, 3)", 8]


@pytest.mark.parametrize("kind", ["window", "web-worker"])
def test_what_fails_is_named(page: App, kind: str) -> None:
    gone = files_of(page, "files/abc/gone.js")
    needs = code("requirement", lang="script", src=gone, address="https://x.org/gone.js")
    with pytest.raises(Error, match=r"https://x\.org/gone\.js failed"):
        begin(page, frame(kind, needs))
    with pytest.raises(Error, match="nothing here"):
        begin(page, frame(kind, script("throw new Error('nothing here')"), id="two"))
    assert page.page.evaluate("document.querySelectorAll('iframe').length") == 0
    page.errors.clear()


def test_a_library_that_fails_while_it_is_run_stops_no_window(page: App) -> None:
    """It does in ImJoy's workers, and does not in its windows."""
    broken = files_of(page, "files/abc/broken.js")
    needs = code("requirement", lang="script", src=broken, address="https://x.org/broken.js")
    begin(page, frame("window", needs, script(EXPORTS)))
    assert call(page, "add", 2, 3) == 5
    assert any("broken.js" in line and "the library is broken" in line for line in logged(page))
    with pytest.raises(Error, match=r"https://x\.org/broken\.js failed"):
        begin(page, frame("web-worker", needs, id="two"))
    page.errors.clear()


@pytest.mark.parametrize("kind", ["window", "web-worker"])
def test_an_address_that_it_may_not_reach_is_told_once(page: App, kind: str) -> None:
    text = "api.export({ look: () => fetch('https://x.org/a.csv').then(() => 1, () => 0) });"
    begin(page, frame(kind, script(text)))
    assert call(page, "look") == 0
    assert call(page, "look") == 0
    page.until("window.told.some(([, detail]) => JSON.stringify(detail).includes('x.org'))")
    lines = [line for line in logged(page) if "https://x.org/a.csv" in line]
    assert lines == [
        "https://x.org/a.csv cannot be reached: the plugin is not allowed the network."
    ]
    page.errors.clear()


def test_a_page_that_calls_setup_rpc_joins_offline(page: App) -> None:
    spec = frame("rpc-window", page=files_of(page, "apps/viewer/index.html"))
    assert "hear" in begin(page, spec)
    assert call(page, "hear", {"deep": [1, 2]}) == {"deep": [1, 2]}


def test_frames_of_one_page_call_each_other(page: App) -> None:
    begin(page, frame("web-worker", script(EXPORTS)))
    text = "api.export({ async run() { const one = await api.getPlugin('one');"
    text += " return [await one.add(20, 1), await one.add(20, 2)]; } });"
    begin(page, frame("window", script(text), id="two"))
    assert call(page, "run", of="two") == [21, 22]


def test_storage_and_workers_are_there(page: App) -> None:
    talker = files_of(page, "files/abc/talker.js")
    text = f"""localStorage.setItem("a", 1); localStorage.b = "2";
    api.export({{ look: () => [localStorage.getItem("a"), localStorage.length, typeof indexedDB],
        work: () => new Promise((resolve) => {{ const worker = new Worker("{talker}");
            worker.onmessage = (e) => resolve(e.data); worker.postMessage(41); }}) }});"""
    begin(page, frame("window", script(text)))
    assert call(page, "look") == ["1", 2, "undefined"]
    assert call(page, "work") == 42


def test_a_stopped_frame_is_gone_and_answers_no_call(page: App) -> None:
    begin(page, frame("web-worker", script(EXPORTS)))
    page.page.evaluate("window.started.one.stop()")
    assert page.page.evaluate("document.querySelectorAll('iframe').length") == 0
    with pytest.raises(Error, match="stopped"):
        call(page, "add", 1, 2)
