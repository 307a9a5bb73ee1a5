"""Appose: a Python worker that runs tasks, arrays in named shared memory.

Modes: `ref`, the array lies in shared memory already; `fresh`, it is copied into new shared memory,
which is removed afterwards.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness.links.measure import Link, main

FUNCTIONS = """
import time

def add(a, b):
    return a + b

def take(array):
    int(array.ndarray()[0])
    return time.perf_counter()

def echo(array):
    return {"result": array}

task.export(add=add, take=take, echo=echo, time=time)
"""


class ApposeLink(Link):
    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._appose: Any = importlib.import_module("appose")
        began = time.perf_counter()
        self._service: Any = self._appose.system(Path(sys.prefix)).python()
        self._service.init("import numpy")  # in its main thread, as its documentation advises
        self._service.task(FUNCTIONS).wait_for()
        self.others = [self._service._process.pid]
        self.call(1)
        self.started = time.perf_counter() - began

    def call(self, count: int, at_once: int = 1) -> None:
        assert at_once == 1, "with several in flight, Appose 0.12 loses answers"
        for number in range(count):
            assert self._service.call("add", number, 1) == number + 1

    def array(self, size: int) -> Any:
        return (
            self._shared(np.full(size, 7, np.uint8))
            if self._mode == "ref"
            else np.full(size, 7, np.uint8)
        )

    def _shared(self, array: Any) -> Any:
        shared = self._appose.NDArray("uint8", [array.nbytes])
        shared.ndarray()[:] = array
        return shared

    def hand(self, array: Any, count: int) -> list[float]:
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            shared = array if self._mode == "ref" else self._shared(array)
            taken.append(self._service.call("take", shared) - start)
            if self._mode != "ref":
                shared.shm.dispose()
        if self._mode == "ref":
            self._kept = array
        return taken

    def close(self) -> None:
        kept = getattr(self, "_kept", None)
        if kept is not None:
            kept.shm.dispose()
        self._service.kill()


def serve(_address: str, _mode: str) -> None:
    raise SystemExit("Appose starts its worker itself.")


if __name__ == "__main__":
    main(ApposeLink, serve)
