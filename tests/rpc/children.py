"""Processes that have nothing of this one but a socket."""

from __future__ import annotations

import functools
import multiprocessing
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any
from unittest.mock import patch


@functools.cache
def forkserver() -> ForkServerContext:
    """Starts them quickly."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.rpc.exchange", "tests.rpc.traffic"])
    first = context.Process(target=int)
    with _without_main():
        first.start()
    first.join()
    first.close()
    return context


@contextmanager
def _without_main() -> Iterator[None]:
    """Else each process would import pytest anew."""
    main = sys.modules["__main__"]
    with patch.object(main, "__spec__", None), patch.object(main, "__file__", None, create=True):
        yield


@contextmanager
def child(target: Any, *args: Any) -> Iterator[tuple[BaseProcess, socket.socket]]:
    """A process that runs `target` with one end of a connection, of which this is the other."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = forkserver().Process(target=target, args=(theirs, *args))
        with _without_main():
            process.start()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
        process.close()
