"""The plugins panel of the app, as a test sees it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator

from tests.end_to_end.app import FITS, App


class Panel:
    """The plugins panel of the app, as a person uses it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.page = app.page
        self.page.set_viewport_size({"width": 1000, "height": 700})
        self.region: Locator = self.page.get_by_role("region", name="Plugins")

    def open(self, operation: str) -> None:
        """Show the form of an operation."""
        self.show()
        back = self.region.get_by_role("button", name="All plugins")
        if back.is_visible():
            back.click()
        self.region.get_by_role("button", name=operation, exact=True).click()

    def show(self) -> None:
        """Open it, where it is not open."""
        button = self.page.get_by_role("button", name="Plugins", exact=True)
        if not self.region.is_visible():
            button.click()
        self.page.wait_for_timeout(50)
        if not self.region.is_visible():  # it had just opened itself, since plugins came
            button.click()
        self.app.until(FITS)

    def run(self) -> None:
        self.region.get_by_role("button", name="Run", exact=True).click()

    def job(self, number: int = 0) -> Locator:
        jobs = self.region.get_by_role("list", name="Jobs").get_by_role("listitem")
        return jobs.nth(number)

    def result(self, name: str) -> dict[str, Any]:
        """The layer that a job has made, once it is there."""
        self.app.until(
            f"window.opsin.viewer.scene.layers.some(layer => layer.name === {name!r})", 120
        )
        self.app.settle()
        (layer,) = [one for one in self.app.scene["layers"] if one["name"] == name]
        return dict(layer)
