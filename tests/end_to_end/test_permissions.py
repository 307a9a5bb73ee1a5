"""A plugin that asks for the network: the user is asked in the browser, allows, and takes back."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.end_to_end.app import App
from tests.end_to_end.panel import Panel
from tests.server.running import OPSIN, opsin_serve, opsin_view

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "tests/data/nuclei/test/images/003.png"
SOURCE = """# /// script
# [tool.opsin]
# name = "Fetcher"
# version = "{version}"
# permissions = {{ network = "downloads its model once" }}
# ///
import socket
from opsin.types import Image, Table


def fetch(image: Image) -> Table:
    try:
        socket.create_connection(("127.0.0.1", {port}), 5).close()
    except OSError:
        pass
    return {{"done": [1]}}
"""
WAIT = 60_000


class Door:
    """Something on the network."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]

    def somebody_came(self) -> bool:
        """Since this was asked last."""
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def door() -> Iterator[Door]:
    found = Door()
    with found.socket:
        yield found


def line(panel: Panel) -> Locator:
    """What it may, which one opens to read."""
    summary = panel.region.locator("summary", has_text="use: network")
    expect(summary).to_be_visible(timeout=WAIT)
    if not panel.region.get_by_role("list", name="Permissions of Fetcher").is_visible():
        summary.click()
    return panel.region.get_by_role("list", name="Permissions of Fetcher").get_by_role("listitem")


def run(panel: Panel, number: int) -> None:
    """Run it, and wait until so many jobs are done."""
    panel.run()
    done = panel.region.get_by_role("list", name="Jobs").get_by_text("fetch.csv", exact=True)
    expect(done).to_have_count(number, timeout=WAIT)


def test_the_user_is_asked_allows_and_takes_back(
    app: App, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("OPSIN_ISOLATION", "landlock")
    plugin = tmp_path / "fetcher.py"
    plugin.write_text(SOURCE.format(version="1.0", port=door.port))
    panel, page = Panel(app), app.page
    dialog = page.get_by_role("dialog").filter(visible=True)

    def add() -> None:
        panel.region.get_by_role("button", name="Add a plugin").click()
        form = panel.region.get_by_role("form", name="Add a plugin")
        form.locator("input[type=file]").set_input_files(plugin)
        expect(dialog).to_contain_text("The network: downloads its model once", timeout=WAIT)

    with opsin_view([PICTURE]) as server:
        app.open(server)
        page.get_by_role("button", name="Plugins", exact=True).click()
        expect(panel.region).to_be_visible()
        expect(panel.region.get_by_text("Connecting to the host")).to_have_count(0, timeout=WAIT)
        add()
        dialog.get_by_role("button", name="Not now").click()
        expect(line(panel)).to_have_class(re.compile("refused"), timeout=WAIT)
        run(panel, 1)  # without asking again
        assert not door.somebody_came()
        panel.job().get_by_role("button", name="Log").click()
        expect(panel.job()).to_contain_text("Fetcher asks for the network, is not allowed that")

        allow = line(panel).get_by_role("button", name="Allow: The network (Fetcher)")
        allow.focus()
        page.keyboard.press("Enter")
        expect(line(panel)).not_to_contain_text("Not allowed")
        run(panel, 2)
        assert door.somebody_came()
        expect(panel.job(0)).to_contain_text("Isolated by landlock; allowed: network")

        kept = ("plugins", "permissions", "fetcher.py", "--revoke", "network")
        subprocess.run([OPSIN, *kept], check=True, env=os.environ, capture_output=True)
        expect(line(panel)).to_contain_text("Not allowed", timeout=WAIT)  # the page hears of it
        run(panel, 3)
        assert not door.somebody_came()

        plugin.write_text(SOURCE.format(version="1.1", port=door.port))
        panel.region.get_by_role("button", name="All plugins").click()
        add()  # another version is asked anew
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(line(panel)).to_contain_text("Not allowed")
        panel.run()
        expect(dialog).to_be_visible(timeout=WAIT)  # that was no answer


def test_pages_of_a_server_see_what_is_allowed_and_change_nothing(
    app: App, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("OPSIN_ISOLATION", "landlock")
    plugin = tmp_path / "fetcher.py"
    plugin.write_text(SOURCE.format(version="1.0", port=door.port))
    flags = ("--plugin", plugin, "--untrusted", "--allow", f"{plugin}:network")
    with opsin_serve([PICTURE], *flags) as server:
        app.open(server)
        panel = Panel(app)
        panel.open("Fetch")
        expect(line(panel)).to_contain_text("Allowed")
        expect(line(panel).get_by_role("button")).to_have_count(0)
        run(panel, 1)
        assert door.somebody_came()
