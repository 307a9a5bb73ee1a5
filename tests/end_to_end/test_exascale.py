"""Into images that nothing could hold and out again: never blank, in bounded memory, also outside.

2^27 × 2^27 pixels of the Mandelbrot set; and the Mandelbulb, whose 2^20 voxels cubed are an
exabyte. Both are generated as one looks at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsin.chunks.volume_camera import looking
from tests.end_to_end.app import App
from tests.end_to_end.pss import sampled
from tests.server.running import opsin_view

MIB = 2**20
MEMORY, SLOTS = 512 * MIB, 256 * MIB
ABOVE_BUDGET = 200 * MIB
"""That the server may take for itself."""

PLANE = (512, 384)
EDGE = (61_211_072.4, 67_393_231.2)
"""A pixel, row and column, on the edge of the Mandelbrot set: there is something at every zoom."""

VOLUME = (160, 160)
SURFACE = (287_098.4, 389_266.0, 358_205.9)
"""A voxel on the surface of the Mandelbulb at every level, as seen from there."""
FROM = {
    "orientation": looking(35, 25),
    "perspective": 40,
    "mode": "iso",
    "quality": 0.125,
    "threshold": 25,
}

FLIGHT = """
async ([stops, steps]) => {
    const viewer = window.opsin.viewer;
    window.peak = {slots: 0, budget: 0, cache: 0, failed: 0};
    viewer.on("stats", (stats) => {
        window.peak.slots = Math.max(window.peak.slots, stats.slotBytes);
        window.peak.budget = stats.slotBudget;
        window.peak.cache = Math.max(window.peak.cache, stats.cacheBytes + stats.inFlight);
        window.peak.failed = Math.max(window.peak.failed, stats.failed);
    });
    const reports = [];
    for (const stop of stops) {
        const {volume} = viewer.camera;
        const from = volume ?? viewer.camera;
        const record = viewer.recordFrames();
        for (let step = 1; step <= steps; step++) {
            const share = step / steps;
            const zoom = from.zoom * (stop.zoom / from.zoom) ** share;
            // The centre moves as fast on the canvas, whatever the zoom.
            const way = stop.zoom === from.zoom
                ? share
                : (1 / from.zoom - 1 / zoom) / (1 / from.zoom - 1 / stop.zoom);
            const center = from.center.map((at, i) => at + (stop.center[i] - at) * way);
            viewer.setCamera(volume ? {volume: {...volume, center, zoom}} : {center, zoom});
            // Until it is drawn.
            do await new Promise(requestAnimationFrame); while (!viewer.caughtUp);
        }
        await viewer.settled();
        reports.push(await record());
    }
    return reports;
}
"""
STEPS = 6
"""Cameras on the way from stop to stop."""


def fly(app: App, stops: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The frames on the way to each stop."""
    flown: list[list[dict[str, Any]]] = app.page.evaluate(FLIGHT, [list(stops), STEPS])
    return flown


def assert_bounded(app: App, highest: int) -> None:
    peak = app.page.evaluate("window.peak")
    assert peak["budget"] == SLOTS
    assert 0 < peak["slots"] <= SLOTS
    assert 0 < peak["cache"] <= MEMORY
    assert peak["failed"] == 0
    assert highest <= MEMORY + ABOVE_BUDGET, f"PSS rose to {highest / MIB:.0f} MiB"


def test_the_mandelbrot_set_down_to_single_pixels_and_back(app: App) -> None:
    app.page.set_viewport_size({"width": PLANE[0], "height": PLANE[1]})
    with opsin_view(["synthetic:mandelbrot"], "--memory", "512MiB") as server:
        with sampled(server.process.pid) as memory:
            app.open(server, bare="", clear="ff00ff", slots=str(SLOTS))
            assert app.size == PLANE
            whole = {"center": app.camera["center"], "zoom": app.camera["zoom"]}
            stops = [{"center": EDGE, "zoom": 2.0**-level} for level in (13, 9, 4, 0)]
            flown = fly(app, [*stops, stops[1], whole])
        for frames in flown:
            assert [frame for frame in frames if frame["uncovered"]] == []
            assert frames[-1]["settled"]
        assert flown[3][-1]["zoom"] == 1
        assert flown[-1][-1]["zoom"] == whole["zoom"]
        assert len({frame["zoom"] for frames in flown for frame in frames}) > 2 * STEPS, "it flew"
        assert_bounded(app, memory.peak)


def test_the_mandelbulb_down_to_single_voxels_and_back(app: App) -> None:
    app.page.set_viewport_size({"width": VOLUME[0], "height": VOLUME[1]})
    with opsin_view(["synthetic:mandelbulb"], "--memory", "512MiB") as server:
        with sampled(server.process.pid) as memory:
            app.open(server, bare="", slots=str(SLOTS))
            app.page.evaluate(
                """look => {
                    const viewer = window.opsin.viewer;
                    viewer.showVolume(true);
                    viewer.setCamera({volume: {...viewer.camera.volume, ...look}});
                    viewer.fit();
                }""",
                FROM,
            )
            app.settle()
            before = app.capture()
            app.seen(lambda picture: bool((picture == before).all()))
            whole = {key: app.camera["volume"][key] for key in ("center", "zoom")}
            stops = [{"center": SURFACE, "zoom": 2.0**-level} for level in (6, 0)]
            with app.screencast() as pictures:
                flown = fly(app, [*stops, whole])
            app.seen(lambda picture: bool((picture == before).all()))
        assert flown[1][-1]["zoom"] == 1
        assert len({frame["zoom"] for frames in flown for frame in frames}) > STEPS, "it flew"
        assert len({picture.tobytes() for picture in pictures}) > STEPS, "and was seen to"
        # From the first view on the surface is in front of the middle, however coarse.
        assert min(lit(middle(picture)) for picture in pictures) > 0.5
        assert_bounded(app, memory.peak)


def middle(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A quarter of the height and of the width."""
    height, width = picture.shape[:2]
    return picture[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8]


def lit(picture: NDArray[np.uint8]) -> float:
    """The share of the pixels that are not black."""
    return float((picture.max(axis=2) > 8).mean())
