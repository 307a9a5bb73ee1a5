"""The browser shows what keeps a plugin apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.end_to_end.app import App
from tests.end_to_end.panel import Panel
from tests.server.running import opsin_view

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "tests/data/nuclei/test/images/003.png"
NUCLEI = ROOT / "examples/plugins/nuclei.py"


def test_the_card_of_a_job_tells_its_level(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("OPSIN_ISOLATION", "landlock")
    panel = Panel(app)
    with opsin_view([PICTURE], "--plugin", str(NUCLEI)) as server:
        app.open(server)
        panel.open("Nuclei")
        panel.run()
        panel.result("Nuclei")
        expect(panel.job()).to_contain_text("Isolated by landlock")


def test_untrusted_without_isolation_offers_no_plugin(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("OPSIN_ISOLATION", "none")
    with opsin_view([PICTURE], "--plugin", str(NUCLEI), "--untrusted") as server:
        app.open(server)
        panel = Panel(app)
        app.page.get_by_role("button", name="Plugins", exact=True).click()
        expect(panel.region).to_contain_text("nothing can isolate them on this computer")
