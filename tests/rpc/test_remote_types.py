"""What mypy says of remotes: a Protocol class types its remote, and mistakes are found."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SNIPPET = """
from collections.abc import AsyncIterator
from typing import Any, Protocol, assert_type

import numpy as np
from numpy.typing import NDArray

from opsin.rpc.connect import BlockingPeer, connect, connect_blocking
from opsin.rpc.lazy_array import LazyArray
from opsin.rpc.peer import Peer
from opsin.rpc.remote import typed
from opsin.types import LazyImage

class Layers(Protocol):
    async def add(self, name: str) -> int: ...

class Statistics(Protocol):
    layers: Layers
    async def mean(self, image: NDArray[Any], axis: int | None = None) -> float: ...
    def planes(self, count: int) -> AsyncIterator[NDArray[Any]]: ...

class Waiting(Protocol):
    def mean(self, image: NDArray[Any]) -> float: ...

async def awaits(peer: Peer, image: NDArray[Any]) -> None:
    statistics = await peer.root(Statistics)
    assert_type(statistics, Statistics)
    assert_type(await statistics.mean(image, axis=0), float)
    assert_type(await statistics.layers.add("a"), int)
    async for plane in statistics.planes(3):
        assert_type(plane, NDArray[Any])
    await statistics.mean("text")  # error: arg-type
    await statistics.mean(image, axes=0)  # error: call-arg
    await statistics.maen(image)  # error: attr-defined
    await statistics.layers.add(3)  # error: arg-type
    statistics.mean(image) + 1  # error: operator
    plain = await peer.root()
    assert_type(plain, Any)
    assert_type(typed(plain, Statistics), Statistics)

async def connects() -> None:
    async with connect("ws://127.0.0.1:1", token="t") as peer:
        assert_type(peer, Peer)
    async with connect(7):  # error: arg-type
        pass

def waits(image: NDArray[Any]) -> None:
    with connect_blocking("unix:x") as peer:
        assert_type(peer, BlockingPeer)
        assert_type(peer.root(Waiting).mean(image), float)
        peer.root(Waiting).mean(3)  # error: arg-type

def lazily(array: LazyArray) -> None:
    image: LazyImage = array
    image.shape[0].bit_length()
"""


def test_a_protocol_types_its_remote(tmp_path: Path) -> None:
    path = tmp_path / "snippet.py"
    path.write_text(SNIPPET)
    expected = [
        (number, match[1])
        for number, line in enumerate(SNIPPET.splitlines(), 1)
        if (match := re.search(r"# error: ([a-z-]+)$", line))
    ]
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    command += ["--no-pretty", "--hide-error-context", "--no-error-summary", str(path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    said = re.findall(r"^\S*snippet\.py:(\d+): error: .* \[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    assert [(int(line), code) for line, code in said] == expected, done.stdout + done.stderr
    assert len(expected) >= 7
