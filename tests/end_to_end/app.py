"""The web app in a browser, as a test sees it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response

from tests.server.running import Running

CHROMIUM = Path("/usr/bin/chromium")
SHELL = Path("/usr/bin/chromium-headless-shell")
"""Chromium without its windows (docs/decisions/0054)."""
BROWSER = SHELL if SHELL.exists() else CHROMIUM
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

FITS = """(() => {
    const canvas = document.querySelector(".quad-main canvas");
    const [width, height] = window.opsin.viewer.size;
    const is = (size, pixels) => Math.abs(size * devicePixelRatio - pixels) < 1;
    if (!canvas?.clientWidth) return true;
    return is(canvas.clientWidth, width) && is(canvas.clientHeight, height);
})()"""
"""That the viewer knows how large its canvas is, of which it hears a frame late."""


class App:
    """One tab."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.strangers: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._logged)
        self.page.on("request", self._requested)
        self.page.on("response", self._answered)

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws") and parts.hostname != "127.0.0.1":
            self.strangers.append(request.url)

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.errors.append(f"{response.status} {response.url}")

    def open(self, server: Running, **query: str) -> None:
        """Open the app and wait until it shows the whole scene, settled."""
        extra = f"&{urlencode(query)}" if query else ""
        self.visit(server.address + extra)
        self.ready()

    def visit(self, address: str) -> None:
        """Open an address with a token, and wait for the page that it leads to."""
        self.page.goto(address)
        self.page.wait_for_url(lambda url: "token=" not in url)

    def ready(self) -> None:
        """Wait until there is a scene and it has settled."""
        self.until("window.opsin?.viewer?.scene?.layers.length > 0")
        self.settle()

    def until(self, condition: str, seconds: float = 60) -> None:
        """Wait for a JavaScript condition. (The page's own policy forbids Playwright's wait.)"""
        deadline = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, f"it never came true: {condition}"
            self.page.wait_for_timeout(20)

    def settle(self) -> None:
        """Wait until the presented frame shows the current camera completely, in all its canvas."""
        self.until(FITS)
        self.page.evaluate("window.opsin.viewer.settled()")

    def watch(self) -> None:
        """Keep the newest numbers in `window.stats`, and all failures in `window.failures`."""
        self.page.evaluate(
            """() => {
                window.failures = [];
                window.opsin.viewer.on("failure", (failure) => window.failures.push(failure));
                window.opsin.viewer.on("stats", (stats) => { window.stats = stats; });
            }"""
        )

    @property
    def scene(self) -> dict[str, Any]:
        scene: dict[str, Any] = self.page.evaluate("window.opsin.viewer.scene")
        return scene

    @property
    def camera(self) -> dict[str, Any]:
        camera: dict[str, Any] = self.page.evaluate("window.opsin.viewer.camera")
        return camera

    @property
    def size(self) -> tuple[int, int]:
        """Of the canvas in device pixels: width, height."""
        width, height = self.page.evaluate("window.opsin.viewer.size")
        return width, height

    def look(self, **camera: Any) -> None:
        """Set parts of the camera and wait until it has settled."""
        self.page.evaluate("camera => window.opsin.viewer.setCamera(camera)", camera)
        self.settle()

    def set_layer(self, number: int, **settings: Any) -> None:
        """Change settings of a layer and wait until that is drawn."""
        self.page.evaluate(
            "([id, settings]) => window.opsin.viewer.setLayer(id, settings)", [number, settings]
        )
        self.settle()

    def capture(self) -> NDArray[np.uint8]:
        """The canvas, exactly as it is presented: (rows, columns, 3)."""
        data = self.page.evaluate(
            """async () => {
                const blob = await window.opsin.viewer.capture();
                const bytes = new Uint8Array(await blob.arrayBuffer());
                let text = "";
                for (const byte of bytes) text += String.fromCharCode(byte);
                return btoa(text);
            }"""
        )
        return decode_png(base64.b64decode(data))

    def screenshot(self, path: Path | None = None) -> NDArray[np.uint8]:
        """What a person sees of the whole page."""
        return decode_png(self.page.screenshot(path=path))

    def seen(self, right: Callable[[NDArray[np.uint8]], bool], seconds: float = 10) -> None:
        """Wait for a screenshot that is right: what a worker has drawn is shown a little later."""
        deadline = time.monotonic() + seconds
        while not right(self.screenshot()):
            assert time.monotonic() < deadline, "it was never seen"

    @contextmanager
    def screencast(self) -> Iterator[list[NDArray[np.uint8]]]:
        """Every frame that the browser shows, exactly, as far as it comes after them."""
        session = self.context.new_cdp_session(self.page)
        pictures: list[NDArray[np.uint8]] = []

        def show(frame: dict[str, Any]) -> None:
            pictures.append(decode_png(base64.b64decode(frame["data"])))
            session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

        session.on("Page.screencastFrame", show)
        session.send("Page.startScreencast", {"format": "png"})
        try:
            yield pictures
        finally:
            session.send("Page.stopScreencast")
            session.detach()


def decode_png(data: bytes) -> NDArray[np.uint8]:
    """Pixels of a PNG, without alpha."""
    pixels: NDArray[np.uint8] = imagecodecs.png_decode(data)
    return pixels[..., :3]
