"""Stream: runs one view over one socket. The only place where `View` meets waiting and bytes."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from opsin.chunks.brick import ChunkKey
from opsin.chunks.loader import Loader
from opsin.chunks.policy import EXPLORE, Policy
from opsin.errors import BudgetExceeded, OpsinError
from opsin.views.messages import (
    Failed,
    NoticeMessage,
    RequestInfo,
    Requests,
    Retry,
    Stats,
    Watch,
    WireBrick,
    decode_message,
    encode_frame,
    plain_text,
    wire_key,
)
from opsin.views.planners import planners_of
from opsin.views.points_messages import Pick
from opsin.views.points_picks import PointsPicks
from opsin.views.scene import Scene
from opsin.views.view import View

STATS_INTERVAL = 0.1
"""Seconds between two stats, at least; a view that has just settled does not wait."""
SCENE_INTERVAL = 0.25
"""Seconds between two scenes, at least: many layers that open one by one come together."""
PATIENCE = 3.0
"""Seconds that a canvas may owe an ack before what it wants stops taking memory from others."""

REQUESTS = 500
"""Of the loader that a message tells, at most: the latest."""

Send = Callable[[bytes], Awaitable[None]]
Receive = Callable[[], Awaitable[bytes]]


class Stream:
    """One canvas's view of a scene, over a socket that is handed in as two functions.

    `receive` returns the next frame and raises `EOFError` at the end; `send` waits until the
    socket has taken the frame.
    """

    def __init__(
        self,
        loader: Loader,
        scene: Scene,
        send: Send,
        receive: Receive,
        policy: Policy = EXPLORE,
    ) -> None:
        self._loader = loader
        self._scene = scene
        self._send = send
        self._receive = receive
        self._view = View(planners_of(scene), policy)
        self._client = loader.client(self._chunk_changed)
        self._wake = asyncio.Event()
        self._picks = PointsPicks(loader, scene.points, scene.number_of_points, self._wake.set)
        self._replan = False
        self._scene_sent = -1
        self._scene_at = -math.inf
        self._heard = time.monotonic()
        self._silent = False
        self._notices_sent = 0
        self._failures: list[WireBrick] = []
        self._plan_ms = 0.0
        self._stats_at = 0.0
        self._told_settled = -2
        self._stats_due = False
        self._noted: int | None = None
        """How much of the loader's journal was sent; None: nobody asked for it."""
        self._from_memory: dict[WireBrick, bool] = {}

    async def run(self) -> None:
        """Serve the canvas until its socket ends.

        Raises:
            ProtocolError: the canvas sent something malformed.
        """
        forget = self._scene.listen(self._wake.set)
        writing = asyncio.create_task(self._write())
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            forget()
            self._client.close()
            self._picks.close()
            for task in (reading, writing):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait((reading, writing))
        for task in (reading, writing):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _read(self) -> None:
        while True:
            try:
                frame = await self._receive()
            except EOFError:
                return
            message = decode_message(frame)
            if message is None:
                continue
            self._heard = time.monotonic()
            if self._view.receive(message, self._heard) or self._silent:
                self._replan = True
            self._silent = False
            if isinstance(message, Retry):
                self._loader.retry()
            held = self._view.held
            if isinstance(message, Pick) and 0 <= message.index < held.get(message.brick, 0):
                self._picks.ask(message)
            if isinstance(message, Watch):
                self._noted = 0 if message.requests else None
                self._stats_due = True
            self._wake.set()

    def _chunk_changed(self, key: ChunkKey) -> None:
        bricks = self._view.chunk_changed(key)
        if (error := self._loader.failure(key)) is not None:
            for brick in bricks:
                self._view.fail(brick, plain_text(str(error)))
                self._failures.append(brick)
        self._stats_due = True
        self._wake.set()

    async def _write(self) -> None:
        """The only place that sends."""
        while True:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes with the news.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            self._wake.clear()
            if not self._view.greeted or self._is_silent():
                continue
            await self._send_news()
            if self._view.rest(time.monotonic()):
                self._replan = True
            if self._replan:
                self._plan()
            for message in self._view.news():
                await self._send(encode_frame(message))
            if (answer := self._picks.answer()) is not None:
                await self._send(encode_frame(answer))
            failures, self._failures = self._failures, []
            for brick in failures:
                reason = self._view.failed.get(brick)
                if reason is not None:
                    await self._send(encode_frame(Failed(wire_key(brick), reason)))
            if await self._send_bricks() or failures:
                self._stats_due = True
                if not self._replan:
                    self._client.want(self._view.chunk_wants())
            await self._send_stats()

    def _plan(self) -> None:
        self._replan = False
        started = time.perf_counter()
        pace = self._loader.pace(self._scene.images.values())
        self._view.replan(lambda key: key in self._loader.cache, pace)
        self._plan_ms = (time.perf_counter() - started) * 1000
        before = self._from_memory
        self._from_memory = {
            brick: before.get(brick, complete) for brick, complete in self._view.pending()
        }
        for brick in self._from_memory:
            self._fail_if_hopeless(brick)
        self._client.want(self._view.chunk_wants())
        self._stats_due = True

    def _pause(self) -> float | None:
        """How long to sleep if nothing happens."""
        rests = max(0.0, self._view.rests_at - time.monotonic())
        if self._scene_sent != self._scene.revision:
            return min(rests, SCENE_INTERVAL)
        if self._stats_due:
            return min(rests, STATS_INTERVAL)
        if self._view.outstanding and not self._silent:
            return min(rests, PATIENCE)
        return rests if rests < math.inf else None

    def _is_silent(self) -> bool:
        """Whether the canvas has stopped taking bricks (a hidden tab, a frozen page).

        Then it wants nothing until it is heard of again, so that its wants take no memory.
        """
        late = time.monotonic() - self._heard > PATIENCE
        if self._view.outstanding and late and not self._silent:
            self._silent = True
            self._client.want(())
        return self._silent

    async def _send_news(self) -> None:
        """Send the scene if its layers changed, else the notices that have come up since."""
        scene, told = self._scene, self._notices_sent
        if self._scene_sent != scene.revision:
            if time.monotonic() - self._scene_at < SCENE_INTERVAL:
                return
            self._scene_sent, self._scene_at = scene.revision, time.monotonic()
            self._notices_sent = len(scene.notices)
            self._view.scene_changed()
            self._replan = True
            await self._send(encode_frame(scene.message(told)))
            return
        self._notices_sent = len(scene.notices)
        for notice in scene.notices[told:]:
            await self._send(encode_frame(NoticeMessage(notice.severity, notice.text)))

    def _fail_if_hopeless(self, brick: WireBrick) -> None:
        """Fail a brick if a chunk of it has failed, or if its chunks do not fit the budget."""
        keys = tuple(self._view.chunks(brick))
        failures = (self._loader.failure(key) for key in keys)
        error: OpsinError | None = next((failure for failure in failures if failure), None)
        if error is None:
            try:
                self._loader.room_for(keys)
            except BudgetExceeded as too_large:
                error = too_large
        if error is not None:
            self._view.fail(brick, plain_text(str(error)))
            self._failures.append(brick)
            self._wake.set()

    async def _send_bricks(self) -> bool:
        """Send what is complete, as far as credit goes; True if anything was sent."""
        any_sent = False
        while not self._replan and (brick := self._view.next_brick()) is not None:
            frame_and_size = self._frame(brick)
            if frame_and_size is None:
                continue
            frame, size = frame_and_size
            self._view.sent(brick, size)
            any_sent = True
            await self._send(frame)
        return any_sent

    def _frame(self, brick: WireBrick) -> tuple[bytes, int] | None:
        """The frame of a brick; None if a part of it was let go of since it was complete."""
        chunks = {key: self._loader.get(key) for key in self._view.chunks(brick)}
        here = {key: chunk for key, chunk in chunks.items() if chunk is not None}
        if len(here) < len(chunks):
            self._view.unready(brick, chunks.keys() - here.keys())
            self._fail_if_hopeless(brick)
            self._client.want(self._view.chunk_wants())
            return None
        header, payload = self._view.message(brick, here, self._from_memory.pop(brick, False))
        return encode_frame(header, payload), header.bytes

    async def _send_stats(self) -> None:
        now = time.monotonic()
        settled = self._view.settled and not self._replan
        news = settled and self._told_settled != self._view.generation
        if not news and not (self._stats_due and now - self._stats_at >= STATS_INTERVAL):
            return
        self._stats_at = now
        self._stats_due = False
        self._told_settled = self._view.generation if settled else -2
        wanted, held, failed = self._view.counts
        cache = self._loader.cache
        stats: Any = Stats(
            generation=self._view.generation,
            settled=settled,
            wanted=wanted,
            held=held,
            failed=failed,
            targets={str(number): level for number, level in self._view.targets.items()},
            bytes_read=self._loader.bytes_read,
            cache_bytes=cache.used,
            cache_budget=cache.budget,
            in_flight=self._loader.in_flight,
            plan_ms=round(self._plan_ms, 3),
            loaded_bytes=cache.committed,
            wasted_bytes=cache.wasted,
        )
        await self._send(encode_frame(stats))
        await self._send_requests()

    async def _send_requests(self) -> None:
        journal = self._loader.journal
        if self._noted is None or self._noted == journal.count:
            return
        entries, self._noted = journal.since(self._noted), journal.count
        layers = self._scene.layers_by_image()
        now = asyncio.get_running_loop().time()
        described = tuple(
            RequestInfo(
                layer=layers.get(entry.key.image),
                level=entry.key.level,
                grid=entry.key.grid,
                ago=round((now - entry.began) * 1000, 1),
                took=round((entry.ended - entry.began) * 1000, 1),
                bytes=entry.bytes,
                provenance=entry.provenance,
                end=entry.end,
            )
            for entry in entries[-REQUESTS:]
        )
        await self._send(encode_frame(Requests(described)))
