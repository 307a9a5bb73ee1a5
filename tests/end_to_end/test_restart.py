"""The server is killed and started anew under an open page."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

from tests.end_to_end.app import App
from tests.ports import free_port
from tests.server.running import Running, opsin_serve, opsin_view

DATA = Path(__file__).parents[1] / "data"
IMAGES = [DATA / "nuclei/test/images/000.png", DATA / "volume/img3d.tif"]
TOKEN = {"OPSIN_TOKEN": "a-token-that-outlives-a-server"}


def kill(server: Running) -> None:
    """As when the computer is short of memory: no goodbye."""
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(10)


def forgive(app: App) -> None:
    """Forget that the page could not reach a server that was not there."""
    away = ("ERR_", "WebSocket")
    app.errors[:] = [error for error in app.errors if not any(word in error for word in away)]


def test_the_page_comes_back_to_the_same_view(app: App) -> None:
    port = str(free_port())
    app.page.set_viewport_size({"width": 700, "height": 500})
    with opsin_view(IMAGES, "--port", port, environment=TOKEN) as server:
        app.open(server)
        flat, stack = (layer["id"] for layer in app.scene["layers"])
        app.set_layer(flat, contrast=[10, 90], colormap="magma", opacity=0.8)
        app.set_layer(stack, gamma=0.7, blending="additive")
        app.look(center=[50.3, 60.6], zoom=3.5, position={"z": 20})
        before, camera = app.capture(), app.camera
        assert len(np.unique(before.reshape(-1, 3), axis=0)) > 100, "both are seen"
        kill(server)
        app.page.get_by_text("Connection lost. What is loaded stays").wait_for(timeout=20_000)
        np.testing.assert_array_equal(app.capture(), before, "what was drawn stays")
    with opsin_view(IMAGES, "--port", port, environment=TOKEN) as again:
        assert again.port == server.port
        app.page.get_by_text("Connected", exact=True).wait_for(timeout=20_000)
        app.ready()
        assert app.camera == camera
        assert app.page.evaluate("window.opsin.viewer.layer(0).colormap") == "magma"
        np.testing.assert_array_equal(app.capture(), before)
        # It is alive: what was never loaded before comes from the new server.
        app.look(position={"z": 3})
        assert not np.array_equal(app.capture(), before)
        app.look(position={"z": 20})
        np.testing.assert_array_equal(app.capture(), before)
    forgive(app)


def test_what_the_address_opens_comes_back_too(app: App) -> None:
    port = str(free_port())
    app.page.set_viewport_size({"width": 500, "height": 400})
    root = ("--root", DATA, "--port", port)
    names = "&open=data/nuclei/test/images/000.png&open=data/volume/img3d.tif"
    with opsin_serve([], *root, environment=TOKEN) as server:
        app.visit(server.address + names)
        app.until("window.opsin?.viewer?.scene?.layers.length === 2")
        app.ready()
        flat, stack = (layer["id"] for layer in app.scene["layers"])
        app.set_layer(flat, contrast=[10, 90], colormap="magma", opacity=0.8)
        app.set_layer(stack, gamma=0.7, blending="additive")
        app.look(center=[50.3, 60.6], zoom=3.5, position={"z": 20})
        before, camera = app.capture(), app.camera
        assert len(np.unique(before.reshape(-1, 3), axis=0)) > 100, "both are seen"
        kill(server)
        app.page.get_by_text("Connection lost. What is loaded stays").wait_for(timeout=20_000)
    with opsin_serve([], *root, environment=TOKEN):
        app.page.get_by_text("Connected", exact=True).wait_for(timeout=20_000)
        app.until("window.opsin.viewer.scene.layers.length === 2")
        app.ready()
        assert app.camera == camera
        np.testing.assert_array_equal(app.capture(), before)
    forgive(app)


def test_a_page_whose_token_has_expired_says_so(app: App) -> None:
    port = str(free_port())
    with opsin_view(IMAGES, "--port", port) as server:
        app.open(server)
        kill(server)
    with opsin_view(IMAGES, "--port", port):
        app.page.get_by_text("expired").first.wait_for(timeout=20_000)
    forgive(app)
    app.errors[:] = [error for error in app.errors if "401" not in error]
