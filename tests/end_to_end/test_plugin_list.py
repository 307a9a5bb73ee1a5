"""The list of plugins: what is known of each, and what can be done with it, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.end_to_end.panel import Panel
from tests.host.imjoy_web import Web, web
from tests.server.running import Running, opsin_view

PICTURE = Path(__file__).parents[2] / "tests/data/nuclei/test/images/003.png"
WAIT = 30_000
DRAWER = """<config lang="json">{{"name": "Drawer", "type": "window", "version": "{version}",
"api_version": "0.1.8", "labels": ["plots"], "description": "Draws what was measured"}}</config>
<script lang="javascript">api.export({{setup() {{
  document.getElementById("said").textContent = "drawn by {version}";
}}, run() {{}}}});</script>
<window lang="html"><p id="said">nothing</p></window>
"""
CELLS = """from opsin.types import Image, Labels

def {name}(image: Image) -> Labels:
    return (image > 10).astype("uint32")
"""


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as running:
        running.put("/Drawer.imjoy.html", DRAWER.format(version="1.0.0"))
        yield running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    own = tmp_path / "own.py"
    own.write_text(CELLS.format(name="bright"))
    environment = {"OPSIN_DATA": str(tmp_path / "data")}
    with opsin_view([PICTURE, "--plugin", own], environment=environment) as running:
        yield running


@pytest.fixture
def panel(panel: Panel) -> Panel:
    panel.show()
    expect(panel.region.get_by_role("button", name="All plugins")).to_be_visible(timeout=WAIT)
    panel.region.get_by_role("button", name="All plugins").click()
    return panel


def row(panel: Panel, name: str) -> Locator:
    rows = panel.region.get_by_role("list", name="Plugins").get_by_role("listitem")
    return rows.filter(has=panel.page.get_by_role("heading", name=name))


def notices(panel: Panel) -> Locator:
    return panel.page.get_by_role("region", name="Notices")


def add(panel: Panel, source: str) -> None:
    panel.region.get_by_role("button", name="Add a plugin").click()
    panel.region.get_by_role("textbox", name="Address, ImJoy URI or source").fill(source)
    panel.page.keyboard.press("Enter")


def test_what_came_from_elsewhere_is_updated(panel: Panel, site: Web) -> None:
    add(panel, f"{site.address}/Drawer.imjoy.html")
    drawer = row(panel, "Drawer")
    expect(drawer).to_contain_text("1.0.0", timeout=WAIT)
    expect(drawer).to_contain_text(f"From {site.address}/Drawer.imjoy.html")
    expect(drawer).to_contain_text("plots")
    drawer.hover()
    update = drawer.get_by_role("button", name="Update Drawer")
    update.click()
    expect(notices(panel)).to_contain_text("“Drawer” is up to date", timeout=WAIT)
    site.put("/Drawer.imjoy.html", DRAWER.format(version="1.1.0"))
    update.click()
    expect(notices(panel)).to_contain_text("“Drawer” was updated", timeout=WAIT)
    expect(drawer).to_contain_text("1.1.0", timeout=WAIT)
    site.pages.clear()
    update.click()
    expect(notices(panel).get_by_role("alert")).to_contain_text("could not be updated")
    expect(drawer).to_contain_text("1.1.0")
    expect(row(panel, "own").get_by_role("button", name="Update")).to_have_count(0)


def test_a_plugin_is_changed_where_it_is_and_removed(panel: Panel, site: Web) -> None:
    page = panel.page
    add(panel, f"{site.address}/Drawer.imjoy.html")
    drawer = row(panel, "Drawer")
    expect(drawer).to_be_visible(timeout=WAIT)
    drawer.hover()
    drawer.get_by_role("button", name="Edit Drawer").click()
    form = page.get_by_role("form", name="Source of Drawer.imjoy.html")
    code = form.get_by_role("textbox", name="Source of the plugin")
    expect(code).to_contain_text("drawn by 1.0.0", timeout=WAIT)
    expect(form).to_contain_text("an update brings that back")
    code.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(DRAWER.format(version="7.0.0"))
    expect(form).to_contain_text("not saved")
    page.keyboard.press("Control+s")
    expect(form).to_contain_text("Drawer.imjoy.html is saved.", timeout=WAIT)
    expect(drawer).to_contain_text("7.0.0", timeout=WAIT)
    page.keyboard.press("Control+Enter")
    body = page.get_by_role("tabpanel", name="Drawer", exact=True)
    expect(body.frame_locator("iframe").locator("#said")).to_have_text(
        "drawn by 7.0.0", timeout=WAIT
    )

    drawer.hover()
    remove = drawer.get_by_role("button", name="Remove the plugin Drawer")
    remove.click()
    dialog = page.get_by_role("dialog").filter(visible=True)
    expect(dialog).to_contain_text("It is loaded: that ends, with its windows.")
    expect(dialog).to_contain_text(f"can be added again from {site.address}")
    page.keyboard.press("Escape")
    expect(drawer).to_be_visible()
    remove.click()
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(drawer).to_have_count(0, timeout=WAIT)
    expect(body).to_have_count(0, timeout=WAIT)


def test_what_is_not_opsins_own_stays_on_the_disk(panel: Panel, tmp_path: Path) -> None:
    own = row(panel, "own")
    own.hover()
    expect(own.get_by_role("button", name="Edit own")).to_have_count(0)
    own.get_by_role("button", name="Remove the plugin own").click()
    dialog = panel.page.get_by_role("dialog").filter(visible=True)
    expect(dialog).to_contain_text(f"Its file {tmp_path}/own.py stays as it is.")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(own).to_have_count(0, timeout=WAIT)
    assert (tmp_path / "own.py").exists()
