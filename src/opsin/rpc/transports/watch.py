"""Watch: calls back while a socket can be read or written, and also when it is broken."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from contextlib import suppress


class Watch:
    """Watches one socket, for reading and for writing; both are off at first.

    On uvloop the loop does not see the socket but an epoll that holds it: libuv takes a socket with
    an error (ECONNRESET: the other side was killed before it had read everything) for one that is
    not open, and calls nobody. An epoll has no errors.
    """

    def __init__(
        self, watched: socket.socket, read: Callable[[], None], write: Callable[[], None]
    ) -> None:
        self._socket = watched
        self._read = read
        self._write = write
        self._loop = asyncio.get_running_loop()
        self.reading = False
        self.writing = False
        self._epoll: select.epoll | None = None
        if type(self._loop).__module__.startswith("uvloop") and hasattr(select, "epoll"):
            self._epoll = select.epoll()
            self._epoll.register(watched, 0)

    def for_reading(self, on: bool) -> None:
        """Call `read` while there is something to read, or the end."""
        if on == self.reading:
            return
        self.reading = on
        if self._epoll is not None:
            self._update(self._epoll)
        elif on:
            self._loop.add_reader(self._socket, self._read)
        else:
            self._loop.remove_reader(self._socket)

    def for_writing(self, on: bool) -> None:
        """Call `write` while there is room, or nobody who reads."""
        if on == self.writing:
            return
        self.writing = on
        if self._epoll is not None:
            self._update(self._epoll)
        elif on:
            self._loop.add_writer(self._socket, self._write)
        else:
            self._loop.remove_writer(self._socket)

    def close(self) -> None:
        """Let go of the socket, which stays open."""
        with suppress(RuntimeError):  # the loop may have ended before
            self.for_reading(False)
            self.for_writing(False)
        if self._epoll is not None:
            self._epoll.close()

    def _update(self, epoll: select.epoll) -> None:
        # One that is watched for nothing would still report its errors, for ever.
        if self.reading or self.writing:
            mask = select.EPOLLIN * self.reading | select.EPOLLOUT * self.writing
            epoll.modify(self._socket, mask)
            self._loop.add_reader(epoll, self._either)
        else:
            self._loop.remove_reader(epoll)

    def _either(self) -> None:
        assert self._epoll is not None
        for _, events in self._epoll.poll(0):
            broken = events & (select.EPOLLERR | select.EPOLLHUP)
            if self.reading and (broken or events & select.EPOLLIN):
                self._read()
            if self.writing and (broken or events & select.EPOLLOUT):
                self._write()
