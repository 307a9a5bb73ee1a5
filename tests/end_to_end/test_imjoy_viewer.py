"""The real itk-vtk-viewer as a window: an image of which it reads what it shows, and labels."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from opsin.host.imjoy.applications import KNOWN
from opsin.images.readers import open_image
from tests.end_to_end.app import App, decode_png
from tests.end_to_end.panel import Panel
from tests.end_to_end.test_imjoy_applications import fetched
from tests.host.imjoy_desks import plugin
from tests.server.running import Running, opsin_view

WAIT = 60_000
SET = "synthetic:mandelbrot,size=1048576"
"""2 TiB."""
SEEN = 64
"""Pixels along each side, in which the window and the image are compared."""
EXAMPLE = Path("examples/plugins/Volumes.imjoy.html").absolute()
ADDRESS = "https://kitware.github.io/itk-vtk-viewer/app/"
LARGE = plugin(
    "Large",
    f"""
from imjoy import api

class ImJoyPlugin:
    async def setup(self):
        pass

    async def run(self, ctx):
        image = ctx.data.image
        viewer = await api.createWindow(src="{ADDRESS}")
        await viewer.setImage(image)
        await api.showStatus(f"{{type(image).__name__}} {{image.shape}} is shown.")
        while await api.confirm("Capture?"):
            await api.alert(await viewer.captureImage())

api.export(ImJoyPlugin())
""",
    inputs={"image": {"ndarray": {}}},
)
LABELS = plugin(
    "Labelled",
    f"""
import numpy as np
from imjoy import api

class ImJoyPlugin:
    async def setup(self):
        pass

    async def run(self, ctx):
        labels = np.zeros((64, 96), "uint16")
        labels[8:24, 8:40] = 1
        labels[36:60, 50:90] = 2
        viewer = await api.createWindow(src="{ADDRESS}")
        await viewer.setLabelImage(labels)
        while await api.confirm("Capture?"):
            await api.alert(await viewer.captureImage())

api.export(ImJoyPlugin())
""",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("viewer")
    data = folder / "data"
    fetched(data)
    flags: list[str] = []
    (viewer,) = KNOWN
    for text, name in ((LARGE, "Large"), (LABELS, "Labelled"), (viewer.plugin(), "viewer")):
        path = folder / f"{name}.imjoy.html"
        path.write_text(text)
        flags += ["--plugin", str(path)]
    flags += ["--plugin", str(EXAMPLE)]
    with opsin_view([SET], *flags, environment={"OPSIN_DATA": str(data)}) as running:
        yield running


@pytest.fixture
def received(app: App) -> list[int]:
    """Bytes of each message that the page has got."""
    sizes: list[int] = []
    app.page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda message: sizes.append(len(message))),
    )
    return sizes


@pytest.fixture
def panel(received: list[int], panel: Panel) -> Panel:
    """With all that the page has got from when it was opened."""
    return panel


def accepted(app: App) -> None:
    """What the viewer's own page asks for in vain: its logo, by a path from the root, and focus."""
    strange = ("itk-vtk-viewer/logo.png", "autofocus")
    app.errors[:] = [one for one in app.errors if not any(word in one for word in strange)]


def shown(panel: Panel) -> NDArray[np.uint8]:
    """What the viewer itself captures, as soon as it shows something on its grey."""
    page = panel.page
    captured = page.get_by_text("data:image/png;base64,")

    def capture() -> NDArray[np.uint8]:
        expect(page.get_by_text("Capture?")).to_be_visible(timeout=WAIT)
        page.keyboard.press("Enter")
        expect(captured).to_be_visible(timeout=WAIT)
        text = (captured.text_content() or "").partition("base64,")[2]
        page.keyboard.press("Enter")
        expect(captured).to_be_hidden()
        return decode_png(base64.b64decode(text))

    picture = once_seen(page, capture)
    expect(page.get_by_text("Capture?")).to_be_visible(timeout=WAIT)
    page.keyboard.press("Escape")
    accepted(panel.app)
    return picture


def once_seen(page: Page, capture: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """What is captured once that shows something, and the same twice: it comes bit by bit."""
    deadline = time.monotonic() + WAIT / 1000
    before = np.zeros(0, np.uint8)
    while True:
        page.wait_for_timeout(1500)
        picture = capture()
        if min(map(len, lines_of(picture))) and np.array_equal(picture, before):
            return picture
        assert time.monotonic() < deadline, "the viewer shows nothing that stays"
        before = picture


def lines_of(picture: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns in which something other than the grey lies, through the middle."""
    grey = picture[2, 2].astype(int)
    other = np.abs(picture.astype(int) - grey).sum(axis=2) > 30
    height, width = other.shape
    return np.flatnonzero(other[:, width // 2]), np.flatnonzero(other[height // 2])


def image_in(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What lies in the middle of the grey of a picture, `SEEN` pixels along each side."""
    place = [
        (lines[0] + (np.arange(SEEN) + 0.5) * (lines[-1] + 1 - lines[0]) / SEEN).astype(int)
        for lines in lines_of(picture)
    ]
    return picture[np.ix_(*place)]


def check_set(picture: NDArray[np.uint8]) -> None:
    """Check that a picture shows the set, the right way round."""
    seen = image_in(picture).astype(float).sum(axis=2)
    with open_image(SET) as image:
        coarse = image.read(len(image.levels) - 1).astype(float)
    step = len(coarse) // SEEN
    pixels = coarse[step // 2 :: step, step // 2 :: step]

    def alike(one: NDArray[np.float64]) -> float:
        return float(np.corrcoef(one.ravel(), seen.ravel())[0, 1])

    assert alike(pixels) > 0.8
    assert max(alike(pixels[:, ::-1]), alike(pixels.T)) < 0.3


def test_of_an_image_of_terabytes_it_reads_what_it_shows(panel: Panel, received: list[int]) -> None:
    panel.open("Large")
    panel.region.get_by_label("Whole image").check()
    before = sum(received)
    panel.run()
    told = panel.page.get_by_text("LazyArray (1048576, 1048576) is shown.").first
    expect(told).to_be_visible(timeout=WAIT)
    check_set(shown(panel))
    assert sum(received) - before < 64 << 20


@pytest.mark.parametrize("name", ["itk-vtk-viewer", "Volumes"])
def test_the_viewer_is_run_with_a_layer(panel: Panel, name: str) -> None:
    panel.open(name)
    assert panel.region.get_by_label("LabelImage").is_visible()
    panel.region.get_by_label("Image", exact=True).select_option(label="mandelbrot")
    panel.region.get_by_label("Whole image").check()
    panel.run()
    windows = panel.page.get_by_role("region", name="Windows", exact=True)
    body = windows.locator("iframe").first
    index = windows.frame_locator("iframe").get_by_text("Position:").first
    expect(index).to_be_visible(timeout=WAIT)
    # Below is the edge of its sliders.
    check_set(once_seen(panel.page, lambda: decode_png(body.screenshot())[:-10]))
    accepted(panel.app)


def test_labels_have_a_colour_each(panel: Panel) -> None:
    panel.open("Labelled")
    panel.run()
    seen = image_in(shown(panel))
    high, low, nothing = seen[16, 16], seen[48, 48], seen[48, 8]
    assert (high == seen[10, 24]).all()
    assert not (high == nothing).all()
    assert not (low == nothing).all()
