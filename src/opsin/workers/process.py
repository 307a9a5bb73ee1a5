"""Process: a worker, as the host sees it: started, called over a link, stopped, its end explained.

worker = await WorkerProcess.start(environment, folder)
answer = await worker.run(call)
await worker.stop()
"""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from opsin.errors import ConnectionLost, LimitExceeded, WorkerLost
from opsin.rpc.objects import by_reference
from opsin.rpc.peer import Peer
from opsin.rpc.progress import Listener, progress_to
from opsin.rpc.shared_arrays import SharedArrays, available
from opsin.rpc.transports.unix_stream import UnixTransport
from opsin.worker_main import END_OF_OUTPUT, Answer, Call
from opsin.workers.bytecode import keep_compiled
from opsin.workers.environment import Environment
from opsin.workers.forkservers import Forkservers
from opsin.workers.isolation.sandbox import Level, Sandbox
from opsin.workers.running import ProcessExit, Running, exit_reason
from opsin.workers.supervision import DEFAULT, Supervision, told_seconds

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

Output = Callable[[str], None]


class WorkerProcess:
    """A process that runs the operations of one plugin. It ends with the host, however that ends.

    Attributes:
        output: gets every line that the plugin prints; may be exchanged between two calls.
        is_busy: a plugin's code runs, as far as is known.
    """

    def __init__(
        self,
        process: Running,
        peer: Peer,
        output: Output,
        forkservers: Forkservers | None,
        supervision: Supervision,
    ) -> None:
        """`forkservers` end with it."""
        self.output = output
        self.is_busy = False
        self._process = process
        self._forkservers = forkservers
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
        self._guard = process.launched.watch(process.pid, process.folder, supervision)
        self._guarding = asyncio.create_task(self._keep_within_limits())

    @classmethod
    async def start(
        cls,
        environment: Environment,
        folder: Path,
        output: Output = lambda line: None,
        sandbox: Sandbox | None = None,
        supervision: Supervision = DEFAULT,
        forkservers: Forkservers | None = None,
    ) -> WorkerProcess:
        """A new worker in an environment.

        Args:
            folder: where the modules are kept that a worker needs, if the environment has none.
            output: the first `output`.
            sandbox: what it may see, as far as this computer can enforce that; None: all that the
                user may.
            supervision: what it is granted.
            forkservers: where it comes from; without them, from one for itself.

        Raises:
            WorkerLost: it ended, or said nothing, before it could be called.
        """
        own = Forkservers(folder) if forkservers is None else None
        source = forkservers or own
        assert source is not None
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                async with asyncio.timeout(supervision.start):
                    granted = _granted(sandbox, supervision)
                    process = await source.worker(environment, granted, theirs)
            transport = UnixTransport(ours)
        except BaseException as error:
            ours.close()
            if own is not None:
                await own.close()
            if not isinstance(error, TimeoutError):
                raise
            late = told_seconds(supervision.start)
            raise WorkerLost(f"The worker did not start within {late}.") from None
        level = process.launched.level
        peer = Peer(transport, segments=_segments(not level.is_isolated))
        worker = cls(process, peer, output, own, supervision)
        try:
            async with asyncio.timeout(supervision.start):
                worker._root = await worker._peer.root()
            if not level.is_isolated and supervision.memory is not None:
                _limit_memory(process.pid, supervision.memory)
        except (ConnectionLost, TimeoutError) as error:
            late = f" within {told_seconds(supervision.start)}" * isinstance(error, TimeoutError)
            lost = await worker._why_it_ended(f"did not start{late}")
            await worker.stop()
            raise lost from None
        except BaseException:
            await worker.stop()
            raise
        return worker

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def level(self) -> Level:
        """What keeps it apart."""
        return self._process.launched.level

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
            LimitExceeded: it took more of the computer than it may.
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
            raise await self._why_it_ended("ended") from None
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
                asyncio.create_task(
                    keep_compiled(self._process.launched.environment, answer.uncompiled)
                )
            )
        await self._wait_for_output()
        return answer

    async def imjoy(
        self, host: object, name: str, constants: dict[str, Any], work: Path | None
    ) -> Any:
        """Let it be the worker of one ImJoy plugin for the rest of its life.

        Args:
            host: answers the calls of the plugin's `api`; its public methods are called.
            name: of the plugin, for messages.
            constants: what of the `api` is no function.
            work: a folder whose folders are to lie in the working folder.

        Gives the remote of `opsin.worker_imjoy.runtime.Runtime`.

        Raises:
            WorkerLost: the process ended meanwhile.
        """
        self.is_busy = True
        try:
            folder = "" if work is None else str(work)
            return await self._root.imjoy(by_reference(host), name, constants, folder)
        except ConnectionLost:
            raise await self._why_it_ended("ended") from None

    async def why_it_ended(self) -> WorkerLost:
        """After its link was lost: how its process ended, for a message."""
        return await self._why_it_ended("ended")

    async def until_ended(self) -> None:
        """Wait until its process has ended."""
        await asyncio.wait([self._watching])

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
        await self._process.close()
        if self._forkservers is not None:
            await self._forkservers.close()

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

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _end_strays(self) -> None:
        """Kill what has left the worker's group."""
        if self._guard is not None:
            self._guard.end_strays()

    async def _why_it_ended(self, what: str) -> WorkerLost:
        with suppress(TimeoutError):
            async with asyncio.timeout(END_PATIENCE):
                await self._process.wait()
                await asyncio.shield(self._reading)
        said = "\n".join(self._last)
        status = self._process.returncode
        if self._excess is not None:
            return LimitExceeded(f"The worker was ended: {self._excess}.\n{said}".rstrip())
        return WorkerLost(f"The worker {what}: {exit_reason(status)}.\n{said}".rstrip())

    async def _read(self) -> None:
        """Pass on what the process prints, line by line."""
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


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await work that has to be done, whoever cancels meanwhile."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    task.result()


def _granted(sandbox: Sandbox | None, supervision: Supervision) -> Sandbox | None:
    if sandbox is None or supervision.memory is None:
        return sandbox
    memory = min(sandbox.limits.memory, supervision.memory)
    return replace(sandbox, limits=replace(sandbox.limits, memory=memory))


def _limit_memory(pid: int, most: int) -> None:
    """Let the kernel give a process no more memory of its own, where it can (Linux)."""
    with suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))


def _segments(trusted: bool) -> SharedArrays | None:
    return SharedArrays(trusted=trusted) if available() else None
