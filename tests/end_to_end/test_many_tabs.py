"""Twenty tabs on one server: one cache, one budget, and nothing is left of what is closed."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from playwright.sync_api import BrowserContext

from tests.end_to_end.app import App
from tests.end_to_end.pss import sampled
from tests.server.running import Running, opsin_view

MIB = 2**20
BUDGET = 64 * MIB
TABS = 20
SMALL = {"width": 200, "height": 160}
"""A window in which software GL is quick."""


def open_files(server: Running) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def new_tab(context: BrowserContext, server: Running) -> App:
    tab = App(context)
    tab.page.set_viewport_size(SMALL)  # type: ignore[arg-type]
    tab.visit(f"{server.address}&bare")
    return tab


def test_twenty_tabs_share_a_budget_and_leave_nothing(app: App, demo: Path) -> None:
    with opsin_view([demo], "--memory", "64MiB") as server, sampled(server.process.pid) as memory:
        app.page.set_viewport_size(SMALL)  # type: ignore[arg-type]
        app.open(server, bare="")
        alone = open_files(server)
        tabs = [new_tab(app.context, server) for _ in range(TABS)]
        for number, tab in enumerate(tabs):
            tab.until("window.opsin?.viewer?.scene?.layers.length > 0")
            tab.watch()
            row, column = divmod(number, 5)
            tab.page.evaluate(
                """([y, x]) => {
                    const {viewer} = window.opsin;
                    const [level] = viewer.scene.layers[0].levels;
                    const center = [y * level.shape[0], x * level.shape[1]];
                    const [scale] = level.scale;
                    viewer.setCamera({center: center.map((at) => at * scale), zoom: 1 / scale});
                }""",
                [0.1 + row * 0.25, 0.1 + column * 0.2],
            )
        for tab in tabs:
            tab.settle()
        pictures = {tab.capture().tobytes() for tab in tabs}
        assert len(pictures) == TABS, "each sees its own place"
        for tab in tabs:
            stats = tab.page.evaluate("window.stats")
            assert stats["failed"] == 0
            assert stats["cacheBudget"] == BUDGET
            assert stats["cacheBytes"] + stats["inFlight"] <= BUDGET
        assert open_files(server) > TABS
        for tab in tabs:
            tab.page.close()
            assert tab.errors == []
        deadline = time.monotonic() + 10
        while open_files(server) > alone:
            assert time.monotonic() < deadline, f"{open_files(server) - alone} files stay open"
            time.sleep(0.05)
        # The first tab never noticed.
        before = app.capture()
        app.page.evaluate("window.opsin.viewer.zoomBy(2)")
        app.settle()
        assert not np.array_equal(app.capture(), before)
    assert memory.peak <= BUDGET + 200 * MIB, f"PSS rose to {memory.peak / MIB:.0f} MiB"
