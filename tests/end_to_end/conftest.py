"""A real Chromium, a real server, a real 16384² image."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Locator, Playwright, sync_playwright

from tests.end_to_end.app import BROWSER, FLAGS, App
from tests.end_to_end.panel import Panel
from tests.server.running import Running

ROOT = Path(__file__).parents[2]
DEMO = ROOT / ".cache" / "demo.ome.zarr"
SIZE = (480, 400)
"""Of the window in GL tests; software GL is slow."""


@pytest.fixture(scope="session")
def demo() -> Path:
    """The demo image of `make run`, made once."""
    if not (DEMO / "zarr.json").exists():
        subprocess.run(["make", str(DEMO.relative_to(ROOT) / "zarr.json")], cwd=ROOT, check=True)
    return DEMO


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives browsers."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One Chromium for all tests; each test has a context of its own in it."""
    browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def app(browser: Browser) -> Iterator[App]:
    """A page that complains about errors and never leaves this computer."""
    context = browser.new_context(
        viewport={"width": SIZE[0], "height": SIZE[1]}, reduced_motion="reduce"
    )
    app = App(context)
    yield app
    errors = list(app.errors)
    with suppress(Error):
        context.close()
    assert errors == [], "the page logged errors"
    assert app.strangers == [], "the page asked another computer for something"


@pytest.fixture
def panel(app: App, server: Running) -> Panel:
    """The plugins panel at the `server` of a test's file, which allows plugins nothing."""
    panel = Panel(app)
    app.page.set_viewport_size({"width": 1280, "height": 760})
    # Whether a plugin may use the network is asked before its first run.
    app.page.add_locator_handler(app.page.get_by_role("button", name="Not now"), Locator.click)
    app.open(server)
    return panel
