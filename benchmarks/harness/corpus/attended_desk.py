"""Attended desk: a desk of a host whose frames run in a real page, and where nobody answers.

Windows and workers are started by the page of Opsin's app in a headless Chromium; every question
of a plugin goes unanswered, and is told as such.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import uvicorn
from harness.chromium import FLAGS
from harness.corpus.stages import Stages
from playwright.async_api import async_playwright

from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.face import Face, Tell
from opsin.host.imjoy.unattended import Unattended
from opsin.images.synthetic import synthetic_image
from opsin.server import host_service
from opsin.server.app import make_app
from opsin.server.launch import bind, make_token
from opsin.server.session import Session

PROGRAM = "/usr/bin/chromium"
PATIENCE = 60.0
"""Seconds that the page has to come."""


class NobodyThere(Unattended):
    """Starts frames in a page, tells how far they come, and answers nothing."""

    def __init__(self, page: Face, stages: Stages, say: Callable[[str], None]) -> None:
        super().__init__(say)
        self._page = page
        self._stages = stages

    async def start(self, frame: dict[str, Any], api: Any, tell: Tell) -> dict[str, Any]:
        started = await self._page.start(frame, api, tell)
        interface = started.get("interface")
        if isinstance(interface, dict):
            started = {**started, "interface": self._stages.watched(frame["name"], interface)}
        return started

    async def built_in(self, window: dict[str, Any], tell: Tell) -> dict[str, Any]:
        return await self._page.built_in(window, tell)

    async def choose_files(self, about: dict[str, Any], asked: dict[str, Any]) -> None:
        raise self._unanswered(about, str(asked.get("title") or "Choose a file"))


@asynccontextmanager
async def attended_desk(
    stages: Stages, say: Callable[[str], None]
) -> AsyncIterator[Callable[[], Desk]]:
    """What makes a fresh desk; the page and the host behind it run as long as the block."""
    faces: asyncio.Queue[Face] = asyncio.Queue()

    def noted(host: Any, face: Face, **how: Any) -> Desk:
        faces.put_nowait(face)
        return Desk(host, face, **how)

    with tempfile.TemporaryDirectory() as folder, patch.object(host_service, "Desk", noted):
        os.environ["OPSIN_DATA"] = str(Path(folder) / "data")
        async with _serving(faces, stages, say) as make:
            yield make


@asynccontextmanager
async def _serving(
    faces: asyncio.Queue[Face], stages: Stages, say: Callable[[str], None]
) -> AsyncIterator[Callable[[], Desk]]:
    listener: socket.socket = bind(0)
    port, token = listener.getsockname()[1], make_token()
    session = Session([[synthetic_image("checkerboard", size=512)]], 2**28)
    app = make_app(session, token=token, port=port)
    config = uvicorn.Config(app, log_level="error", ws="websockets-sansio", lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with async_playwright() as tools:
            browser = await tools.chromium.launch(executable_path=PROGRAM, args=FLAGS)
            page = await browser.new_page()
            await page.goto(f"http://127.0.0.1:{port}/?token={token}")
            face = await _face(page, faces)
            yield lambda: Desk(session.host, NobodyThere(face, stages, say))
            await browser.close()
    finally:
        server.should_exit = True
        await serving
        listener.close()


async def _face(page: Any, faces: asyncio.Queue[Face]) -> Face:
    """The page's, once its part for plugins is there: it is loaded when somebody wants it."""
    async with asyncio.timeout(PATIENCE):
        await page.get_by_role("button", name="Plugins", exact=True).click()
        return await faces.get()
