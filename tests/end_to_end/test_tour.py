"""While one moves: never blank, bounded memory, nothing left waiting."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.end_to_end.app import App
from tests.end_to_end.pss import sampled
from tests.server.running import opsin_view

MIB = 2**20

TOUR = """
async ([steps, seed, zooms]) => {
    const viewer = window.opsin.viewer;
    const layer = viewer.scene.layers[0].levels[0];
    const extent = layer.shape[0] * layer.scale[0];
    const stop = viewer.recordFrames();
    let state = seed;
    const random = () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
    for (let step = 0; step < steps; step++) {
        const center = [extent * (0.15 + 0.7 * random()), extent * (0.15 + 0.7 * random())];
        const zoom = zooms[Math.floor(random() * zooms.length)] / layer.scale[0];
        const from = viewer.camera;
        const frames = 4;
        for (let i = 1; i <= frames; i++) {
            const t = i / frames;
            viewer.setCamera({
                center: [0, 1].map((k) => from.center[k] + (center[k] - from.center[k]) * t),
                zoom: from.zoom * (zoom / from.zoom) ** t,
            });
            await new Promise(requestAnimationFrame);
        }
        if (step % 5 === 4) await viewer.settled();
    }
    await viewer.settled();
    return await stop();
}
"""
ZOOMS = [0.03, 0.1, 0.4, 1, 2]
"""Device pixels per pixel of the finest level; at the smallest, not all of the canvas has image."""


def test_after_first_content_no_frame_is_blank_where_the_image_is(app: App, demo: Path) -> None:
    with opsin_view([demo]) as server:
        app.open(server, bare="", clear="ff00ff")
        frames = app.page.evaluate(TOUR, [25, 7, ZOOMS])
        assert len(frames) > 50
        assert len({tuple(frame["center"]) for frame in frames}) > 12, "it moved"
        blank = [frame for frame in frames if frame["uncovered"]]
        assert blank == []
        assert all(frame["inside"] > 0 for frame in frames)
        assert frames[-1]["settled"]
        assert clear_share(app.capture()) == 0, "the pixels say so too"


def test_the_canvas_looks_right_to_an_observer_while_it_moves(app: App, demo: Path) -> None:
    """The same from outside: every frame that the browser shows, as the browser made it.

    What is seen lags behind the camera that the page has set, since the canvas draws in a worker.
    So the tour stays where every camera has image all over the canvas: whichever of them a frame
    shows, it has no place for the clear colour.
    """
    with opsin_view([demo]) as server:
        app.open(server, bare="", clear="ff00ff")
        margin = 1 - app.size[1] / app.size[0]
        app.seen(lambda picture: clear_share(picture) == pytest.approx(margin))
        level = app.scene["layers"][0]["levels"][0]
        middle = level["shape"][0] * level["scale"][0] / 2
        app.look(center=[middle, middle], zoom=0.1 / level["scale"][0])
        app.seen(lambda picture: clear_share(picture) == 0)
        with app.screencast() as pictures:
            seed = 3
            while len({picture.tobytes() for picture in pictures}) < 20:
                assert seed < 15, "it moves, and it is seen"
                app.page.evaluate(TOUR, [10, seed, ZOOMS[1:]])
                seed += 1
        assert [clear_share(picture) for picture in pictures] == [0] * len(pictures)
        assert all((picture > 8).mean() > 0.05 for picture in pictures), "nor are they black"


def test_a_lost_context_comes_back_complete_also_while_it_moves(app: App, demo: Path) -> None:
    with opsin_view([demo]) as server:
        app.open(server, bare="", clear="ff00ff")
        before = app.capture()
        app.page.evaluate(
            """() => {
                const viewer = window.opsin.viewer;
                viewer.zoomBy(8);
                viewer.loseContext();
                viewer.panBy(40, 30);
            }"""
        )
        app.settle()
        assert clear_share(app.capture()) == 0
        app.page.evaluate("window.opsin.viewer.fit()")
        app.settle()
        np.testing.assert_array_equal(app.capture(), before)


def clear_share(picture: NDArray[np.uint8]) -> float:
    """The share of the pixels that have the clear colour of these tests."""
    return float((picture == [255, 0, 255]).all(axis=2).mean())


def test_memory_stays_under_the_budget_and_flat(app: App, demo: Path) -> None:
    budget = 96 * MIB
    with opsin_view([demo], "--memory", "96M") as server:
        app.open(server, bare="")
        app.page.evaluate(
            """() => {
                window.peak = {bytes: 0, budget: 0, samples: 0};
                window.opsin.viewer.on("stats", (stats) => {
                    window.peak.bytes = Math.max(
                        window.peak.bytes, stats.cacheBytes + stats.inFlight);
                    window.peak.budget = stats.cacheBudget;
                    window.peak.samples += 1;
                });
            }"""
        )
        with sampled(server.process.pid) as memory:
            warm_at = 0.0
            parts = 0
            while parts < 5 or time.monotonic() < warm_at + 5:
                app.page.evaluate(TOUR, [20, 100 + parts, ZOOMS])
                parts += 1
                assert parts < 12, "the budget was never filled"
                if not warm_at and app.page.evaluate("window.peak.bytes") > 0.9 * budget:
                    warm_at = time.monotonic()  # only now can memory be flat
                    parts = min(parts, 2)  # and three more tours show whether it is
        peak = app.page.evaluate("window.peak")
        assert peak["budget"] == budget
        assert peak["samples"] > 50
        assert 0.9 * budget < peak["bytes"] <= budget, "the budget is used, and holds"
        assert memory.peak <= budget + 200 * MIB, f"PSS rose to {memory.peak / MIB:.0f} MiB"
        warm = max(size for at, size in memory.taken if at <= warm_at)
        later = max(size for at, size in memory.taken if at > warm_at)
        # The last tenth of the budget was not filled before.
        assert later <= warm + budget // 10 + 16 * MIB, (
            f"PSS grew from {warm / MIB:.0f} to {later / MIB:.0f} MiB"
        )
