"""Plugins that do what plugins do, the bad ones too."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from opsin.worker_main import Call

SOURCE = '''
import ctypes
import os
import sys
import time
from enum import Enum
from pathlib import Path

import numpy as np

from opsin.types import Image, Labels, Metadata, Table, progress


class Method(Enum):
    LOUD = 2
    QUIET = 1


def double(image: Image) -> Image:
    return image * 2


def bright(image: Image, threshold: float = 100.0) -> Labels:
    return image > threshold


def told(image: Image, method: Method, where: Path, image_metadata: Metadata) -> Table:
    return {"method": [method.value], "suffix": [where.suffix], "scale": [image_metadata.scale[0]]}


def several(image: Image) -> tuple[Labels, Table]:
    return (image > 1).astype(np.int32), {"sum": [int(image.sum())], "name": ["all"]}


def wrong(image: Image) -> Labels:
    return image.astype(np.float32)


def nothing(image: Image) -> Labels:
    pass


def words(image: Image) -> Image:
    return "an image"


def scalars(image: Image) -> Table:
    return {"mean": 3.5}


def fails(image: Image) -> Labels:
    return helper(image)


def helper(image):
    raise ValueError("it is too dark")


def leaves(image: Image) -> Labels:
    sys.exit(3)


def steps(image: Image, count: int = 1000, seconds: float = 0.01) -> Image:
    for _ in progress(range(count), description="steps"):
        time.sleep(seconds)
    return image


def sleeps(image: Image) -> Image:
    time.sleep(600)
    return image


def hangs(image: Image) -> Image:
    """Holds the interpreter's lock in C for ever, and wants to survive SIGTERM."""
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("hanging", os.getpid(), flush=True)
    ctypes.PyDLL(None).sleep(600)
    return image


def dies(image: Image) -> Image:
    print("last words")
    os.kill(os.getpid(), 9)
    return image


def in_place(image: Image) -> Image:
    image -= image.min()
    return image


def tail(image: Image, word: str = "") -> Image:
    print(word, end="")
    return image


def beside(image: Image) -> Image:
    import neighbour_of_trial
    return image * neighbour_of_trial.FACTOR


def forks(image: Image) -> Image:
    """Waits for a child that sleeps."""
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    print("child", pid, flush=True)
    time.sleep(600)
    return image


def prints(image: Image) -> Image:
    print("one")
    print("two\\rthree", file=sys.stderr)
    os.write(1, b"x" * 100_000 + b"\\n")
    print("token" if "OPSIN_TOKEN" in os.environ else "no token")
    return image


def who(image: Image) -> Table:
    return {"pid": [os.getpid()], "main": [__import__("threading").current_thread().name]}


def memory(image: Image, size: int = 64) -> Image:
    np.ones(size << 20, np.uint8).sum()
    return image
'''


def write_plugin(folder: Path, source: str = SOURCE, name: str = "trial.py") -> Path:
    path = folder / name
    path.write_text(source)
    return path


def call(path: Path, function: str, outputs: tuple[str, ...], **inputs: Any) -> Call:
    parameters = inputs.pop("parameters", {})
    more = {key: inputs.pop(key) for key in ("paths", "enums", "metadata") if key in inputs}
    return Call(
        file=str(path),
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        function=function,
        inputs=inputs,
        parameters=parameters,
        outputs=outputs,
        **more,
    )
