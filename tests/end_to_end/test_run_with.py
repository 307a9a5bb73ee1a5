"""What a layer or a table can be run with: found from there, and run on it, in a real browser."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.end_to_end.panel import Panel
from tests.host.plugins import write_plugin
from tests.host.test_row_inputs import SOURCE
from tests.server.running import Running, opsin_view

ROOT = Path(__file__).parents[2]
STACK = ROOT / "tests/data/volume/img3d.tif"
PICTURE = ROOT / "tests/data/nuclei/test/images/003.png"
SMOOTH = ROOT / "examples/plugins/Smooth.imjoy.html"
WAIT = 30_000


READER = """<config lang="json">
{"name": "Reader", "type": "web-worker", "version": "0.1.0", "api_version": "0.1.8",
 "inputs": {"notes": {"file": {"ext": "txt", "maxSize": 1000}}}}
</config>
<script lang="javascript">
api.export({
  setup() {},
  async run(ctx) {
    const file = ctx.data.notes;
    await api.showMessage(`${file.name} of ${file.type} says ${await file.text()}`);
  },
});
</script>
"""
DROP = """([name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(
      new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer }));
}"""


def drop(panel: Panel, name: str, content: bytes, mime: str = "") -> None:
    """Drop a file onto the window."""
    panel.page.evaluate(DROP, [name, mime, base64.b64encode(content).decode()])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("run-with")
    environment = {"OPSIN_DATA": str(folder / "data")}
    reader = folder / "reader.imjoy.html"
    reader.write_text(READER)
    files = (write_plugin(folder, SOURCE, "rows.py"), SMOOTH, reader)
    flags = [word for file in files for word in ("--plugin", file)]
    with opsin_view([STACK, *flags], environment=environment) as running:
        yield running


def test_a_layer_is_run_with_a_plugin_of_imjoy_and_its_array_becomes_a_layer(panel: Panel) -> None:
    page = panel.page
    page.locator("canvas").first.click()
    page.keyboard.press("Shift+R")
    palette = page.get_by_role("dialog", name="Run with img3d")
    expect(palette).to_be_visible()
    page.keyboard.type("smoo")
    expect(palette.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(palette).not_to_be_visible()
    chosen = panel.region.get_by_label("Image", exact=True)
    expect(chosen.locator("option:checked")).to_have_text("img3d")
    panel.region.get_by_role("radio", name="Whole image").check()
    expect(panel.region.get_by_text("All", exact=False).filter(has_text="slices")).to_have_count(0)
    panel.run()
    shape = panel.app.scene["layers"][0]["levels"][0]["shape"]
    told = page.get_by_text(f"{shape[-2]} × {shape[-1]} pixels are smooth.").first
    expect(told).to_be_visible(timeout=WAIT)
    layer = panel.result("Smooth")
    given = panel.app.scene["layers"][0]["levels"][0]
    assert layer["levels"][0]["shape"][-2:] == given["shape"][-2:]
    assert layer["levels"][0]["scale"][-2:] == given["scale"][-2:]
    expect(panel.job().get_by_role("button", name="Show result Smooth")).to_be_visible()


def test_the_button_of_a_layer_says_what_takes_it_and_what_does_not(panel: Panel) -> None:
    page = panel.page
    page.get_by_role("button", name="Select img3d").click()
    page.get_by_role("button", name="Run something with img3d").click()
    palette = page.get_by_role("dialog", name="Run with img3d")
    expect(palette.get_by_role("option", name="Smooth")).to_be_visible()
    page.keyboard.type("nothing is called so")
    expect(palette.get_by_text("Nothing is called that.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(palette).not_to_be_visible()


def test_an_image_that_is_dropped_is_opened_and_run_with(panel: Panel) -> None:
    page = panel.page
    drop(panel, "dropped.png", PICTURE.read_bytes(), "image/png")
    told = page.get_by_text("“dropped.png” is open.").first
    expect(told).to_be_visible(timeout=WAIT)
    assert panel.result("dropped")["levels"][0]["shape"]
    page.get_by_role("button", name="Run with …").click()
    palette = page.get_by_role("dialog", name="Run with dropped")
    palette.get_by_role("option", name="Smooth").click()
    chosen = panel.region.get_by_label("Image", exact=True)
    expect(chosen.locator("option:checked")).to_have_text("dropped")


def test_a_file_that_a_plugin_takes_is_offered_to_it(panel: Panel) -> None:
    page = panel.page
    drop(panel, "notes.txt", b"hello", "text/plain")
    palette = page.get_by_role("dialog", name="Open notes.txt")
    options = palette.get_by_role("option")
    expect(options).to_have_text([re.compile("^Reader"), re.compile("^Show it as a layer")])
    page.keyboard.press("Enter")
    expect(panel.region.get_by_label("Notes", exact=True)).to_have_text("notes.txt")
    panel.run()
    said = page.get_by_text("notes.txt of text/plain says hello").first
    expect(said).to_be_visible(timeout=WAIT)


def test_what_nobody_can_open_is_told(panel: Panel) -> None:
    drop(panel, "letter.doc", b"Dear all")
    told = panel.page.get_by_text("“letter.doc” could not be opened").first
    expect(told).to_be_visible(timeout=WAIT)
