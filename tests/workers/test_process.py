"""Real workers, in real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from opsin.errors import PluginError, WorkerLost
from opsin.rpc import shared_arrays
from opsin.rpc.pool import default_pool
from opsin.rpc.transports.assembly import Assembly
from opsin.rpc.transports.unix_stream import UnixTransport
from opsin.workers.environment import Environment, current
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.package import worker_package
from opsin.workers.process import WorkerProcess
from opsin.workers.supervision import Supervision
from tests.rpc.process import has_ended, nothing_leaks
from tests.rpc.running import run, until
from tests.workers.plugins import SOURCE, call, write_plugin

ROOT = Path(__file__).parents[2]
PIXELS = np.arange(12.0).reshape(3, 4)

each_isolated = pytest.mark.parametrize("level", ["bubblewrap", "landlock"])


@asynccontextmanager
async def worker(folder: Path, output: Callable[[str], None] = print) -> AsyncIterator[Any]:
    """As a host starts it: isolated as well as this computer can."""
    started = await WorkerProcess.start(current(), folder, output, Sandbox(reads=(folder,)))
    try:
        yield started
    finally:
        await started.stop()
        assert not psutil.pid_exists(started.pid)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    return write_plugin(tmp_path)


def test_a_worker_runs_functions_and_leaves_nothing(plugin: Path, tmp_path: Path) -> None:
    async def main() -> None:
        with nothing_leaks():
            async with worker(tmp_path) as one:
                large = np.arange(1 << 20, dtype=np.float64).reshape(1024, 1024)
                for _ in range(2):  # the second time it is loaded already
                    answer = await one.run(call(plugin, "double", ("image",), image=large))
                    np.testing.assert_array_equal(answer.outputs[0], large * 2)
                    assert answer.seconds > 0
                (labels,) = (await one.run(bright(plugin, PIXELS, 5))).outputs
                assert labels.dtype == np.uint8
                np.testing.assert_array_equal(labels, PIXELS > 5)
                del answer, labels, large
            default_pool().trim()

    run(main(), 60)


def bright(plugin: Path, image: Any, threshold: float) -> Any:
    return call(plugin, "bright", ("labels",), image=image, parameters={"threshold": threshold})


@contextmanager
def counted_bytes() -> Iterator[list[int]]:
    """Every number of bytes that this process hands to, or takes from, a Unix socket of a link."""
    counts: list[int] = []
    write, received = UnixTransport._write, Assembly.received

    def counted_write(self: Any, *args: Any) -> int:
        counts.append(write(self, *args))
        return counts[-1]

    def counted_received(self: Any, count: int, *args: Any) -> None:
        counts.append(count)
        received(self, count, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UnixTransport, "_write", counted_write)
        patch.setattr(Assembly, "received", counted_received)
        yield counts


@pytest.mark.parametrize("shared", [True, False])
def test_neither_image_nor_result_passes_through_the_link(
    plugin: Path, tmp_path: Path, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """…and without shared memory they would, so this test can fail."""
    image = np.arange(1 << 22, dtype=np.uint32).reshape(2048, 2048)  # 16 MiB
    if not shared:
        monkeypatch.setattr("opsin.workers.process._segments", lambda trusted: None)

    async def main() -> int:
        async with worker(tmp_path) as one:
            with counted_bytes() as counts:
                answer = await one.run(call(plugin, "double", ("image",), image=image))
            np.testing.assert_array_equal(answer.outputs[0], image * 2)
            return sum(counts)

    through = run(main(), 60)
    assert (through < 1 << 16) == shared
    assert shared or through > 2 * image.nbytes


def test_parameters_arrive_as_what_the_function_takes(plugin: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with worker(tmp_path) as one:
            asked = call(
                plugin, "told", ("table",), image=PIXELS,
                parameters={"method": "QUIET", "where": "/tmp/a.txt"},
                paths=("where",), enums={"method": "Method"},
                metadata={"image_metadata": {
                    "axes": ("y", "x"), "scale": (0.5, 0.25), "translation": (0.0, 0.0),
                    "units": (None, None),
                }},
            )  # fmt: skip
            (table,) = (await one.run(asked)).outputs
            assert {name: list(column) for name, column in table.items()} == {
                "method": [1],
                "suffix": [".txt"],
                "scale": [0.5],
            }
            labels, table = (
                await one.run(call(plugin, "several", ("labels", "table"), image=PIXELS))
            ).outputs
            np.testing.assert_array_equal(labels, PIXELS > 1)
            assert list(table["sum"]) == [66]
            assert list(table["name"]) == ["all"]
            (table,) = (await one.run(call(plugin, "who", ("table",), image=PIXELS))).outputs
            assert list(table["pid"]) == [as_it_sees_itself(one.pid)]
            assert list(table["main"]) == ["MainThread"]

    run(main(), 60)


def as_it_sees_itself(pid: int) -> int:
    """The id of a process, where processes have numbers of their own."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("NSpid:")).split()[-1])


def test_what_a_plugin_raises_comes_with_its_own_traceback(plugin: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with worker(tmp_path) as one:
            with pytest.raises(ValueError, match="it is too dark") as raised:
                await one.run(call(plugin, "fails", ("labels",), image=PIXELS))
            (note,) = raised.value.__notes__
            assert note.startswith(f'On the other side:\n  File "{plugin}", line ')
            assert "in fails" in note
            assert 'raise ValueError("it is too dark")' in note
            assert "worker_main" not in note
            for function, kind, message in (
                ("wrong", "labels", r"promises labels, .* but gave float32"),
                ("nothing", "labels", "gave nothing"),
                ("double", "table", "promises a table, a dict of columns"),
                (
                    "words",
                    "image",
                    "an array of numbers, not an object of type str",
                ),
                ("scalars", "table", "a single value as mean: put it into a list"),
            ):
                with pytest.raises(PluginError, match=message) as refused:
                    await one.run(call(plugin, function, (kind,), image=PIXELS))
                assert not hasattr(refused.value, "__notes__"), "no line of the plugin is to blame"
            with pytest.raises(RuntimeError, match=r"leaves wanted to end the program: SystemExit"):
                await one.run(call(plugin, "leaves", ("labels",), image=PIXELS))
            asked = call(plugin, "double", ("image",), image=PIXELS)
            await asyncio.to_thread(write_plugin, tmp_path, SOURCE + "\n")
            assert (await one.run(asked)).outputs  # it has what was read first
            async with worker(tmp_path) as fresh:
                with pytest.raises(PluginError, match="was changed"):
                    await fresh.run(asked)

    run(main(), 60)


def test_what_is_printed_comes_line_by_line(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_TOKEN", "a secret of the server")
    lines: list[str] = []

    async def main() -> None:
        async with worker(tmp_path, lines.append) as one:
            await one.run(call(plugin, "prints", ("image",), image=PIXELS))
            await until(lambda: "no token" in lines)

    run(main(), 60)
    assert lines[:3] == ["one", "two", "three"]
    assert all(len(line) <= 2000 for line in lines)


def test_progress_is_heard_and_cancelling_ends_it_at_the_next_step(
    plugin: Path, tmp_path: Path
) -> None:
    heard: list[tuple[Any, ...]] = []

    async def main() -> None:
        async with worker(tmp_path) as one:
            steps = call(plugin, "steps", ("image",), image=PIXELS)
            running = asyncio.ensure_future(one.run(steps, lambda *news: heard.append(news)))
            await until(lambda: len(heard) > 3)
            before = time.monotonic()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert time.monotonic() - before < 1.5, "it did not wait to kill it"
            assert one.is_alive, "it can be used again"
            assert (await one.run(call(plugin, "double", ("image",), image=PIXELS))).outputs

    run(main(), 60)
    done, *rest = heard[0]  # of steps that come at once the last is told
    assert done < 1000.0
    assert rest == [1000.0, "steps"]
    assert [done for done, _, _ in heard] == sorted(done for done, _, _ in heard)


@pytest.mark.parametrize(("function", "least", "most"), [("sleeps", 1.9, 4.5), ("hangs", 4.5, 8.0)])
def test_what_does_not_listen_is_terminated_and_then_killed(
    plugin: Path, tmp_path: Path, function: str, least: float, most: float
) -> None:
    lines: list[str] = []

    async def main() -> None:
        async with worker(tmp_path, lines.append) as one:
            running = asyncio.ensure_future(
                one.run(call(plugin, function, ("image",), image=PIXELS))
            )
            await asyncio.sleep(0.5)
            if function == "hangs":
                await until(lambda: lines)
            before = time.monotonic()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert least < time.monotonic() - before < most
            assert not one.is_alive

    run(main(), 60)


@each_isolated
def test_a_worker_that_dies_says_how(
    level: str, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)

    async def main() -> None:
        with nothing_leaks():
            async with worker(tmp_path) as one:
                with pytest.raises(WorkerLost) as raised:
                    await one.run(call(plugin, "dies", ("image",), image=PIXELS))
                assert str(raised.value) == (
                    "The worker ended: it was killed by signal 9, SIGKILL (out of memory?)."
                    "\nlast words"
                )
                with pytest.raises(WorkerLost):
                    await one.run(call(plugin, "double", ("image",), image=PIXELS))

    run(main(), 60)


def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho this is no Python >&2\nexit 7\n")
    broken.chmod(0o755)

    async def main() -> None:
        with pytest.raises(WorkerLost, match=r"not start: it ended with status 7\.\nthis is no"):
            await WorkerProcess.start(Environment(broken, "broken"), tmp_path)
        with pytest.raises(WorkerLost, match="cannot be started: No such file"):
            await WorkerProcess.start(Environment(tmp_path / "none", "none"), tmp_path)

    with nothing_leaks():
        run(main(), 60)


HOST = """
import asyncio, sys
from pathlib import Path
import numpy as np
from opsin.workers.environment import current
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.process import WorkerProcess
from tests.workers.plugins import call

async def main():
    plugin = Path(sys.argv[1])
    sandbox = Sandbox(reads=(plugin.parent,))
    tell = lambda line: print(line, flush=True)
    one = await WorkerProcess.start(current(), plugin.parent, tell, sandbox)
    print("worker", one.pid, flush=True)
    await one.run(call(plugin, sys.argv[2], ("image",), image=np.zeros(3)))

asyncio.run(main())
"""


@each_isolated
@pytest.mark.parametrize("function", ["steps", "hangs", "forks"])
def test_a_worker_dies_with_its_host_whatever_it_does(
    level: str, plugin: Path, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(plugin), function],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert host.stdout is not None
        pid = int(host.stdout.readline().split()[1])
        if function == "hangs":
            assert "hanging" in host.stdout.readline()
        elif function == "forks":
            assert "child" in host.stdout.readline()
            (child,) = (one.pid for one in psutil.Process(pid).children())
        else:
            time.sleep(0.3)
        assert psutil.pid_exists(pid)
    finally:
        host.send_signal(signal.SIGKILL)
        host.wait()
        assert host.stdout is not None
        host.stdout.close()
    assert_ends(pid)
    if function == "forks":
        assert_ends(child)


def test_an_environment_with_numpy_and_msgspec_alone_can_host_a_worker(
    plugin: Path, tmp_path: Path
) -> None:
    home = tmp_path / "environment"
    from uv import find_uv_bin

    uv = find_uv_bin()
    python = home / "bin" / "python"
    versions = [f"{name}=={version(name)}" for name in ("numpy", "msgspec")]
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, home], check=True)
    install: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python]
    subprocess.run([*install, *versions], check=True, env={**os.environ, "UV_SYSTEM_CERTS": "1"})
    listed = subprocess.run(
        [uv, "pip", "list", "--quiet", "--python", python, "--format", "freeze"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert sorted(listed.stdout.split()) == sorted(versions)

    async def main() -> None:
        sandbox = Sandbox(reads=(plugin.parent,))
        environment = Environment(python, "bare")
        one = await WorkerProcess.start(environment, tmp_path / "packages", print, sandbox)
        try:
            image = np.arange(1 << 18, dtype=np.uint16).reshape(512, 512)
            answer = await one.run(call(plugin, "double", ("image",), image=image))
            np.testing.assert_array_equal(answer.outputs[0], image * 2)
            with pytest.raises(ValueError, match="too dark"):
                await one.run(call(plugin, "fails", ("labels",), image=image))
        finally:
            await one.stop()

    run(main(), 60)
    again = worker_package(tmp_path / "packages")
    (made,) = (tmp_path / "packages").iterdir()
    assert made == again
    names = {path.name for path in (made / "opsin").iterdir()} - {"__pycache__"}
    assert names == {
        *("__init__.py", "errors.py", "forkserver.py", "rpc", "sandbox", "types.py"),
        *("worker_beside.py", "worker_imjoy", "worker_main.py", "worker_napari.py"),
        "worker_trial.py",
    }


def test_the_memory_of_a_run_is_measured(plugin: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with worker(tmp_path) as one:
            for size in (100, 20):  # each run by itself
                asked = call(plugin, "memory", ("image",), image=PIXELS, parameters={"size": size})
                assert size * 0.9 < (await one.run(asked)).memory / 2**20 < size + 30

    run(main(), 60)


@pytest.mark.parametrize("size", [10, 1000])
def test_a_function_may_write_to_its_input(plugin: Path, tmp_path: Path, size: int) -> None:
    """As it may where it is called directly; the host does not see it."""
    image = np.arange(100, 100 + size * size, dtype=np.uint32).reshape(size, size)
    shared = shared_arrays.empty(image.shape, image.dtype)
    shared[...] = image

    async def main() -> None:
        async with worker(tmp_path) as one:
            answer = await one.run(call(plugin, "in_place", ("image",), image=shared))
            np.testing.assert_array_equal(answer.outputs[0], image - 100)
            np.testing.assert_array_equal(shared, image)

    run(main(), 60)


def test_the_last_words_of_a_call_are_its_own(plugin: Path, tmp_path: Path) -> None:
    async def main() -> None:
        said: list[list[str]] = []
        async with worker(tmp_path) as one:
            for word in ("end of a", "b", "", "grün"):
                said.append([])
                one.output = said[-1].append
                asked = call(plugin, "tail", ("image",), image=PIXELS, parameters={"word": word})
                await one.run(asked)
        assert said == [["end of a"], ["b"], [], ["grün"]]

    run(main(), 60)


def test_cancelling_twice_still_ends_what_runs(plugin: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with worker(tmp_path) as one:
            asked = call(plugin, "sleeps", ("image",), image=PIXELS)
            running = asyncio.ensure_future(one.run(asked))
            await asyncio.sleep(0.5)
            for _ in range(3):
                running.cancel()
                await asyncio.sleep(0.3)
            with pytest.raises(asyncio.CancelledError):
                await running
            assert one.is_busy
            assert not one.is_alive

    run(main(), 60)


def test_a_child_of_the_plugin_does_not_hide_that_the_worker_is_gone(
    plugin: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    children: list[psutil.Process] = []

    async def main() -> None:
        async with worker(tmp_path, lines.append) as one:
            running = asyncio.ensure_future(
                one.run(call(plugin, "forks", ("image",), image=PIXELS))
            )
            await until(lambda: lines)
            children.extend(psutil.Process(one.pid).children())
            before = time.monotonic()
            psutil.Process(one.pid).kill()
            with pytest.raises(WorkerLost, match="killed by signal 9"):
                await running
            assert time.monotonic() - before < 3

    run(main(), 60)
    (child,) = children
    assert_ends(child.pid)


def assert_ends(pid: int) -> None:
    deadline = time.monotonic() + 5
    while not has_ended(pid):
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.01)


def test_a_worker_that_takes_too_long_to_start_is_told_its_time(tmp_path: Path) -> None:
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\ncase $* in *compileall*) exit;; esac\nexec sleep 600\n")
    slow.chmod(0o755)

    async def main() -> None:
        granted = Supervision(start=0.5)
        with pytest.raises(WorkerLost, match=r"did not start within 0\.5 seconds\."):
            await WorkerProcess.start(Environment(slow, "slow"), tmp_path, supervision=granted)

    with nothing_leaks():
        run(main(), 60)
    assert not [one for one in psutil.Process().children() if one.name() == "sleep"]
