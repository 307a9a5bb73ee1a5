"""Forkserver: a process that has loaded what every worker needs, and forks one when the host asks.

Loading takes most of the time that a worker takes to start. This process does it once, inside of
the sandbox and in one thread, and runs no plugin itself. It and the host talk over a socket that
keeps messages apart:

    host → here   `NUMBER`, with the descriptors of a worker's link and of its output
    here → host   `ready`; `here NUMBER` from the worker; `ended NUMBER STATUS`; `failed NUMBER WHY`

The host learns from the kernel which process has sent a message (SCM_CREDENTIALS), since in here
other numbers may count. Linux only.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple, NoReturn

from opsin import worker_main
from opsin.sandbox import kernel

PAUSE = 500
"""Milliseconds between two looks for processes that nobody has any more."""
LONGEST = 256
FOLDER = "worker-{}"
"""Where each worker writes, in the folder of the sandbox."""
WORKER = ctypes.create_string_buffer(b"opsin-worker")
"""What a worker is called in a list of processes."""
DUMPABLE, NAME = 4, 15
"""Operations of prctl: whether others may look into this process, and what they see it called."""


class Birth(NamedTuple):
    """What a new worker has to know."""

    number: int
    link: socket.socket
    output: int


class Forkserver:
    """Forks workers, and sees to it that nothing is left of those that have ended.

    Args:
        control: the socket to the host.
        isolated: each worker gets a folder of its own for temporary files.
    """

    def __init__(self, control: socket.socket, isolated: bool) -> None:
        self._control = control
        self._isolated = isolated
        self._workers: dict[int, tuple[int, int]] = {}
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self) -> Birth | None:
        """Do what the host asks for. Returns in each new worker, and (None) when the host is gone.

        Raises:
            OSError: the kernel refuses what this needs.
        """
        self._say("ready")
        while True:
            for descriptor, _ in self._poll.poll(PAUSE if self._workers else None):
                if descriptor in self._workers:
                    self._mourn(descriptor)
                    continue
                try:
                    message, links, _, _ = socket.recv_fds(self._control, LONGEST, 2)
                except ConnectionError:
                    message = b""
                if not message:
                    return None
                birth = self._fork(int(message), *links)
                if birth is not None:
                    return birth
            self._end_strays()

    def end_all(self) -> None:
        """Kill all workers, and what they have left."""
        for pid, _ in self._workers.values():
            os.kill(pid, signal.SIGKILL)
        for descriptor in list(self._workers):
            self._mourn(descriptor)
        self._end_strays()

    def _fork(self, number: int, link: int, output: int) -> Birth | None:
        """In the new worker, what it has to know; here None."""
        try:
            pid = os.fork()
        except OSError as error:
            self._say(f"failed {number} {error.strerror}")
            os.close(link)
            os.close(output)
            return None
        if pid == 0:
            for descriptor in self._workers:
                os.close(descriptor)
            self._say(f"here {number}")
            self._control.close()
            return Birth(number, socket.socket(fileno=link), output)
        os.close(link)
        os.close(output)
        descriptor = os.pidfd_open(pid)
        self._workers[descriptor] = pid, number
        self._poll.register(descriptor, select.POLLIN)
        return None

    def _mourn(self, descriptor: int) -> None:
        """A worker has ended."""
        self._poll.unregister(descriptor)
        pid, number = self._workers.pop(descriptor)
        _, status = os.waitpid(pid, 0)
        os.close(descriptor)
        self._end_strays()
        if self._isolated:
            rmtree(folder_of(number), ignore_errors=True)
        self._say(f"ended {number} {os.waitstatus_to_exitcode(status)}")

    def _end_strays(self) -> None:
        """Kill the children that are no workers: what a worker left behind when it ended."""
        known = {pid for pid, _ in self._workers.values()}
        while strays := _children() - known:
            for pid in strays:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                with suppress(OSError):
                    os.waitpid(pid, 0)

    def _say(self, words: str) -> None:
        with suppress(ConnectionError):  # the host is gone: that is noticed elsewhere
            self._control.send(words.encode()[:LONGEST])


def _children() -> set[int]:
    """The processes whose parent this one is, as far as the kernel tells."""
    with suppress(OSError):
        return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))
    return set()


def folder_of(number: int) -> Path:
    """The folder of a worker, in that of the sandbox."""
    return Path(tempfile.gettempdir(), FOLDER.format(number))


def main(descriptor: int, parent: int, isolated: bool) -> NoReturn:
    """Run a forkserver, and in each process that it forks a worker.

    Args:
        descriptor: of the socket to the host.
        parent: the process to die with.
        isolated: the host does not trust what runs here.
    """
    worker_main.die_with(parent)
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    tempfile.gettempdir()
    kernel.control(kernel.ADOPT_ORPHANS, 1)
    kernel.control(DUMPABLE, 0)  # workers must not change what later ones begin with
    gc.collect()
    gc.freeze()
    server = Forkserver(control, isolated)
    birth = server.serve()
    if birth is None:
        server.end_all()
        os._exit(0)
    _become_worker(birth, isolated)


def _become_worker(birth: Birth, isolated: bool) -> NoReturn:
    """Be a worker from here on."""
    os.setsid()
    kernel.control(DUMPABLE, 1)
    kernel.control(NAME, ctypes.addressof(WORKER))
    kernel.control(kernel.ADOPT_ORPHANS, 1)
    for stream in (1, 2):
        os.dup2(birth.output, stream)
    os.close(birth.output)
    if isolated:
        folder = folder_of(birth.number)
        (folder / "home").mkdir(parents=True, mode=0o700)
        os.environ |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
        os.environ["HOME"] = str(folder / "home")
        tempfile.tempdir = None
        os.chdir(folder)
    birth.link.set_inheritable(False)
    worker_main.work(birth.link, isolated)
