"""Functional: whether an operation is a pure function of what it is given, found out by trying it.

It is called on several inputs in two processes that differ in all that a pure function does not
notice: hash seed, number of threads and processors, time, random numbers, temporary folder, and the
order of the calls. Isolated, with no network and no files, it has to give equal results, which
depend on its input. That is evidence, and no proof.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from opsin.errors import NotFunctional, RemoteError
from opsin.host.calls import Program, plain_metadata
from opsin.host.verified import forget, remember
from opsin.host.workspace import Workspace
from opsin.images.source import Array
from opsin.plugins.manifest import DEFAULT_AXES, Input
from opsin.workers.environment import Environment, prepare
from opsin.workers.forkservers import Forkservers
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.process import WorkerProcess

ORDERS = ((0, 1, 2, 0), (2, 1, 0, 1))
"""The inputs that each process gets, in turn."""
LONGEST = 60.0
"""Seconds that an operation may take on an example."""
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR", "VECLIB")
SHAPES: dict[int, tuple[int, ...]] = {1: (96,), 2: (64, 80), 3: (12, 40, 48)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out.

    Attributes:
        is_functional: nothing speaks against it; None: it was not tried.
        reason: why it is not, or was not tried; '' if it is.
    """

    is_functional: bool | None
    reason: str = ""


async def verify(
    program: Program,
    workspace: Workspace,
    forkservers: Forkservers,
    output: Callable[[str], None] = lambda line: None,
) -> Verdict:
    """Try an operation, and keep what came of it in the workspace.

    Args:
        forkservers: where the processes come from.
        output: gets what the installer and the plugin print.

    Raises:
        EnvironmentFailed: its packages cannot be installed.
        WorkerLost: a process cannot be started.
    """
    refused = _why_not_tried(program)
    if refused:
        return Verdict(None, refused)
    plugin = program.plugin
    environment = await prepare(
        plugin.requirements, plugin.python, folder=workspace.environments, output=output
    )
    files: set[str] = set()
    verdict = await _tried(program, workspace, environment, forkservers, output, files)
    if verdict.is_functional:
        remember(workspace, program, environment, files)
    elif verdict.is_functional is False:
        forget(workspace, program)
    return verdict


async def _tried(
    program: Program,
    workspace: Workspace,
    environment: Environment,
    forkservers: Forkservers,
    output: Callable[[str], None],
    files: set[str],
) -> Verdict:
    """What comes of trying it; adds to `files` the modules beside it that it imports."""
    inputs = [_inputs(program, number) for number in range(3)]
    results: list[tuple[int, list[Any]]] = []
    for trial, order in enumerate(ORDERS, 1):
        worker = await WorkerProcess.start(
            environment,
            workspace.environments,
            output,
            _sandbox(program, trial),
            forkservers=forkservers,
        )
        try:
            if not worker.level.is_isolated:
                return Verdict(None, "plugins cannot be isolated on this computer")
            for place, number in enumerate(order):
                given = inputs[number]
                about = {name: plain_metadata(program, name, one) for name, one in given.items()}
                call = program.call(dict(given), about)
                call = msgspec.structs.replace(call, trial=trial, seed=100 * trial + place)
                try:
                    async with asyncio.timeout(LONGEST):
                        answer = await worker.run(call)
                except NotFunctional as error:
                    return Verdict(False, str(error))
                except TimeoutError:
                    return Verdict(None, f"it takes longer than {LONGEST:.0f} s on an example")
                except Exception as error:
                    return Verdict(False, f"it fails on an example: {_told(error)}")
                results.append((number, answer.outputs))
                files.update(answer.files)
        finally:
            await worker.stop()
    return _judged(results)


def _judged(results: list[tuple[int, list[Any]]]) -> Verdict:
    first: dict[int, list[Any]] = {}
    for number, outputs in results:
        if not _equal(first.setdefault(number, outputs), outputs):
            return Verdict(False, "it gives other results for the same input")
    different = list(first.values())
    if all(_equal(different[0], one) for one in different[1:]):
        return Verdict(False, "its result does not depend on its input")
    return Verdict(True)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124 # not a number


def _why_not_tried(program: Program) -> str:
    operation = program.operation
    if operation.refused:
        return operation.refused
    if program.plugin.kind != "native-python":
        return "only functions of typed files, and those that stubs name, are tried"
    if not operation.inputs:
        return "it takes no image, labels or points"
    for given in operation.inputs:
        if given.kind not in ("image", "labels", "points") and not given.optional:
            return f"it takes {given.kind}, of which there is no example"
    if any(one.format == "path" for one in operation.parameters):
        return "it takes a file"
    return ""


def _inputs(program: Program, number: int) -> dict[str, Any]:
    """Examples: blobs on a noisy ground, the same for each number."""
    return {
        given.name: _example(given, program, number)
        for given in program.operation.inputs
        if given.kind in ("image", "labels", "points")
    }


def _example(given: Input, program: Program, number: int) -> Array:
    draw = np.random.default_rng(1000 + number)
    axes = given.axes or program.operation.axes or DEFAULT_AXES
    shape = tuple(size + 4 * number for size in SHAPES.get(len(axes), (6,) * len(axes)))
    if given.kind == "points":
        return np.asarray(draw.random((20 + number, len(shape))) * np.array(shape))
    places = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for label in range(1, 7):
        centre = draw.random(len(shape)) * np.array(shape)
        far = sum((place - at) ** 2 for place, at in zip(places, centre, strict=True))
        labels[far < draw.integers(9, 60)] = label
    if given.kind == "labels":
        return labels
    noisy = draw.normal(30, 6, shape) + 25 * labels
    return np.asarray(noisy.clip(0, 255), np.uint8)


def _sandbox(program: Program, trial: int) -> Sandbox:
    """What the file needs, and variables that are not the same in two trials."""
    threads = {f"{name}_NUM_THREADS": str(trial) for name in THREADS}
    changed = {"PYTHONHASHSEED": str(trial), "TZ": f"UTC-{3 * trial}", **threads}
    return Sandbox(program.sandbox().reads, variables=tuple(sorted(changed.items())))


def _told(error: Exception) -> str:
    known = getattr(error, "name", None) if isinstance(error, RemoteError) else None
    text = str(getattr(error, "message", None) or error)
    return f"{known or type(error).__name__}: {' '.join(text.split())[:300].rstrip('.')}"
