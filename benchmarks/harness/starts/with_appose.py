"""Appose: workers of one environment, started one after the other while the first one stays.

Prints, for each, the seconds until it has summed an array, as JSON. It runs in an environment that
has Appose.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

TASK = "task.outputs['sum'] = int(array.ndarray().sum())"


def started(environment: Any, array: Any) -> tuple[Any, float]:
    """A worker, and the seconds until its first reply."""
    began = time.perf_counter()
    service = environment.python()
    service.init("import numpy")  # in its main thread, as its documentation advises
    task = service.task(TASK, {"array": array}).wait_for()
    seconds = time.perf_counter() - began
    assert task.outputs["sum"] == SUM, task.outputs
    return service, seconds


def main() -> None:
    """Start as many as are asked for."""
    appose: Any = importlib.import_module("appose")
    environment = appose.system(Path(sys.prefix))
    with appose.NDArray("uint8", [64, 64]) as array:
        array.ndarray()[:] = 1
        kept, first = started(environment, array)
        seconds = [first]
        for _ in range(int(sys.argv[1])):
            service, one = started(environment, array)
            seconds.append(one)
            service.kill()
        kept.kill()
    print(json.dumps(seconds))


SUM = 64 * 64

if __name__ == "__main__":
    main()
