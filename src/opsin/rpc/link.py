"""Link: moves frames between a session and a transport. One task reads, and one writes."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, runtime_checkable

from opsin.errors import ConnectionLost, ProtocolError
from opsin.rpc.frames import Frame, Transport
from opsin.rpc.session import Event, Session
from opsin.rpc.values import close_descriptors

HELLO_PATIENCE = 30.0
"""Seconds in which the hello of the other side has to come."""
BYE_PATIENCE = 1.0
"""Seconds in which a bye has to go out."""
DESCRIPTOR_TRIALS, DESCRIPTOR_PAUSE = 200, 0.01
"""How often, and after how many seconds, a frame is sent again whose descriptors had no room."""
SILENT_BEATS = 3
"""Pings without an answer after which a link is lost."""
FRAMES_IN_A_ROW = 64
"""Frames read before others in the event loop have their turn."""


@runtime_checkable
class DirectSend(Protocol):
    """A transport that sends at once what needs no waiting: it spares a turn of the event loop."""

    def send_now(self, frame: Frame) -> bool:
        """Hand a frame over; False: `send` has to be awaited. Only while no `send` is under way.

        Raises:
            ConnectionLost: the other side is gone.
        """


@runtime_checkable
class DirectReceive(Protocol):
    """A transport that says at once what has come: it spares another turn."""

    def listen(self, ready: Callable[[], bool]) -> None:
        """Call `ready` whenever something has come; it says whether it has taken all of it.

        If it has not, a waiting `receive` is woken.
        """

    def receive_now(self) -> Frame | None:
        """The next frame if it is here.

        Raises:
            ProtocolError: what came is not a frame.
        """


class Link:
    """Keeps a session and its transport, which it owns, in touch.

    Args:
        take: gets everything that happens.
        lost: called when the link cannot go on, with the reason and, where the other side can
            still be told, a last word to it. May be called more than once.
        heartbeat: seconds between two pings; None: none.
    """

    def __init__(
        self,
        session: Session,
        transport: Transport,
        take: Callable[[Event], None],
        lost: Callable[[ConnectionLost, str | None], None],
        heartbeat: float | None = None,
    ) -> None:
        self._session = session
        self._transport = transport
        self._sends = transport if isinstance(transport, DirectSend) else None
        self._receives = transport if isinstance(transport, DirectReceive) else None
        self._take_event = take
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._unsent: Frame | None = None  # taken from the session, but not sent yet
        self._idle: asyncio.Future[None] | None = None
        self._has_heard = False  # since the last ping
        self._hello_due = self._loop.call_later(HELLO_PATIENCE, self._check_greeted)
        self._writing = self._loop.create_task(self._write())
        self._tasks = [self._writing, self._loop.create_task(self._read())]
        if heartbeat is not None:
            self._tasks.append(self._loop.create_task(self._beat(heartbeat)))
        if self._receives is not None:
            self._receives.listen(self._take_what_is_here)

    def wake(self) -> None:
        """There is something to send: do it, or let the writing task do it."""
        if self._idle is None or self._idle.done():
            return  # it is at work
        if self._sends is not None and not self._session.is_over:
            self._unsent = self._session.next_frame()
            try:
                while self._unsent is not None and not self._unsent.payload:
                    if not self._sends.send_now(self._unsent):
                        break
                    self._unsent = self._session.next_frame()
            except (ConnectionLost, OSError):
                pass  # the writing task will find out
            if self._unsent is None:
                return
        self._idle.set_result(None)

    def greeted(self) -> None:
        """The hello has come: without a timer, every turn of the loop costs less."""
        self._hello_due.cancel()

    async def close(self) -> None:
        """Send what a session that is over has to say, and close the transport. Idempotent."""
        self._hello_due.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._writing), BYE_PATIENCE)
        await self._transport.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------ writing

    async def _write(self) -> None:
        """The only task that sends."""
        try:
            while True:
                frame, self._unsent = self._unsent or self._session.next_frame(), None
                if frame is not None:
                    await self._send(frame)
                elif self._session.is_over:
                    return
                else:
                    self._idle = self._loop.create_future()
                    await self._idle
        except (ConnectionLost, OSError) as error:
            self._lost(ConnectionLost(f"The other side of the link is gone: {error}"), None)
        except Exception as error:
            self._fail(error)
        finally:
            await self._transport.close()

    async def _send(self, frame: Frame) -> None:
        """Send, and wait while too many descriptors of this user are on their way."""
        for _ in range(DESCRIPTOR_TRIALS):
            try:
                return await self._transport.send(frame)
            except OSError as error:
                if not frame.descriptors or error.errno != errno.ETOOMANYREFS:
                    raise
                await asyncio.sleep(DESCRIPTOR_PAUSE)
        await self._transport.send(frame)

    # ------------------------------------------------------------------ reading

    async def _read(self) -> None:
        """The only task that receives."""
        count = 0
        try:
            while not self._session.is_over:
                self._take(await self._transport.receive())
                self.wake()
                count += 1
                if count % FRAMES_IN_A_ROW == 0:
                    await asyncio.sleep(0)
        except Exception as error:
            self._fail(error)

    def _take_what_is_here(self) -> bool:
        """What the reading task would do, at once. If it takes too long, that goes on with it."""
        assert self._receives is not None
        try:
            for _ in range(FRAMES_IN_A_ROW):
                if self._session.is_over:
                    return False
                if (frame := self._receives.receive_now()) is None:
                    return True
                self._take(frame)
        except Exception as error:
            self._fail(error)
        finally:
            self.wake()
        return False

    def _take(self, frame: Frame) -> None:
        self._has_heard = True
        try:
            events = self._session.receive(frame)
        except BaseException:
            close_descriptors(frame.descriptors)
            raise
        for event in events:
            self._take_event(event)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, EOFError):
            self._lost(ConnectionLost("The other side of the link is gone."), None)
        elif isinstance(error, ProtocolError):
            reason = ConnectionLost(f"The other side broke the protocol: {error}")
            self._lost(reason, str(error))
        else:
            self._lost(ConnectionLost(f"The link failed on this side: {error!r}."), "It failed.")
            context = {"message": "A link has failed.", "exception": error}
            self._loop.call_exception_handler(context)

    # ------------------------------------------------------------------ silence

    def _check_greeted(self) -> None:
        if not self._session.is_open:
            reason = ConnectionLost("The other side of the link said no hello.")
            self._lost(reason, "No hello came.")

    async def _beat(self, heartbeat: float) -> None:
        n = silent = 0
        while not self._session.is_over:
            await asyncio.sleep(heartbeat)
            silent = 0 if self._has_heard else silent + 1
            self._has_heard = False
            if silent >= SILENT_BEATS:
                self._lost(ConnectionLost("The other side of the link does not answer."), None)
                await self._transport.close()
                return
            n += 1
            self._session.ping(n)
            self.wake()
