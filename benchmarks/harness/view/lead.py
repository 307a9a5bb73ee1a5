"""Lead: one viewer along one tour, in a fresh browser with a fresh profile."""

from __future__ import annotations

import json
import queue
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.chromium import browser
from harness.view.data import Data
from harness.view.outcome import Run, read
from harness.view.processes import cpu_seconds, memory
from harness.view.store import Store
from harness.view.viewers import Viewer

TOURS = Path(__file__).parents[2] / "tours" / "view"
FULL = 16384
"""Pixels along a side of the image that the tours were made for."""
LONGEST = 150.0
"""Seconds that a tour may take."""
ABOVE = 143
"""Rows of the window that the browser keeps to itself."""
GO = '<script>location.href = "{address}";</script>'


def read_tour(name: str, size: int = FULL, moves: int | None = None) -> dict[str, Any]:
    """A tour from `tours/view`, for an image of another size, and not all of its moves."""
    tour: dict[str, Any] = json.loads((TOURS / f"{name}.json").read_text())
    tour["moves"] = tour["moves"][:moves]
    if name != "volume":  # that of the plane, and of a stack of an eighth of its side
        for place in (tour["start"], *tour["moves"]):
            if "center" in place:
                place["center"] = [(n + 0.5) * size / FULL - 0.5 for n in place["center"]]
    return tour


def lead(viewer: Viewer, tour: Mapping[str, Any], data: Data, latency: float) -> Run:
    """What came of it. CPU time counts from when the browser sets out for the viewer's page."""
    cpu: list[float] = []
    used: list[float] = []

    def ended() -> None:
        cpu.append(cpu_seconds())
        used.append(memory())

    store = Store(
        data, latency, tour, viewer.folders, viewer.pages, lambda: cpu.append(cpu_seconds()), ended
    )
    width, height = tour["canvas"]
    with store, viewer.opened(store) as address:
        # Another site, so another process: what it leaves behind does not stop the page.
        begin = store.address.replace("127.0.0.1", "localhost")
        start = f"{begin}/start#{quote(address, safe='')}"
        with browser(start, GO, (width, height + ABOVE)):
            try:
                report = store.reports.get(timeout=LONGEST)
            except queue.Empty:
                return Run({}, f"it was not at the end within {LONGEST:.0f} s")
    run = read(report, tour, data)
    if run.void:
        return run
    began, finished = cpu
    come = report["numbers"].get("linkBytes", store.bytes)
    outside = {
        "store_bytes": store.bytes / 2**20,
        "link_bytes": come / 2**20,
        "cpu": finished - began,
        "pss": used[0] - report["pictureBytes"] / 2**20,
    }
    return replace(run, numbers={**run.numbers, **outside})
