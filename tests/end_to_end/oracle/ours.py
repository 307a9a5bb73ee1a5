"""Ours: what a case does in Opsin: its server, its page in a browser, its desk, and a record."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame, Route

from opsin.host.agreements import Agreements
from opsin.host.imjoy.api import PluginApi, plain
from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.window import CONTROLS
from opsin.host.permissions import Allowed
from opsin.host.registry import Registered
from opsin.server import host_service
from tests.end_to_end.app import App
from tests.end_to_end.oracle.cases import Case, Step
from tests.end_to_end.oracle.described import described, made
from tests.end_to_end.oracle.recording_face import RecordingFace
from tests.end_to_end.oracle.registry import Registry, kind_of
from tests.end_to_end.oracle.seen import seen
from tests.server.serving import TOKEN, Serving

PATIENCE = 120.0
OF_WINDOWS = (*CONTROLS, "on", "off", "emit", "close")
"""What imjoy-core answers without asking what can be recorded."""


class Ours:
    """Opsin in a tab, with its server in a thread of this process.

    Args:
        patch: lasts as long as this.
        site: where what the cases name by address is served.
    """

    def __init__(
        self, browser: Browser, server: Serving, patch: pytest.MonkeyPatch, site: str
    ) -> None:
        self._site = site
        self._desk: Desk | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._face: RecordingFace | None = None
        self._network = False
        self._patch(patch)
        self._context = browser.new_context(viewport={"width": 1200, "height": 800})
        # What a page of somebody else fetches.
        self._registry = Registry()
        self._context.route(re.compile(r"^https://"), self._answer)
        self.app = App(self._context)
        self.app.visit(f"{server.origin}/?token={TOKEN}")
        deadline = time.monotonic() + PATIENCE
        while self._desk is None:
            assert time.monotonic() < deadline, "the page did not ask for a desk"
            self.app.page.wait_for_timeout(20)

    def play(self, case: Case) -> list[dict[str, Any]]:
        """The record of a case."""
        self.face.begin(case.answers)
        self._network = case.network
        for step in case.steps(self._site):
            if step.name == "windows":
                self.face.events.append({"step": step.label, "gives": self._windows()})
            else:
                self._await(self._step(step))
        record = self.face.events
        self._await(self._end())
        return record

    def close(self) -> None:
        """End it."""
        self._context.close()

    @property
    def desk(self) -> Desk:
        """That of the page."""
        assert self._desk is not None
        return self._desk

    @property
    def face(self) -> RecordingFace:
        """What answers for the page."""
        assert self._face is not None
        return self._face

    def _patch(self, patch: pytest.MonkeyPatch) -> None:
        """Every call of a plugin is noted, whoever answers it."""
        ours, call = self, PluginApi.call

        def desk(host: Any, face: Any, **more: Any) -> Desk:
            ours._face = RecordingFace(face)
            ours._loop = asyncio.get_running_loop()
            ours._desk = Desk(host, ours._face, **more)
            return ours._desk

        async def recorded(api: PluginApi, name: str, args: list[Any]) -> Any:
            if name in OF_WINDOWS:
                return await call(api, name, args)
            plugin = api._window.name if api._window is not None else api._loaded.name
            event = {"plugin": plugin, "call": name, "args": described(plain(args))}
            return await ours._noted(event, call(api, name, args))

        allowed = Agreements.allowed

        def with_network(agreements: Agreements, plugin: Registered) -> Allowed:
            """As if the user had allowed it."""
            return replace(allowed(agreements, plugin), network=ours._network)

        patch.setattr(Agreements, "allowed", with_network)
        patch.setattr(host_service, "Desk", desk)
        patch.setattr(PluginApi, "call", recorded)

    async def _noted(self, event: dict[str, Any], work: Coroutine[Any, Any, Any]) -> Any:
        self.face.events.append(event)
        try:
            given = await work
        except Exception as error:
            event["fails"] = str(error)
            raise
        event["gives"] = described(given)
        return given

    async def _step(self, step: Step) -> None:
        work = getattr(self, f"_{step.name}")(*made(step.args))
        if step.name in ("wait", "stop"):
            await work
            return
        try:
            await self._noted({"step": step.label}, work)
        except Exception:
            return

    async def _load(self, text: str, tag: str | None = None) -> Any:
        loaded = await self.desk.load(text, tag or "")
        if loaded.file.kind == "collection":
            return None
        return await self.desk.plugin_api({"name": loaded.name})

    async def _call(self, plugin: str, name: str, *args: Any) -> Any:
        return await self.desk.call(plugin, name, *args)

    async def _click(self, plugin: str, config: Any = None, data: Any = None) -> None:
        loaded = self.desk.named(plugin)
        assert loaded is not None
        await self.desk.run(str(loaded.registered.path), {"config": config, "data": data})

    async def _get(self, query: Any) -> Any:
        return await self.desk.plugin_api(query)

    async def _services(self, query: Any) -> Any:
        return self.desk.services.find(query)

    async def _stop(self, plugin: str) -> None:
        loaded = self.desk.named(plugin)
        if loaded is not None:
            await self.desk.stop(loaded.id)

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _close(self, name: str) -> None:
        window = self.desk.window({"name": name})
        assert window is not None
        await window.close()

    async def _end(self) -> None:
        desk = self.desk
        for window in list(desk._windows._windows.values()):
            window._listeners.clear()
        for id in list(desk._loaded):
            await desk.stop(id)

    def _windows(self) -> list[dict[str, Any]]:
        windows = list(self.desk._windows._windows.values())
        return [
            {"name": window.name, **seen(self._frame(str(window.config["id"])))}
            for window in windows
        ]

    def _frame(self, name: str) -> Frame:
        """Where the page of a window is; a plugin can have answered before the browser tells."""
        deadline = time.monotonic() + PATIENCE
        while True:
            frame = self.app.page.frame(name=name)
            inner = frame
            if frame is not None and "/outside.html" in frame.url:  # a page of others lies in it
                inner = next(iter(frame.child_frames), None)
            if inner is not None and inner.url.startswith("http"):
                return inner
            assert time.monotonic() < deadline, "a window shows no page"
            self.app.page.wait_for_timeout(20)

    def _answer(self, route: Route) -> None:
        path = self._registry.file(route.request.url)
        if path is None:
            route.abort()
            return
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": kind_of(path)}
        route.fulfill(path=path, headers=headers)

    def _await(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run it where the server runs; the browser goes on meanwhile."""
        assert self._loop is not None
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        deadline = time.monotonic() + PATIENCE
        while not future.done():
            assert time.monotonic() < deadline, "a step took too long"
            self.app.page.wait_for_timeout(5)
        future.result()
