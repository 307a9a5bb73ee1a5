"""Process: a worker, as the host sees it: started, called over a link, stopped, its end explained.

worker = await WorkerProcess.start(environment, folder)
answer = await worker.run(call)
await worker.stop()
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from opsin.errors import ConnectionLost, WorkerLost
from opsin.rpc.peer import Peer
from opsin.rpc.progress import Listener, progress_to
from opsin.rpc.shared_arrays import SharedArrays, available
from opsin.rpc.transports.unix_stream import UnixTransport
from opsin.worker_main import Answer, Call
from opsin.workers.environment import CURRENT, Environment
from opsin.workers.package import worker_package

START_LIMIT = 120.0
"""Seconds in which a worker has to say hello."""
TERMINATE_AFTER, KILL_AFTER = 2.0, 5.0
"""Seconds after a cancel at which a plugin that goes on gets SIGTERM, and SIGKILL."""
END_PATIENCE = 2.0
"""Seconds that the end of a process is waited for after its link was lost."""
KEPT_LINES = 20
"""Lines of output that explain why a worker ended."""
LONGEST_LINE = 2000

_START = "from opsin.worker_main import main; main({}, {})"
_START_APART = "import sys; sys.path.insert(0, {!r}); " + _START
_OURS = ("OPSIN_TOKEN",)
_PYTHONS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")

Output = Callable[[str], None]


class WorkerProcess:
    """A process that runs the operations of one plugin. It ends with the host, however that ends.

    Attributes:
        output: gets every line that the plugin prints; may be exchanged at any time.
    """

    def __init__(self, process: asyncio.subprocess.Process, peer: Peer, output: Output) -> None:
        self.output = output
        self._process = process
        self._peer = peer
        self._root: Any = None
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls, environment: Environment, folder: Path, output: Output = lambda line: None
    ) -> WorkerProcess:
        """A new worker in an environment.

        Args:
            folder: where the modules are kept that a worker needs, if the environment has none.
            output: the first `output`.

        Raises:
            WorkerLost: it ended, or said nothing, before it could be called.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await _spawn(environment, folder, theirs.fileno())
            transport = UnixTransport(ours)
        except OSError as error:
            ours.close()
            raise WorkerLost(f"A worker cannot be started: {error.strerror or error}.") from error
        worker = cls(process, Peer(transport, segments=_segments()), output)
        try:
            async with asyncio.timeout(START_LIMIT):
                worker._root = await worker._peer.root()
        except (ConnectionLost, TimeoutError):
            reason = await worker._why_it_ended("did not start")
            await worker.stop()
            raise WorkerLost(reason) from None
        except BaseException:
            await worker.stop()
            raise
        return worker

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """It can be called."""
        return self._process.returncode is None and not self._peer.is_over

    async def run(self, call: Call, listener: Listener | None = None) -> Answer:
        """Run an operation. Cancelling this cancels it, and returns when it has ended.

        Args:
            listener: hears of the progress.

        Raises:
            WorkerLost: the process ended meanwhile; the message says how.
            ConnectionLost: it was stopped from here.
            RemoteError: the plugin raised an error; those with a known name come as themselves.
        """
        try:
            with progress_to(listener):
                answer = await self._root.run(msgspec.structs.asdict(call))
        except ConnectionLost:
            raise WorkerLost(await self._why_it_ended("ended")) from None
        except asyncio.CancelledError:
            await self._wait_until_idle()
            raise
        return Answer(**answer)

    async def rest(self) -> None:
        """Let it give back memory, until it is needed again."""
        with suppress(ConnectionLost):
            await self._root.rest()

    async def stop(self) -> None:
        """End the process and everything that it started. Idempotent."""
        with suppress(OSError):
            await self._peer.close("The host needs this worker no more.")
        await self._end(after=0.5, kill_after=1.5)
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _wait_until_idle(self) -> None:
        """After a cancel: until the plugin has noticed, or the process is gone."""
        idle = asyncio.ensure_future(self._root.idle())
        try:
            await asyncio.wait([idle], timeout=TERMINATE_AFTER)
            if not idle.done():
                await self._end(after=0, kill_after=KILL_AFTER - TERMINATE_AFTER)
        finally:
            idle.cancel()
            await asyncio.gather(idle, return_exceptions=True)

    async def _end(self, after: float, kill_after: float) -> None:
        """Wait `after` seconds for the process, SIGTERM it, wait, and SIGKILL all of it."""
        ended = asyncio.ensure_future(self._process.wait())
        for seconds, number in ((after, signal.SIGTERM), (kill_after, signal.SIGKILL)):
            await asyncio.wait([ended], timeout=seconds)
            if not ended.done():
                self._signal(number)
        await asyncio.wait([ended], timeout=END_PATIENCE)
        self._signal(signal.SIGKILL)  # what it has started and left behind

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _why_it_ended(self, what: str) -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(END_PATIENCE):
                await self._process.wait()
                await asyncio.shield(self._reading)
        said = "\n".join(self._last)
        return f"The worker {what}: {_exit_reason(self._process.returncode)}.\n{said}".rstrip()

    async def _read(self) -> None:
        """Pass on what the process prints, line by line."""
        assert self._process.stdout is not None
        rest = ""
        while data := await self._process.stdout.read(2**16):
            *lines, rest = (rest + data.decode(errors="replace")).replace("\r", "\n").split("\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], ""
            for line in lines:
                self._say(line)
        self._say(rest)

    def _say(self, line: str) -> None:
        if line.strip():
            self._last.append(line[:LONGEST_LINE])
            self.output(line[:LONGEST_LINE])


async def _spawn(
    environment: Environment, folder: Path, descriptor: int
) -> asyncio.subprocess.Process:
    apart = environment.key != CURRENT
    start = _START.format(descriptor, os.getpid())
    if apart:
        package = await asyncio.to_thread(worker_package, folder)
        start = _START_APART.format(str(package), descriptor, os.getpid())
    left_out = _OURS + (_PYTHONS if apart else ())
    variables = {name: value for name, value in os.environ.items() if name not in left_out}
    return await asyncio.create_subprocess_exec(
        str(environment.python),
        *("-P", "-X", "utf8", "-u", "-c", start),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=(descriptor,),
        start_new_session=True,
        env=variables,
    )


def _segments() -> SharedArrays | None:
    return SharedArrays() if available() else None


def _exit_reason(status: int | None) -> str:
    if status is None:
        return "it does not answer"
    if status >= 0:
        return f"it ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "an unknown one"
    guess = " (out of memory?)" if status == -signal.SIGKILL else ""
    return f"it was killed by signal {-status}, {name}{guess}"
