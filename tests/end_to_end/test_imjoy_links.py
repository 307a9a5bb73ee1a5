"""Links to ImJoy's app, and repositories of its plugins, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.end_to_end.app import App
from tests.end_to_end.panel import Panel
from tests.host.imjoy_desks import plugin
from tests.host.imjoy_web import Web, web
from tests.server.running import Running, opsin_view

PICTURE = Path(__file__).parents[2] / "tests/data/nuclei/test/images/003.png"
GAUSSIAN = Path(__file__).parents[2] / "examples/plugins/gaussian.py"
FLAGS = ("--plugin", GAUSSIAN)
WAIT = 30_000
TELLER = """
api.export({
  setup() {},
  async run(ctx) { await api.showMessage(`told ${ctx.data.word}`); },
});
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Web]:
    with web() as site:
        for name in ("Teller", "Writer"):
            text = plugin(name, TELLER, "web-worker", description=f"{name} says what it is told.")
            site.put(f"/{name}.imjoy.html", text)
        listed = [
            {"name": name, "uri": f"{name}.imjoy.html", "type": "web-worker", "version": "0.1.0",
             "description": f"{name} says what it is told."}
            for name in ("Teller", "Writer")
        ]  # fmt: skip
        site.put("/manifest.imjoy.json", json.dumps({"name": "Tellers", "plugins": listed}))
        yield site


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("links")
    with opsin_view([PICTURE, *FLAGS], environment={"OPSIN_DATA": str(folder)}) as running:
        yield running


def test_a_link_adds_a_plugin_if_the_user_agrees_and_runs_it_once(
    app: App, server: Running, site: Web
) -> None:
    page = app.page
    app.open(server)
    address = f"{server.origin}/?plugin={site.address}/Teller.imjoy.html&start=Teller&word=all"
    page.goto(address)
    question = page.get_by_role("dialog", name="Install a plugin?")
    expect(question).to_contain_text("Teller")
    question.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("told all").first).to_be_visible(timeout=WAIT)
    assert "plugin=" not in page.url
    page.goto(address)  # it is known now, so that nobody is asked
    expect(page.get_by_text("told all").first).to_be_visible(timeout=WAIT)
    page.goto(f"{server.origin}/?plugin={site.address}/Writer.imjoy.html")
    question.get_by_role("button", name="No", exact=True).click()
    notices = page.get_by_role("region", name="Notices")
    expect(notices).to_contain_text("Writer was not installed")


def test_words_of_a_link_are_searched_for(app: App, server: Running) -> None:
    app.open(server)
    app.page.goto(f"{server.origin}/?plugin=tells")
    expect(app.page.get_by_role("searchbox")).to_have_value("tells", timeout=WAIT)


def test_a_repository_offers_its_plugins(app: App, server: Running, site: Web) -> None:
    panel, page = Panel(app), app.page
    app.open(server)
    panel.show()
    panel.region.get_by_role("button", name="Add a plugin").click()
    field = panel.region.get_by_role("textbox", name="Address, ImJoy URI or source")
    field.fill(f"{site.address}/manifest.imjoy.json")
    page.keyboard.press("Enter")
    offered = page.get_by_role("dialog", name="Plugins of")
    expect(offered.get_by_role("option")).to_have_count(2, timeout=WAIT)
    page.keyboard.type("writ")
    expect(offered.get_by_role("option")).to_contain_text("Writer says what it is told.")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“Writer” is loaded.").first).to_be_visible(timeout=WAIT)
