"""Plugins that ask for files: folders of the host's computer are looked through, in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.end_to_end.app import App
from tests.end_to_end.panel import Panel
from tests.server.running import opsin_view

PICTURE = Path(__file__).parents[2] / "tests/data/nuclei/test/images/003.png"
WAIT = 30_000
ASKER = """<config lang="json">{{"name": "Asker", "type": "web-worker", "version": "0.1.0",
"api_version": "0.1.8"}}</config>
<script lang="javascript">api.export({{setup() {{}}, async run() {{
  for (const wish of {wishes}) {{
    const chosen = await api.showFileDialog(wish);
    await api.showMessage("got " + chosen.map((one) => one.path).join(" "));
  }}
}}}});</script>
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "beta" / "deep").mkdir(parents=True)
    (folder / "beta" / "b1.tif").write_bytes(b"1")
    (folder / "beta" / "b2.tif").write_bytes(b"22")
    (folder / "alpha.csv").write_text("a,b")
    return folder


@pytest.fixture
def panel(app: App, tmp_path: Path, files: Path) -> Iterator[Panel]:
    wishes = [
        {"root": str(files)},
        {"root": str(files), "type": "directory", "title": "Where to"},
        {"root": str(tmp_path / "nowhere"), "mode": "single"},
    ]
    plugin = tmp_path / "asker.imjoy.html"
    plugin.write_text(ASKER.format(wishes=json.dumps(wishes)))
    environment = {"OPSIN_DATA": str(tmp_path / "data"), "HOME": str(tmp_path)}
    with opsin_view([PICTURE, "--plugin", plugin], environment=environment) as server:
        app.page.set_viewport_size({"width": 1280, "height": 760})
        app.page.add_locator_handler(app.page.get_by_role("button", name="Not now"), Locator.click)
        app.open(server)
        panel = Panel(app)
        panel.show()
        panel.run()
        yield panel


def test_files_and_folders_are_chosen_by_keys_and_pointer(panel: Panel, files: Path) -> None:
    page = panel.page
    dialog = page.get_by_role("dialog").filter(visible=True)
    rows = dialog.get_by_role("listbox", name="Files and folders")
    notices = page.get_by_role("region", name="Notices")
    expect(rows.get_by_role("option")).to_have_count(2, timeout=WAIT)
    expect(rows.get_by_role("option").first).to_contain_text("beta")
    expect(rows).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")  # into beta
    expect(rows.get_by_role("option", name="b2.tif")).to_contain_text("2 B")
    page.keyboard.press("Backspace")
    expect(rows.get_by_role("option", name="beta")).to_have_attribute(
        "class", "file-row file-row-at"
    )
    page.keyboard.press("Enter")
    rows.get_by_role("option", name="b1.tif").click()
    rows.get_by_role("option", name="b2.tif").click(modifiers=["Control"])
    expect(dialog).to_contain_text("2 chosen")
    dialog.get_by_role("button", name="Choose", exact=True).click()
    beta = files / "beta"
    expect(notices).to_contain_text(f"got {beta}/b1.tif {beta}/b2.tif", timeout=WAIT)

    expect(dialog).to_contain_text("Where to")
    expect(rows.get_by_role("option")).to_have_count(1)  # no files
    path = dialog.get_by_role("textbox", name="Path")
    path.fill(f"{files}/gamma")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("cannot be listed")
    rows.get_by_role("option", name="beta").dblclick()
    expect(rows.get_by_role("option", name="deep")).to_be_visible()
    dialog.get_by_role("button", name="Choose", exact=True).click()
    expect(notices).to_contain_text(f"got {beta}", timeout=WAIT)

    expect(dialog.get_by_role("alert")).to_contain_text("nowhere cannot be listed", timeout=WAIT)
    expect(rows.get_by_role("option", name="b1.tif")).to_be_visible()  # where one was last
    dialog.get_by_role("button", name="files", exact=True).click()
    path.fill(f"{files}/alpha.csv")
    page.keyboard.press("Enter")
    expect(notices).to_contain_text(f"got {files}/alpha.csv", timeout=WAIT)
    expect(dialog).to_have_count(0)
