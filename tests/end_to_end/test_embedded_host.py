"""A page of another site loads one script and runs Opsin's plugins in itself, in a real browser."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from opsin.server.launch import bind
from tests.end_to_end.app import App
from tests.end_to_end.clients import pages
from tests.server.running import Running, opsin_view

PICTURE = Path(__file__).parents[2] / "tests/data/nuclei/test/images/003.png"
WAIT = 30_000
PAGE = """<!doctype html><html lang="en"><title>A laboratory</title>
<link rel="icon" href="data:,">
<div id="plugins"></div><div id="own" style="height: 120px"></div>
<script type="module">
import {{ loadOpsin }} from "{script}";
window.said = [];
const say = (name) => ({{ name: plugin }}, ...words) => {{
  window.said.push([name, plugin, ...words]);
}};
window.opsin = await loadOpsin({{
  container: document.querySelector("#plugins"), name: "Laboratory",
  imjoyApi: {{ alert: say("alert"), utils: {{ openUrl: say("open") }} }},
}});
</script>"""
FILE = """<config lang="json">{config}</config>
<script lang="{lang}">
{script}
</script>
{window}"""
SHOWN = (
    '<window lang="html"><div><p id="shown">nothing</p><button id="go">Go</button></div></window>'
)
VIEWER = """
class Plugin {
  setup() {}
  run(ctx) {
    const { image, told } = ctx.data;
    const shown = document.getElementById("shown");
    const { _rtype, _rdtype, _rshape, _rvalue } = image;
    shown.textContent = `${_rtype} ${_rdtype} ${_rshape} of ${_rvalue.byteLength}`;
    let clicks = 0;
    document.getElementById("go").onclick = async () => {
      clicks += 1;
      shown.textContent = await told(clicks, new Float32Array([clicks, 0.5]));
    };
    this.image = image;
  }
  sum() {
    return new Uint8Array(this.image._rvalue).reduce((all, one) => all + one, 0);
  }
  twice() {
    const bytes = new Uint8Array(this.image._rvalue).map((one) => 2 * one);
    return { ...this.image, _rvalue: bytes.buffer };
  }
}
api.export(new Plugin());
"""
WORKER = """
api.export({
  setup() {},
  async run(ctx) {
    await api.alert(`from ${self.constructor.name}`);
    await api.utils.openUrl("https://my.site/");
    const page = await api.getPlugin("Laboratory");
    return { answer: await page.measure(ctx.data.value), when: new Date(5), set: new Set([1, 2]) };
  },
});
"""
NATIVE = """
import numpy as np
from imjoy import api
class Plugin:
    async def setup(self): pass
    async def run(self, ctx):
        services = await api.getServices({"type": "scale"})
        scaled = await services[0].scale(np.arange(6, dtype=np.uint16).reshape(2, 3), by=3)
        await api.alert("scaled")
        return {"shape": list(scaled.shape), "sum": int(scaled.sum()), "array": scaled}
api.export(Plugin())
"""


def text_of(name: str, kind: str, script: str, window: str = "") -> str:
    config = {"name": name, "type": kind, "version": "0.1.0", "api_version": "0.1.8"}
    lang = "python" if kind == "native-python" else "javascript"
    return FILE.format(config=json.dumps(config), lang=lang, script=script, window=window)


def script_of(server: Running) -> str:
    deadline = time.monotonic() + 20
    while not (found := re.findall(r"^ +(http://\S+/opsin_host\.js)$", server.text, re.M)):
        assert time.monotonic() < deadline, server.text
        time.sleep(0.01)
    return str(found[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    (folder / "site").mkdir()
    with pages(folder / "site") as site:
        yield site


@pytest.fixture(scope="module")
def server(folder: Path, site: str) -> Iterator[Running]:
    kept = folder / "kept.imjoy.html"
    kept.write_text(text_of("Kept worker", "web-worker", WORKER))
    environment = {"OPSIN_DATA": str(folder / "data")}
    flags = ("--plugin", str(kept), "--embed", site)
    with opsin_view([PICTURE], *flags, environment=environment) as running:
        page = PAGE.format(script=script_of(running))
        (folder / "site" / "page.html").write_text(page)
        yield running


@pytest.fixture
def page(app: App, server: Running, site: str) -> Page:
    app.page.goto(f"{site}/page.html")
    app.until("window.opsin?.state === 'open'", 30)
    return app.page


def window_of(page: Page, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True)


OPEN = """async (source) => {
  const _rvalue = new Uint8Array([1, 2, 3, 4, 5, 6]).buffer;
  const image = { _rtype: "ndarray", _rvalue, _rshape: [2, 3], _rdtype: "uint8" };
  window.told = [];
  window.viewer = await opsin.api.createWindow({
    src: source, name: "Cells", w: 12, h: 6,
    data: { image, told: (clicks, numbers) => {
      told.push([clicks, numbers]);
      return `told ${clicks}`;
    } },
  });
}"""


def test_a_window_gets_an_array_and_calls_back_again_and_again(page: Page) -> None:
    page.evaluate(OPEN, text_of("Viewer", "window", VIEWER, SHOWN))
    panel = window_of(page, "Cells")
    frame = panel.frame_locator("iframe")
    expect(frame.locator("#shown")).to_have_text("ndarray uint8 2,3 of 6", timeout=WAIT)
    for clicks in (1, 2, 3):
        frame.locator("#go").click()
        expect(frame.locator("#shown")).to_have_text(f"told {clicks}")
    told = page.evaluate("told.map(([n, a]) => [n, a.constructor.name, Array.from(a)])")
    assert told == [[n, "Float32Array", [n, 0.5]] for n in (1, 2, 3)]
    assert page.evaluate("viewer.sum()") == 21
    twice = page.evaluate(
        """async () => {
          const { _rtype, _rshape, _rvalue } = await viewer.twice();
          return [_rtype, _rshape, Array.from(new Uint8Array(_rvalue))];
        }"""
    )
    assert twice == ["ndarray", [2, 3], [2, 4, 6, 8, 10, 12]]
    page.evaluate("viewer.on('close', () => told.push('closed'))")
    panel.get_by_role("button", name="Close Cells").click()
    expect(panel).to_have_count(0)
    page.wait_for_function("told.at(-1) === 'closed'")


def test_a_window_lies_in_an_element_that_the_page_has_for_it(page: Page) -> None:
    source = text_of("Viewer", "window", VIEWER, SHOWN)
    script = OPEN.replace('name: "Cells"', 'name: "Cells", window_id: "own"')
    page.evaluate(script, source)
    place = page.locator("#own").frame_locator("iframe").locator("#shown")
    expect(place).to_have_text("ndarray uint8 2,3 of 6", timeout=WAIT)
    page.evaluate("viewer.close()")
    expect(page.locator("#own iframe")).to_have_count(0)


def test_workers_of_the_page_and_of_the_owner_run(page: Page) -> None:
    page.evaluate("opsin.api.export({ measure: (value) => `${value} measured` })")
    for source in (text_of("Own worker", "web-worker", WORKER), "Kept worker"):
        got = page.evaluate(
            """async (source) => {
              const { answer, when, set } = await opsin.run(source, { data: { value: 7 } });
              const isSet = set instanceof Set;
              return [answer, when instanceof Date && when.getTime(), isSet && set.size];
            }""",
            source,
        )
        assert got == ["7 measured", 5, 2]
    said = [[name, plugin] for name, plugin, *_ in page.evaluate("said")]
    names = [("alert", "Own worker"), ("open", "Own worker")]
    assert said == [list(one) for one in names] + [
        ["alert", "Kept worker"],
        ["open", "Kept worker"],
    ]


def test_python_calls_a_service_of_the_page(page: Page) -> None:
    got = page.evaluate(
        """async (source) => {
          await opsin.api.registerService({ type: "scale", name: "by the page",
            scale: ({ _rvalue, ...array }, { by }) => {
              const scaled = new Uint16Array(_rvalue).map((one) => by * one);
              return { ...array, _rvalue: scaled.buffer };
            } });
          const { shape, sum, array } = await opsin.run(source);
          return [shape, sum, array._rdtype, Array.from(new Uint16Array(array._rvalue))];
        }""",
        text_of("Native", "native-python", NATIVE),
    )
    assert got == [[2, 3], 45, "uint16", [0, 3, 6, 9, 12, 15]]
    assert page.evaluate("said.at(-1)") == ["alert", "Native", "scaled"]


def test_the_page_asks_and_answers_without_more(page: Page) -> None:
    sure = page.evaluate_handle("() => { window.sure = opsin.api.confirm('Sure?'); }")
    page.get_by_role("dialog", name="Laboratory").get_by_role("button", name="OK").click()
    assert page.evaluate("sure") is True
    sure.dispose()
    page.evaluate("() => { opsin.api.showMessage('<b>bold</b><img src=x onerror=\"pwned=1\">'); }")
    expect(page.get_by_text("bold")).to_be_visible()
    assert page.evaluate("typeof pwned") == "undefined"
    page.evaluate(
        "opsin.api.createWindow({type: 'imjoy/markdown', name: 'Notes', data: {source: '# Head'}})"
    )
    expect(window_of(page, "Notes").get_by_role("heading", name="Head")).to_be_visible()


def test_forms_and_dialogs_show_themselves_in_the_page(page: Page) -> None:
    ui = "Sigma {id: 'sigma', type: 'number', min: 0, max: 10, placeholder: 2}"
    page.evaluate("(ui) => { window.form = opsin.api.showDialog({ name: 'Choices', ui }); }", ui)
    dialog = page.get_by_role("dialog", name="Choices")
    dialog.get_by_role("textbox", name="Sigma").fill("3.5")
    dialog.get_by_role("button", name="OK").click()
    assert page.evaluate("form") == {"sigma": 3.5}
    expect(dialog).to_have_count(0)
    page.evaluate("(ui) => { window.form = opsin.api.showDialog({ name: 'Choices', ui }); }", ui)
    page.evaluate("() => { form.catch((error) => { window.cancelled = error.message; }); }")
    dialog.get_by_role("button", name="Cancel").click()
    page.wait_for_function("window.cancelled?.includes('cancelled')")

    page.evaluate("() => { window.answer = opsin.api.prompt('Which name?', 'nobody'); }")
    field = page.get_by_label("Which name?")
    expect(field).to_have_value("nobody")
    field.fill("somebody")
    field.press("Enter")
    assert page.evaluate("answer") == "somebody"

    source = text_of("Viewer", "window", VIEWER, SHOWN)
    page.evaluate(OPEN.replace('name: "Cells"', 'name: "Cells", dialog: true'), source)
    over = page.get_by_role("dialog", name="Cells")
    expect(over.frame_locator("iframe").locator("#shown")).to_contain_text("uint8", timeout=WAIT)
    page.keyboard.press("Escape")
    expect(over).to_have_count(0)


def test_the_page_reaches_nothing_else(page: Page, server: Running) -> None:
    address = script_of(server)
    refused = """async ([address, ...paths]) => {
      const found = [];
      for (const path of paths) {
        const place = new URL(path, address);
        found.push(await fetch(place).then(() => "read", () => "refused"));
      }
      return found;
    }"""
    paths = ["/api/view", "/api/frames", "/api/layers/0/histogram", "/zarr/x/", "/", "../x/y.js"]
    page_errors = page.context.new_page()  # of its own: what fails there is logged
    page_errors.goto(page.url)
    assert page_errors.evaluate(refused, [address, *paths]) == ["refused"] * len(paths)
    assert page_errors.evaluate(refused, [address, address]) == ["read"]
    socket = """(address) => new Promise((resolve) => {
      const socket = new WebSocket(address);
      socket.onopen = () => resolve("open");
      socket.onerror = () => resolve("refused");
    })"""
    own = address.replace("http", "ws").replace("opsin_host.js", "rpc")
    assert page_errors.evaluate(socket, own) == "open"
    for path in ("api/rpc", "api/stream"):
        other = f"ws://127.0.0.1:{server.port}/{path}"
        assert page_errors.evaluate(socket, other) == "refused"
    page_errors.close()
    for call in (
        "opsin.load('/etc/passwd.imjoy.html')",
        "opsin.api.showFileDialog({root: '/'})",
        "opsin.api.getFileUrl({path: '/etc/passwd'})",
        "opsin.api.installPlugin({src: 'x'})",
    ):
        answer = page.evaluate(f"{call}.then(() => 'done', (error) => `no: ${{error.message}}`)")
        assert answer.startswith("no: "), call


def _note(failed: list[str], request: Request) -> None:
    failed.append(request.url)


def test_a_page_of_another_site_gets_nothing(
    browser: Browser, server: Running, folder: Path, site: str
) -> None:
    context = browser.new_context()
    with pages(folder / "site") as other:
        for place, found in ((site, "open"), (other, None)):
            tab = context.new_page()
            failed: list[str] = []
            tab.on("requestfailed", partial(_note, failed))
            tab.goto(f"{place}/page.html")
            if found:
                tab.wait_for_function("window.opsin?.state === 'open'")
            else:
                tab.wait_for_timeout(1000)
                assert tab.evaluate("typeof window.opsin") == "undefined"
            assert (script_of(server) in failed) == (not found)
            own = script_of(server).replace("http", "ws").replace("opsin_host.js", "rpc")
            opened = tab.evaluate(
                """(address) => new Promise((resolve) => {
                  const socket = new WebSocket(address);
                  socket.onopen = () => resolve("open");
                  socket.onerror = () => resolve(null);
                })""",
                own,
            )
            assert opened == found
            tab.close()
    context.close()


def test_the_link_comes_back(app: App, folder: Path, site: str) -> None:
    listener = bind(0)
    port = listener.getsockname()[1]
    listener.close()
    environment = {"OPSIN_DATA": str(folder / "data"), "OPSIN_TOKEN": "a-token-for-tests-01234"}
    flags = ("--port", str(port), "--embed", site)
    with opsin_view([PICTURE], *flags, environment=environment) as server:
        (folder / "site" / "back.html").write_text(PAGE.format(script=script_of(server)))
        app.page.goto(f"{site}/back.html")
        app.until("window.opsin?.state === 'open'", 30)
        app.page.evaluate(KEPT)
        app.page.evaluate(OPEN, text_of("Viewer", "window", VIEWER, SHOWN))
        expect(window_of(app.page, "Cells")).to_be_visible()
    app.until("opsin.state === 'lost'", 30)
    expect(window_of(app.page, "Cells")).to_have_count(0)
    lost = app.page.evaluate("opsin.api.alert('x').catch((error) => error.message)")
    assert "try again" in lost
    with opsin_view([PICTURE], *flags, environment=environment):
        app.until("opsin.state === 'open'", 30)
        assert app.page.evaluate("states") == ["lost", "open"]
        found = "(async () => (await opsin.api.getServices({type: 'kept'}))[0].tell())()"
        assert app.page.evaluate(found) == "told again"
        app.page.evaluate("opsin.close()")
        assert app.page.evaluate("opsin.state") == "closed"
        assert "was closed" in app.page.evaluate(
            "opsin.api.log('x').catch((error) => error.message)"
        )
    app.errors = [one for one in app.errors if "WebSocket connection" not in one]


def test_the_page_of_the_guide_works(app: App, server: Running, folder: Path, site: str) -> None:
    guide = (Path(__file__).parents[2] / "docs/guides/sharing.md").read_text()
    blocks = re.findall(r"```html\n(.*?)```", guide, re.S)
    (page,) = (one for one in blocks if "loadOpsin" in one)
    (plugin,) = (one for one in blocks if "<config" in one)
    (folder / "site" / "looker.imjoy.html").write_text(plugin)
    address = re.search(r'"(http://\S+opsin_host\.js)"', page)
    assert address
    page = page.replace(address[1], script_of(server))
    icon = '<link rel="icon" href="data:,">'
    (folder / "site" / "guide.html").write_text(page.replace("<title>", f"{icon}<title>"))
    said: list[str] = []
    app.page.on("console", lambda message: said.append(message.text))
    app.page.goto(f"{site}/guide.html")
    panel = window_of(app.page, "Looker")
    expected = "Hello, Looker: 2 × 3 pixels, the largest 255"
    expect(panel.frame_locator("iframe").locator("#told")).to_have_text(expected, timeout=WAIT)
    panel.get_by_role("button", name="Close Looker").click()
    expect(panel).to_have_count(0)
    deadline = time.monotonic() + 20
    while said != [expected, "It was closed."]:
        assert time.monotonic() < deadline, said
        app.page.wait_for_timeout(50)


KEPT = """async () => {
  window.states = [];
  opsin.addEventListener("connection", ({ detail }) => states.push(detail.state));
  await opsin.api.registerService({ type: "kept", name: "again", tell: () => "told again" });
}"""
