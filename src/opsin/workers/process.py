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
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec

from opsin.errors import ConnectionLost, WorkerLost
from opsin.rpc.peer import Peer
from opsin.rpc.progress import Listener, progress_to
from opsin.rpc.shared_arrays import SharedArrays, available
from opsin.rpc.transports.unix_stream import UnixTransport
from opsin.worker_main import END_OF_OUTPUT, Answer, Call
from opsin.workers.bytecode import keep_compiled
from opsin.workers.environment import CURRENT, Environment
from opsin.workers.isolation.bubblewrap import SIGNALLED
from opsin.workers.isolation.launch import Launch, launch, level_for
from opsin.workers.isolation.sandbox import Level, Sandbox
from opsin.workers.isolation.visible import HERE
from opsin.workers.kept_environments import in_use
from opsin.workers.package import compiled, worker_package

START_LIMIT = 120.0
"""Seconds in which a worker has to say hello."""
TERMINATE_AFTER, KILL_AFTER = 2.0, 5.0
"""Seconds after a cancel at which a plugin that goes on gets SIGTERM, and SIGKILL."""
OUTPUT_PATIENCE = 0.5
"""Seconds that the end of a call's output is waited for."""
COMPILING_PATIENCE = 20.0
"""Seconds that the compiling of modules for the next worker is waited for."""
END_PATIENCE = 2.0
"""Seconds that the end of a process is waited for after its link was lost."""
KEPT_LINES = 20
"""Lines of output that explain why a worker ended."""
LONGEST_LINE = 2000

_START = "from opsin.worker_main import main; main({}, {}, isolated={})"
_START_APART = "import sys; sys.path.insert(0, {!r}); {}"
_OURS = ("OPSIN_TOKEN",)
_PYTHONS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")

Output = Callable[[str], None]


class WorkerProcess:
    """A process that runs the operations of one plugin. It ends with the host, however that ends.

    Attributes:
        output: gets every line that the plugin prints; may be exchanged between two calls.
        is_busy: a plugin's code runs, as far as is known.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        launched: Launch,
        peer: Peer,
        output: Output,
        held: ExitStack,
    ) -> None:
        """`held` is let go of at the end."""
        self.output = output
        self.is_busy = False
        self._process = process
        self._launched = launched
        self._held = held
        self._inside = process.pid
        self._exit = ProcessExit(process.pid)
        self._peer = peer
        self._root: Any = None
        self._files: dict[str, int] = {}
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._output_ended = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self._watching = asyncio.create_task(self._watch())
        self._excess: str | None = None
        self._compiling: list[asyncio.Task[None]] = []
        self._guard = launched.watch(process.pid)
        self._guarding = asyncio.create_task(self._keep_within_limits())

    @classmethod
    async def start(
        cls,
        environment: Environment,
        folder: Path,
        output: Output = lambda line: None,
        sandbox: Sandbox | None = None,
    ) -> WorkerProcess:
        """A new worker in an environment.

        Args:
            folder: where the modules are kept that a worker needs, if the environment has none.
            output: the first `output`.
            sandbox: what it may see, as far as this computer can enforce that; None: all that the
                user may.

        Raises:
            WorkerLost: it ended, or said nothing, before it could be called.
        """
        ours, theirs = socket.socketpair()
        held = ExitStack()
        try:
            if environment.key != CURRENT:
                held.enter_context(in_use(environment.home))
            with theirs:
                process, launched = await _spawn(environment, folder, theirs.fileno(), sandbox)
            transport = UnixTransport(ours)
        except BaseException as error:
            ours.close()
            held.close()
            if not isinstance(error, OSError):
                raise
            raise WorkerLost(f"A worker cannot be started: {error.strerror or error}.") from error
        segments = _segments(not launched.level.is_isolated)
        worker = cls(process, launched, Peer(transport, segments=segments), output, held)
        try:
            async with asyncio.timeout(START_LIMIT):
                worker._root = await worker._peer.root()
            if launched.wrapped:
                worker._inside = _only_child(_only_child(process.pid))
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
        return self._inside

    @property
    def level(self) -> Level:
        """What keeps it apart."""
        return self._launched.level

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
        if answer.uncompiled:
            self._compiling.append(
                asyncio.create_task(keep_compiled(self._launched.environment, answer.uncompiled))
            )
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
        if self._compiling:
            await asyncio.wait(self._compiling, timeout=COMPILING_PATIENCE)
        tasks = (self._reading, self._watching, self._guarding, *self._compiling)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._exit.close()
        self._held.close()
        if self._launched.folder is not None:
            await asyncio.to_thread(self._launched.folder.remove)

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
        self._end_strays()
        with suppress(OSError):
            await self._peer.close("The worker has ended.")

    async def _keep_within_limits(self) -> None:
        """End a worker that takes more of the computer than it may."""
        while self._guard is not None and self._excess is None and not self._exit.has_come:
            await asyncio.sleep(self._guard.pause)
            self._excess = await asyncio.to_thread(self._guard.excess)
        if self._excess is not None:
            self._signal(signal.SIGKILL)

    async def _end(self, after: float, kill_after: float) -> None:
        """Wait `after` seconds for the process, SIGTERM it, wait, and SIGKILL all of it."""
        ended = asyncio.ensure_future(self._process.wait())
        for seconds, number in ((after, signal.SIGTERM), (kill_after, signal.SIGKILL)):
            await asyncio.wait([ended], timeout=seconds)
            if not ended.done():
                self._signal(number)
        await asyncio.wait([ended], timeout=END_PATIENCE)
        self._signal(signal.SIGKILL)  # what it has started and left behind
        self._end_strays()
        if self._launched.wrapped:  # what wraps it ends a moment before
            with suppress(TimeoutError):
                async with asyncio.timeout(END_PATIENCE):
                    while not _is_gone(self._inside):  # noqa: ASYNC110 # nothing tells
                        await asyncio.sleep(0.002)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGKILL or not self._launched.wrapped:
                os.killpg(self._process.pid, number)
            elif self._process.returncode is None:
                os.kill(self._inside, number)  # what it is wrapped in would not wait for it

    def _end_strays(self) -> None:
        """Kill what has left the worker's group; inside bubblewrap nothing outlives it."""
        if self._guard is not None and not self._launched.wrapped:
            self._guard.end_strays()

    async def _why_it_ended(self, what: str) -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(END_PATIENCE):
                await self._process.wait()
                await asyncio.shield(self._reading)
        said = "\n".join(self._last)
        status = self._process.returncode
        if self._launched.wrapped and status is not None and status > SIGNALLED:
            status = SIGNALLED - status
        reason = _exit_reason(status)
        if self._excess is not None:
            what, reason = "was ended", self._excess
        return f"The worker {what}: {reason}.\n{said}".rstrip()

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
    environment: Environment, folder: Path, descriptor: int, sandbox: Sandbox | None
) -> tuple[asyncio.subprocess.Process, Launch]:
    apart = environment.key != CURRENT
    package = HERE
    if apart:
        package = await asyncio.to_thread(worker_package, folder)
        await asyncio.to_thread(compiled, package, environment)
    level = await asyncio.to_thread(level_for, sandbox)

    def arguments(parent: int) -> list[str]:
        start = _START.format(descriptor, parent, level.is_isolated)
        if apart:
            start = _START_APART.format(str(package), start)
        return ["-P", "-X", "utf8", "-u", "-c", start]

    launched = await asyncio.to_thread(launch, environment, package, level, sandbox, arguments)
    left_out = _OURS + (_PYTHONS if apart else ())
    try:
        process = await asyncio.create_subprocess_exec(
            *launched.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(descriptor,),
            start_new_session=True,
            env={one: value for one, value in launched.variables.items() if one not in left_out},
        )
    except BaseException:
        if launched.folder is not None:
            launched.folder.remove()
        raise
    return process, launched


def _only_child(pid: int) -> int:
    """The process that another one, which starts no more than one, has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return int(children.read_text().split()[0])
    except (OSError, IndexError):
        return pid  # it has ended, or the kernel does not tell


def _segments(trusted: bool) -> SharedArrays | None:
    return SharedArrays(trusted=trusted) if available() else None


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
