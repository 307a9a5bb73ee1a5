"""Forkserver, as the host sees it: a process of one environment and sandbox that forks workers.

See `opsin.forkserver` for what runs in it, and for what is said over the socket.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

from opsin.errors import WorkerLost
from opsin.forkserver import FOLDER
from opsin.workers.environment import Environment
from opsin.workers.isolation.bubblewrap import SIGNALLED
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.running import Spawned, exit_reason, is_gone, spawned

START_LIMIT = 120.0
"""Seconds in which it has to be ready, and later to have forked a worker."""
END_PATIENCE = 2.0
"""Seconds that its end is waited for."""
KEPT, KEPT_LINES = 2**14, 20
"""Bytes of output, and lines of them, that explain why it did not start."""
LONGEST = 256
SENDER = struct.Struct("3i")
"""What the kernel says of who sent a message: process, user and group."""


class Forked:
    """A worker that a forkserver has forked. See `Running`."""

    def __init__(self, server: Forkserver, number: int) -> None:
        self.launched = server.launched
        self.stdout = asyncio.StreamReader()
        self.returncode: int | None = None
        self.pid = 0
        """0 as long as it is not there."""
        self.told = asyncio.Event()
        """Whether it is there, or never will be."""
        self.why = ""
        """It never will, for this reason."""
        self._server = server
        self._number = number
        self._ended = asyncio.Event()
        self._pipe: asyncio.BaseTransport | None = None

    @property
    def folder(self) -> Path | None:
        """Where it writes, if it has no file system of its own."""
        folder = self.launched.folder
        return None if folder is None else folder.path / FOLDER.format(self._number)

    async def wait(self) -> int | None:
        """See `Running`."""
        await self._ended.wait()
        return self.returncode

    async def close(self) -> None:
        """See `Running`."""
        if self._pipe is not None:
            self._pipe.close()

    async def listen(self, reading: int) -> None:
        """Take what it prints from the end of a pipe."""
        self._pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self.stdout), os.fdopen(reading, "rb", 0)
        )

    def end(self, status: int) -> None:
        """It has ended."""
        if not self._ended.is_set():
            self.returncode = status
            self._ended.set()
            self.told.set()


class Forkserver:
    """A process that forks workers. It ends with the host, and its workers with it."""

    def __init__(self, process: Spawned, control: socket.socket) -> None:
        self.launched = process.launched
        self._process = process
        self._control = control
        self._pid = process.pid
        self._said = b""
        self._ready = asyncio.Event()
        self._over = False
        self._workers: dict[int, Forked] = {}
        self.idle_since = time.monotonic()
        self._number = 0
        self._draining = asyncio.create_task(self._drain())
        asyncio.get_running_loop().add_reader(control, self._hear)

    @classmethod
    async def start(
        cls, environment: Environment, folder: Path, sandbox: Sandbox | None
    ) -> Forkserver:
        """See `spawned`.

        Raises:
            WorkerLost: it cannot be started, or ended, or said nothing, before it was ready.
            UsageError: a level of isolation is asked for that cannot be had.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            ours.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            with theirs:
                process = await spawned(environment, folder, sandbox, "forkserver", theirs.fileno())
        except BaseException:
            ours.close()
            raise
        made = cls(process, ours)
        try:
            async with asyncio.timeout(START_LIMIT):
                await made._ready.wait()
            if made._over:
                raise WorkerLost(await made._why_it_did_not_start())
        except TimeoutError:
            await made.close()
            raise WorkerLost(f"The worker did not start: {exit_reason(None)}.") from None
        except BaseException:
            await made.close()
            raise
        return made

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._pid

    @property
    def is_alive(self) -> bool:
        """It can fork."""
        return not self._over

    @property
    def is_idle(self) -> bool:
        """None of its workers is left."""
        return not self._workers

    async def fork(self, link: socket.socket) -> Forked:
        """A new worker, whose end of the link that is.

        Raises:
            WorkerLost: there is none.
        """
        self._number += 1
        number = self._number
        worker = Forked(self, number)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        self._workers[number] = worker
        try:
            await worker.listen(reading)
            if self._over:
                raise WorkerLost("The worker did not start: its forkserver has ended.")
            socket.send_fds(self._control, [b"%d" % number], [link.fileno(), writing])
        except BaseException as error:
            self._workers.pop(number, None)
            await worker.close()
            if not isinstance(error, OSError):
                raise
            raise WorkerLost(f"The worker did not start: {error.strerror}.") from error
        finally:
            os.close(writing)
        try:
            async with asyncio.timeout(START_LIMIT):
                await worker.told.wait()
        except TimeoutError:
            worker.why = exit_reason(None)
        except BaseException:
            await worker.close()
            raise
        if worker.pid == 0:
            await worker.close()
            raise WorkerLost(f"The worker did not start: {worker.why or 'its forkserver ended'}.")
        return worker

    async def close(self) -> None:
        """End it and all of its workers. Idempotent."""
        self._hang_up()
        ended = asyncio.ensure_future(self._process.wait())
        await asyncio.wait([ended], timeout=END_PATIENCE)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await asyncio.wait([ended], timeout=END_PATIENCE)
        if self.launched.wrapped:  # what wraps it ends a moment before
            with suppress(TimeoutError):
                async with asyncio.timeout(END_PATIENCE):
                    while not is_gone(self._pid):  # noqa: ASYNC110 # nothing tells
                        await asyncio.sleep(0.002)
        self._draining.cancel()
        await asyncio.gather(self._draining, return_exceptions=True)
        await self._process.close()

    def _hear(self) -> None:
        """Something was said over the socket, or it is closed."""
        try:
            message, about, _, _ = self._control.recvmsg(LONGEST, socket.CMSG_SPACE(SENDER.size))
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._hang_up()
            return
        word, _, rest = message.decode().partition(" ")
        number, _, rest = rest.partition(" ")
        sender = next((SENDER.unpack(data)[0] for _, _, data in about), 0)
        if word == "ready":
            self._pid = sender
            self.idle_since = time.monotonic()
            self._ready.set()
        elif worker := self._workers.get(int(number)):
            if word == "here":
                worker.pid = sender
                worker.told.set()
                return
            del self._workers[int(number)]
            self.idle_since = time.monotonic()
            if word == "failed":
                worker.why = rest
            worker.end(int(rest) if word == "ended" else 1)

    def _hang_up(self) -> None:
        if self._over:
            return
        self._over = True
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        self._ready.set()
        for worker in self._workers.values():
            worker.end(-signal.SIGKILL)  # as the kernel does when their parent ends
        self._workers.clear()

    async def _drain(self) -> None:
        while data := await self._process.stdout.read(KEPT):
            self._said = (self._said + data)[-KEPT:]

    async def _why_it_did_not_start(self) -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(END_PATIENCE):
                await self._process.wait()
                await asyncio.shield(self._draining)
        status = self._process.returncode
        if self.launched.wrapped and status is not None and status > SIGNALLED:
            status = SIGNALLED - status
        said = "\n".join(self._said.decode(errors="replace").splitlines()[-KEPT_LINES:])
        return f"The worker did not start: {exit_reason(status)}.\n{said}".rstrip()
