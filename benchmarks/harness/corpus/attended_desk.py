"""Attended desk: a desk of a host whose frames run in a real page, and where nobody answers.

Windows and workers are started by the page of Opsin's app in a headless Chromium; every question
of a plugin goes unanswered, and is told as such. A page that a plugin keeps busy for ever, or has
brought down, is left, and another one taken.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
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
ANSWERS_WITHIN = 10.0
"""Seconds in which a page answers that is not kept busy."""
CLOSES_WITHIN = 30.0


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


class Attended:
    """A host, and a page of its app in which the frames of its plugins run."""

    def __init__(
        self,
        session: Session,
        address: str,
        faces: asyncio.Queue[Face],
        stages: Stages,
        say: Callable[[str], None],
    ) -> None:
        self.host = session.host
        self._address = address
        self._faces = faces
        self._stages = stages
        self._say = say
        self._tools: Any = None
        self._browser: Any = None
        self._page: Any = None
        self._face: Face | None = None

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        """A fresh desk, where the page answers. What is loaded there ends with the block."""
        face = await self._answering()
        desk = Desk(self.host, NobodyThere(face, self._stages, self._say))
        try:
            yield desk
        finally:
            try:
                async with asyncio.timeout(CLOSES_WITHIN):
                    await desk.close()
            except TimeoutError:
                self.leave()

    def leave(self) -> None:
        """Take another page for what comes: frames that never end may hold up all others."""
        self._face = None

    async def close(self) -> None:
        """End the browser."""
        with suppress(Exception):
            async with asyncio.timeout(CLOSES_WITHIN):
                await self._browser.close()
        with suppress(Exception):
            async with asyncio.timeout(CLOSES_WITHIN):
                await self._tools.stop()

    async def _answering(self) -> Face:
        if self._face is not None:
            try:
                async with asyncio.timeout(ANSWERS_WITHIN):
                    await self._page.evaluate("new Promise((done) => setTimeout(done, 0))")
                return self._face
            except Exception:  # it is busy, or has crashed
                self._say("The page does not answer any more: another one is taken.")
        for last in (False, False, True):
            await self.close()
            try:
                async with asyncio.timeout(PATIENCE):
                    self._face = await self._opened()
                return self._face
            except Exception as error:
                if last:
                    raise
                self._say(f"There is no page ({type(error).__name__}): another one is taken.")
        raise AssertionError

    async def _opened(self) -> Face:
        while not self._faces.empty():  # of pages that came too late
            self._faces.get_nowait()
        self._tools = await async_playwright().start()
        self._browser = await self._tools.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        self._page = await self._browser.new_page()
        await self._page.goto(self._address)
        # Its part for plugins is loaded when somebody wants it.
        await self._page.get_by_role("button", name="Plugins", exact=True).click()
        return await self._faces.get()


@asynccontextmanager
async def attended(stages: Stages, say: Callable[[str], None]) -> AsyncIterator[Attended]:
    """A host and its page, as long as the block."""
    faces: asyncio.Queue[Face] = asyncio.Queue()

    def noted(host: Any, face: Face, **how: Any) -> Desk:
        faces.put_nowait(face)
        return Desk(host, face, **how)

    with tempfile.TemporaryDirectory() as folder, patch.object(host_service, "Desk", noted):
        os.environ["OPSIN_DATA"] = str(Path(folder) / "data")
        listener: socket.socket = bind(0)
        port, token = listener.getsockname()[1], make_token()
        session = Session([[synthetic_image("checkerboard", size=512)]], 2**28)
        app = make_app(session, token=token, port=port)
        config = uvicorn.Config(app, log_level="error", ws="websockets-sansio", lifespan="on")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        address = f"http://127.0.0.1:{port}/?token={token}"
        while not (server.started or serving.done()):  # noqa: ASYNC110 # it tells nobody
            await asyncio.sleep(0.05)
        found = Attended(session, address, faces, stages, say)
        try:
            yield found
        finally:
            await found.close()
            server.should_exit = True
            await serving
            listener.close()
