"""Process: a worker, as the host sees it: started, called over a link, stopped, its end explained.

worker = await WorkerProcess.start(environment, folder)
answer = await worker.run(call)
await worker.stop()
"""

from __future__ import annotations

import asyncio
import codecs
import os
import select
import signal
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from opsin.errors import ConnectionLost, WorkerLost
from opsin.rpc.peer import Peer
from opsin.rpc.progress import Listener, progress_to
from opsin.rpc.shared_arrays import SharedArrays, available
from opsin.rpc.transports.unix_stream import UnixTransport
from opsin.worker_main import END_OF_OUTPUT, Answer, Call
from opsin.workers.environment import CURRENT, Environment
from opsin.workers.package import worker_package

START_LIMIT = 120.0
"""Seconds in which a worker has to say hello."""
TERMINATE_AFTER, KILL_AFTER = 2.0, 5.0
"""Seconds after a cancel at which a plugin that goes on gets SIGTERM, and SIGKILL."""
OUTPUT_PATIENCE = 0.5
"""Seconds that the end of a call's output is waited for."""
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
        output: gets every line that the plugin prints; may be exchanged between two calls.
        is_busy: a plugin's code runs, as far as is known.
    """

    def __init__(self, process: asyncio.subprocess.Process, peer: Peer, output: Output) -> None:
        self.output = output
        self.is_busy = False
        self._process = process
        self._exit = ProcessExit(process.pid)
        self._peer = peer
        self._root: Any = None
        self._files: dict[str, int] = {}
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._output_ended = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self._watching = asyncio.create_task(self._watch())

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
        except BaseException as error:
            ours.close()
            if not isinstance(error, OSError):
                raise
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
        return not self._peer.is_over and not self._exit.has_come

    def is_current(self) -> bool:
        """Whether the modules beside the plugin are still as they were when it loaded them."""
        try:
            return all(Path(one).stat().st_mtime_ns == at for one, at in self._files.items())
        except OSError:
            return False

    async def run(self, call: Call, listener: Listener | None = None) -> Answer:
        """Run an operation. Cancelling this cancels it, and returns when it has ended.

        Args:
            listener: hears of the progress.

        Raises:
            WorkerLost: the process ended meanwhile; the message says how.
            RemoteError: the plugin raised an error; those with a known name come as themselves.
        """
        self.is_busy = True
        self._output_ended.clear()
        self._last.clear()
        try:
            with progress_to(listener):
                message = msgspec.structs.asdict(call)
                del call  # the arrays are the worker's now
                answering = self._root.run(message)
                del message
                answer = Answer(**await answering)
        except ConnectionLost:
            raise WorkerLost(await self._why_it_ended("ended")) from None
        except asyncio.CancelledError:
            await to_the_end(self._wait_until_idle())
            raise
        except Exception:
            self.is_busy = False
            await self._wait_for_output()
            raise
        self.is_busy = False
        self._files = answer.files
        await self._wait_for_output()
        return answer

    async def answers(self) -> bool:
        """Whether it is there: one that was killed a moment ago may still look alive."""
        try:
            async with asyncio.timeout(END_PATIENCE):
                await self._root.idle()
        except (ConnectionLost, TimeoutError):
            return False
        return True

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
        self._watching.cancel()
        await asyncio.gather(self._reading, self._watching, return_exceptions=True)
        self._exit.close()

    async def _wait_until_idle(self) -> None:
        """After a cancel: until the plugin has noticed, or the process is gone."""
        idle = asyncio.ensure_future(self._root.idle())
        try:
            await asyncio.wait([idle], timeout=TERMINATE_AFTER)
            if not idle.done():
                await self._end(after=0, kill_after=KILL_AFTER - TERMINATE_AFTER)
            elif idle.exception() is None:
                self.is_busy = False
        finally:
            idle.cancel()
            await asyncio.gather(idle, return_exceptions=True)

    async def _wait_for_output(self) -> None:
        """Until all that was printed is read; a plugin may have closed what it prints to."""
        with suppress(TimeoutError):
            async with asyncio.timeout(OUTPUT_PATIENCE):
                await self._output_ended.wait()

    async def _watch(self) -> None:
        """End what the process has started when it ends; those may hold the link open, too."""
        await self._exit.wait()
        self._signal(signal.SIGKILL)
        with suppress(OSError):
            await self._peer.close("The worker has ended.")

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
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest = ""
        while data := await self._process.stdout.read(2**16):
            *ended, rest = (rest + decoder.decode(data)).split(END_OF_OUTPUT)
            for words in ended:
                self._say_all(words.replace("\r", "\n").split("\n"))
                self._output_ended.set()
            *lines, rest = rest.replace("\r", "\n").split("\n")
            if len(rest) > LONGEST_LINE and END_OF_OUTPUT[0] not in rest:
                lines, rest = [*lines, rest], ""
            self._say_all(lines)
        self._say_all([rest])
        self._output_ended.set()

    def _say_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._say(line)

    def _say(self, line: str) -> None:
        if line.strip():
            self._last.append(line[:LONGEST_LINE])
            self.output(line[:LONGEST_LINE])


class ProcessExit:
    """Whether a process has ended, whatever its children hold open (Linux; elsewhere, it polls)."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._descriptor = -1
        with suppress(AttributeError, OSError):
            self._descriptor = os.pidfd_open(pid)

    @property
    def has_come(self) -> bool:
        """The process has ended."""
        if self._descriptor < 0:
            return _is_gone(self._pid)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))

    async def wait(self) -> None:
        """Until then."""
        if self._descriptor < 0:
            while not self.has_come:  # noqa: ASYNC110 # there is nothing that tells
                await asyncio.sleep(0.2)
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Let go of it. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await work that has to be done, whoever cancels meanwhile."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    task.result()


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
