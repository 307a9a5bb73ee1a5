"""Plugins of ImJoy as a person uses them: forms, windows, dialogs and logs, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FrameLocator, Locator, expect

from tests.end_to_end.app import App
from tests.end_to_end.panel import Panel
from tests.server.running import Running, opsin_view

PICTURE = Path(__file__).parents[2] / "tests/data/nuclei/test/images/003.png"
WAIT = 30_000
TEMPLATE = """<config lang="json">{config}</config>
<script lang="javascript">
{script}
</script>
<window lang="html"><div><h1 id="title">loaded</h1><button id="more">More</button></div></window>
"""
COUNTER = """
let count = 0;
class Plugin {
  setup() { document.getElementById("more").onclick = () => this.count(); }
  count() { count += 1; document.getElementById("title").textContent = `counted ${count}`; }
  run(ctx) { document.getElementById("title").textContent = `size ${ctx.config.size}`; }
}
api.export(new Plugin());
"""
ASKER = """
const hostile = "<b>bold</b><img src=x onerror='parent.pwned=1'><script>parent.pwned=1<\\/script>"
  + "<style>body{display:none}</style><a href='javascript:alert(1)'>link</a>";
api.export({
  setup() {},
  async run() {
    await api.alert({title: "Read this", content: hostile});
    const sure = await api.confirm("Sure?");
    const name = await api.prompt("Which name?", "nobody");
    const form = await api.showDialog({name: "Choices",
      ui: "Sigma {id: 'sigma', type: 'number', min: 0, max: 10, placeholder: 2}"});
    await api.log(`sure ${sure}, name ${name}, sigma ${form.sigma}`);
    await api.error("something is wrong");
    await api.createWindow({name: "Notes", type: "imjoy/markdown", w: 10, h: 8,
      data: {source: "# Heading of the notes"}});
  },
});
"""


def plugin(folder: Path, name: str, kind: str, script: str, **more: object) -> Path:
    config = {"name": name, "type": kind, "version": "0.1.0", "api_version": "0.1.8", **more}
    path = folder / f"{name.lower().replace(' ', '_')}.imjoy.html"
    path.write_text(TEMPLATE.format(config=json.dumps(config), script=script))
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("plugins")
    ui = "Size {id: 'size', type: 'number', min: 1, max: 9, placeholder: 4}"
    counter = plugin(folder, "Counter", "window", COUNTER, ui=ui, defaults={"w": 12, "h": 8})
    asker = plugin(folder, "Asker", "web-worker", ASKER)
    worker = plugin(folder, "Worker", "web-worker", WORKER)
    environment = {"OPSIN_DATA": str(folder / "data")}
    flags = ("--plugin", counter, "--plugin", asker, "--plugin", worker)
    with opsin_view([PICTURE, *flags], environment=environment) as running:
        yield running


def windows(panel: Panel) -> Locator:
    return panel.page.get_by_role("region", name="Windows", exact=True)


def counter(panel: Panel) -> Locator:
    """Run it; the heading of its window."""
    panel.open("Counter")
    panel.run()
    return title(panel)


def title(panel: Panel) -> Locator:
    return within(panel).locator("#title")


def more(panel: Panel) -> Locator:
    return within(panel).locator("#more")


def within(panel: Panel) -> FrameLocator:
    return windows(panel).get_by_role("tabpanel", name="Counter").frame_locator("iframe")


def test_a_window_runs_beside_the_canvas_and_is_never_loaded_anew(panel: Panel) -> None:
    page, app = panel.page, panel.app
    panel.show()  # which would make the canvas narrower meanwhile
    app.settle()
    before = app.size
    expect(counter(panel)).to_have_text("size 4", timeout=WAIT)
    app.until(
        f"window.opsin.viewer.size[0] * window.opsin.viewer.size[1] < {before[0] * before[1]}"
    )
    more(panel).click()
    more(panel).click()
    expect(title(panel)).to_have_text("counted 2")

    page.get_by_role("button", name="Let Counter float").click()
    app.until(f"window.opsin.viewer.size[0] === {before[0]}")
    expect(title(panel)).to_have_text("counted 2")
    page.get_by_role("button", name="Maximise Counter").click()
    expect(page.get_by_label("Canvas")).to_be_hidden()
    page.get_by_role("button", name="Restore Counter").click()
    page.get_by_role("button", name="Dock Counter beside the image").click()
    tab = page.get_by_role("tab", name="Counter")
    tab.focus()
    page.keyboard.press("Alt+ArrowLeft")
    expect(title(panel)).to_have_text("counted 2")
    app.until("document.querySelector('main').style.margin.endsWith('px')")
    page.wait_for_timeout(200)  # what is moved hears no click
    more(panel).click()
    expect(title(panel)).to_have_text("counted 3")

    page.get_by_role("button", name="Close Counter").click()
    expect(tab).to_have_count(0)
    app.until(f"window.opsin.viewer.size[0] === {before[0]}")


def test_windows_are_dragged_to_where_they_shall_be(panel: Panel) -> None:
    page = panel.page
    expect(counter(panel)).to_have_text("size 4", timeout=WAIT)
    more(panel).click()
    tab = page.get_by_role("tab", name="Counter")
    area = windows(panel).bounding_box()
    start = tab.bounding_box()
    assert area
    assert start
    page.mouse.move(start["x"] + 20, start["y"] + 8)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.3, area["y"] + area["height"] / 2, steps=6)
    page.mouse.move(area["x"] + area["width"] * 0.3, area["y"] + area["height"] - 20, steps=6)
    page.mouse.up()
    end = tab.bounding_box()
    assert end
    assert end["y"] > area["y"] + area["height"] * 0.4, "it is not below the canvas"
    expect(title(panel)).to_have_text("counted 1")


def test_windows_come_back_where_they_were(panel: Panel) -> None:
    page = panel.page
    expect(counter(panel)).to_have_text("size 4", timeout=WAIT)
    page.get_by_role("button", name="Let Counter float").click()
    tab = page.get_by_role("tab", name="Counter")
    place = tab.bounding_box()
    page.wait_for_timeout(600)
    page.reload()
    panel.app.ready()
    expect(title(panel)).to_have_text("size 4", timeout=WAIT)
    assert tab.bounding_box() == place


def test_plugins_ask_and_say_and_log(panel: Panel) -> None:
    page = panel.page
    panel.open("Asker")
    panel.run()
    dialog = page.get_by_role("dialog").filter(visible=True)
    expect(dialog).to_contain_text("Read this", timeout=WAIT)
    expect(dialog).to_contain_text("Plugin “Asker”")
    expect(dialog.locator("b")).to_have_text("bold")
    assert dialog.locator("script, style, img, [onerror]").count() == 0
    assert dialog.get_by_text("link").get_attribute("href") is None
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('dialog[open]').contains(document.activeElement)")
    page.keyboard.press("Escape")

    expect(dialog).to_contain_text("Sure?", timeout=WAIT)
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("Which name?")
    expect(dialog.get_by_role("textbox")).to_have_value("nobody")
    page.keyboard.type("me")
    page.keyboard.press("Enter")
    sigma = dialog.get_by_role("textbox", name="Sigma")
    expect(sigma).to_have_value("2")
    sigma.fill("40")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("Must be at most 10.")
    sigma.fill("3")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)

    notices = page.get_by_role("region", name="Notices")
    expect(notices).to_contain_text("Asker: something is wrong", timeout=WAIT)
    expect(page.get_by_role("heading", name="Heading of the notes")).to_be_visible()
    notices.get_by_role("button", name="Show the log").click()
    log = page.get_by_role("list", name="Log of Asker")
    expect(log).to_contain_text("sure true, name nobodyme, sigma 3")
    page.get_by_role("button", name="Errors", exact=True).click()
    expect(log.get_by_role("listitem")).to_have_count(1)
    assert page.evaluate("window.pwned") is None
    forgive_parsing(panel.app)


WORKER = """
api.export({
  setup() {},
  async run() {
    await api.showStatus("Fitting the model");
    await api.showProgress(0.4);
    await new Promise(() => {});
  },
});
"""


def test_what_goes_on_is_shown_and_can_be_stopped(panel: Panel) -> None:
    page = panel.page
    panel.open("Worker")
    panel.run()
    status = page.get_by_role("region", name="Status")
    expect(status).to_contain_text("Worker Fitting the model", timeout=WAIT)
    progress = status.get_by_role("progressbar", name="Progress of Worker")
    expect(progress).to_have_attribute("value", "0.4")
    page.get_by_role("button", name="All plugins").click()
    plugins = panel.region.get_by_role("list", name="Plugins")
    row = plugins.get_by_role("listitem", name="Worker")
    expect(row).to_contain_text("Running")
    row.get_by_role("button", name="Stop Worker").click()
    expect(progress).to_have_count(0, timeout=WAIT)
    expect(row.get_by_role("button", name="Stop Worker")).to_have_count(0)
    expect(page.get_by_role("region", name="Notices")).to_contain_text("“Worker” was cancelled")
    expect(page.get_by_role("region", name="Notices").get_by_role("alert")).to_have_count(0)


def test_a_run_that_is_cancelled_among_the_jobs_is_no_failure(panel: Panel) -> None:
    page = panel.page
    panel.open("Worker")
    panel.run()
    status = page.get_by_role("region", name="Status")
    expect(status).to_contain_text("Worker Fitting the model", timeout=WAIT)
    panel.job().get_by_role("button", name="Cancel").click()
    notices = page.get_by_role("region", name="Notices")
    expect(notices).to_contain_text("“Worker” was cancelled", timeout=WAIT)
    page.wait_for_timeout(300)  # what fails is said at once
    expect(notices.get_by_role("alert")).to_have_count(0)


HOSTILE = (
    "<img src=x onerror=parent.pwned=1>",
    "<svg><script>parent.pwned=1</script></svg><svg onload=parent.pwned=1>",
    (
        "<math><mtext><table><mglyph><style><!--</style>"
        "<img title='--><img src=x onerror=parent.pwned=1>'>"
    ),
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=parent.pwned=1>",
    "<noscript><p title='</noscript><img src=x onerror=parent.pwned=1>'>",
    "<a href='java\tscript:parent.pwned=1'>a</a><a href='  javascript:1'>b</a>",
    "<a href='data:text/html,x'>c</a><a href='#app'>d</a><a href='vbscript:x'>e</a>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe><object data=x><embed src=x>",
    "<input autofocus onfocus=parent.pwned=1><button popovertarget=app>x</button>",
    "<textarea><img title='</textarea><img src=x onerror=parent.pwned=1>'>",
    "<div style='position:fixed;inset:0;background:url(//evil.test/a)'>over</div>",
    "<p style='color:red;position:fixed'>red</p>",
    "<img src='https://evil.test/track.png' srcset='https://evil.test/b.png 2x'>",
    "<div id=app class='modal run-button' name=location>fake</div>",
    "<form id=form><input name=attributes><input name=removeChild></form>",
    "<template><script>parent.pwned=1</script></template><link rel=stylesheet href=//evil.test/x>",
    "<meta http-equiv=refresh content='0;url=//evil.test'><base href='//evil.test/'>",
    "<video src=//evil.test/v autoplay></video><audio src=//evil.test/a></audio>",
    "<x-app onclick=parent.pwned=1 tabindex=1 onfocus=parent.pwned=1 autofocus>x</x-app>",
)
"""What must come to nothing: run nothing, cover nothing, ask nothing, tell no other computer."""
LEFT = """() => [...document.querySelectorAll("dialog[open] .told *")].flatMap((element) => [
  element.localName,
  ...[...element.attributes].map(({ name, value }) => `${name}=${value}`)])"""


def test_hostile_text_comes_to_nothing(app: App, tmp_path: Path) -> None:
    script = f"""api.export({{setup() {{}}, async run() {{
      for (const content of {json.dumps(HOSTILE)}) await api.alert({{title: "T", content}});
    }}}});""".replace("</script>", "<\\/script>")
    hostile = plugin(tmp_path, "Hostile", "web-worker", script)
    environment = {"OPSIN_DATA": str(tmp_path / "data")}
    other = plugin(tmp_path, "Counter", "window", COUNTER)  # the form of an only one opens itself
    flags = ("--plugin", hostile, "--plugin", other)
    with opsin_view([PICTURE, *flags], environment=environment) as server:
        panel, page = Panel(app), app.page
        page.add_locator_handler(page.get_by_role("button", name="Not now"), Locator.click)
        app.open(server)
        panel.open("Hostile")
        panel.run()
        dialog = page.get_by_role("dialog").filter(visible=True)
        seen = set()
        for number, _ in enumerate(HOSTILE):
            expect(dialog).to_have_count(1, timeout=WAIT)
            page.wait_for_timeout(60)
            seen |= set(page.evaluate(LEFT))
            assert page.evaluate("window.pwned") is None, number
            page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)
    names = {one for one in seen if "=" not in one}
    assert names <= {"a", "p", "div", "span", "table", "tbody", "img", "x-app"}, names
    attributes = {one for one in seen if "=" in one}
    assert attributes <= {"target=_blank", "rel=noopener noreferrer", "style=color: red"}, (
        attributes
    )
    forgive_parsing(app)


def forgive_parsing(app: App) -> None:
    """A browser says what the policy of the page forbids, also where text is only parsed."""
    said = "violates the following Content Security Policy"
    app.errors[:] = [one for one in app.errors if said not in one]


def test_everything_is_found_by_a_few_letters(panel: Panel) -> None:
    page = panel.page
    expect(panel.region.get_by_text("Connecting to the host")).to_have_count(0, timeout=WAIT)
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Commands")
    expect(palette.get_by_role("option", name="Counter")).to_be_visible(timeout=WAIT)
    page.keyboard.type("countr")
    expect(palette.get_by_role("option").first).to_contain_text("Counter")
    page.keyboard.press("Enter")
    expect(palette).to_have_count(0)
    expect(panel.region.get_by_role("textbox", name="Size")).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("layer panel")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Layer panel")).to_have_attribute(
        "aria-pressed", "false"
    )


def test_a_plugin_is_loaded_from_its_source(panel: Panel, tmp_path: Path) -> None:
    page = panel.page
    if not panel.region.is_visible():
        page.get_by_role("button", name="Plugins", exact=True).click()
    back = panel.region.get_by_role("button", name="All plugins")
    if back.is_visible():
        back.click()
    panel.region.get_by_role("button", name="Add a plugin").click()
    source = plugin(tmp_path, "Pasted", "window", COUNTER).read_text()
    field = panel.region.get_by_role("textbox", name="Address, ImJoy URI or source")
    field.fill("nobody/nothing")
    page.keyboard.press("Enter")
    notices = page.get_by_role("region", name="Notices")
    expect(notices).to_contain_text("The plugins of “nobody/nothing” cannot", timeout=WAIT)
    field.fill("nobody/nothing:Something")
    page.keyboard.press("Enter")
    expect(notices).to_contain_text("The plugin could not be loaded", timeout=WAIT)
    field.fill(source)
    page.keyboard.press("Control+Enter")
    expect(notices).to_contain_text("“Pasted” is loaded.", timeout=WAIT)


def test_a_plugin_is_written_and_runs_while_one_types(panel: Panel) -> None:
    page = panel.page
    expect(panel.region.get_by_text("Connecting to the host")).to_have_count(0, timeout=WAIT)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Commands")).to_be_visible(timeout=WAIT)
    page.keyboard.type("write new plugin")
    page.keyboard.press("Enter")
    form = page.get_by_role("form", name="New plugin")
    form.get_by_label("Name of the plugin's file").fill("circles")
    form.get_by_label("What to start from").select_option("ImJoy: a window")
    code = form.get_by_role("textbox", name="Source of the plugin")
    expect(code).to_contain_text('"circles"')
    page.keyboard.press("Tab")
    code.click()
    page.keyboard.press("Control+Enter")
    body = windows(panel).get_by_role("tabpanel", name="circles")
    said = body.frame_locator("iframe").locator("#said")
    expect(said).to_have_text("12 circles", timeout=WAIT)

    place = body.bounding_box()
    form.get_by_label("Live").check()
    page.evaluate("document.querySelector('.cm-content').focus()")
    page.keyboard.press("Control+Home")
    page.keyboard.press("Control+f")
    page.keyboard.type("placeholder: 12")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.type("placeholder: 7")
    expect(said).to_have_text("7 circles", timeout=WAIT)
    assert body.bounding_box() == place

    code.click()
    page.keyboard.press("Control+Home")
    page.keyboard.insert_text('<config lang="json">{</config>')
    expect(form.get_by_role("alert")).to_be_visible(timeout=WAIT)
