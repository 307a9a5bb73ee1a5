"""Workers that are forked from a process that has loaded what they need, at each level."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from opsin.errors import UsageError, WorkerLost
from opsin.workers.environment import Environment, current
from opsin.workers.forkservers import Forkservers
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.process import WorkerProcess
from tests.rpc.process import has_ended, nothing_leaks
from tests.rpc.running import run, until
from tests.workers.plugins import call, write_plugin
from tests.workers.processes import workers_of

PIXELS = np.zeros(3)
SOURCE = '''
import ctypes, os, tempfile, time
from pathlib import Path
from opsin.types import Image, Table

def place(image: Image) -> Table:
    """Where it may write; it leaves something there."""
    folder = Path(tempfile.gettempdir())
    (folder / "mine").write_text("secret")
    return {"folder": [str(folder)], "home": [str(Path.home())], "here": [os.getcwd()]}

def look(image: Image, folder: str) -> Table:
    return {"found": sorted(path.name for path in Path(folder).glob("*"))}

def hides(image: Image) -> Table:
    """Start a process that leaves the group, the session and the family."""
    reading, writing = os.pipe()
    libc = ctypes.CDLL(None)  # past what Python does at a fork
    libc.prctl(36, 0, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: adopt nobody
    if libc.fork() == 0:
        os.setsid()
        if libc.fork() == 0:
            os.write(writing, b"here")
            print("hidden", flush=True)
            time.sleep(1000)
        os._exit(0)
    os.read(reading, 4)
    return {}

def peeks(image: Image) -> Table:
    """Read the memory of the process that it was forked from."""
    try:
        with open(f"/proc/{os.getppid()}/mem", "rb") as file:
            return {"error": [""]}
    except OSError as error:
        return {"error": [type(error).__name__]}

def waits(image: Image) -> Image:
    print("waiting", flush=True)
    time.sleep(1000)
'''

each_level = pytest.mark.parametrize("level", ["bubblewrap", "landlock", "none"])


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    return write_plugin(tmp_path, SOURCE)


@asynccontextmanager
async def forking(folder: Path, **options: Any) -> AsyncIterator[Forkservers]:
    servers = Forkservers(folder, **options)
    try:
        yield servers
    finally:
        await servers.close()


async def started(servers: Forkservers, plugin: Path, output: Any = print) -> WorkerProcess:
    sandbox = Sandbox(reads=(plugin.parent,))
    return await WorkerProcess.start(current(), plugin.parent, output, sandbox, forkservers=servers)


async def asked(worker: WorkerProcess, plugin: Path, function: str, **parameters: Any) -> Any:
    answer = await worker.run(
        call(plugin, function, ("table",), image=PIXELS, parameters=parameters)
    )
    return answer.outputs[0]


def folder(inside: Path, name: str) -> Path:
    (inside / name).mkdir()
    return inside / name


def parent_of(worker: WorkerProcess) -> psutil.Process:
    return psutil.Process(worker.pid).parent()


@each_level
def test_workers_come_from_one_process_and_have_folders_of_their_own(
    level: str, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)

    async def main() -> None:
        with nothing_leaks():
            async with forking(tmp_path) as servers:
                one, two = await asyncio.gather(*(started(servers, plugin) for _ in range(2)))
                assert parent_of(one) == parent_of(two)
                assert {process.pid for process in workers_of()} >= {one.pid, two.pid}
                place, other = [await asked(it, plugin, "place") for it in (one, two)]
                if level != "none":
                    assert place["folder"] != other["folder"]
                    assert place["here"] == place["folder"]
                    assert place["home"] == [f"{place['folder'][0]}/home"]
                    (folder,) = place["folder"]
                    found = await asked(one, plugin, "look", folder=folder)
                    assert "mine" in found["found"]
                    await one.stop()
                    found = await asked(two, plugin, "look", folder=folder)
                    assert list(found["found"]) == [], "what it wrote goes with it"
                server = parent_of(two)
                await one.stop()
                await two.stop()
                assert server.is_running()
        assert has_ended(server.pid)

    run(main(), 60)


@each_level
def test_nothing_is_left_of_a_worker_that_was_killed_and_others_go_on(
    level: str, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)

    async def main() -> None:
        async with forking(tmp_path) as servers:
            one, two = [await started(servers, plugin) for _ in range(2)]
            server = parent_of(one)
            await asked(one, plugin, "hides")
            await until(lambda: len(server.children(recursive=True)) == 3)
            (hidden,) = set(server.children(recursive=True)) - {
                psutil.Process(it.pid) for it in (one, two)
            }
            psutil.Process(one.pid).kill()
            with pytest.raises(WorkerLost, match="killed by signal 9"):
                await asked(one, plugin, "place")
            await until(lambda: has_ended(hidden.pid))
            await asked(two, plugin, "place")
            await one.stop()
            await two.stop()

    run(main(), 60)


@each_level
def test_when_the_forkserver_is_killed_its_workers_end_and_the_next_has_another(
    level: str, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)

    async def main() -> None:
        with nothing_leaks():
            async with forking(tmp_path) as servers:
                lines: list[str] = []
                one = await started(servers, plugin, lines.append)
                running = asyncio.ensure_future(asked(one, plugin, "waits"))
                await until(lambda: lines == ["waiting"])
                parent_of(one).kill()
                with pytest.raises(WorkerLost, match="killed by signal 9"):
                    await running
                await until(lambda: has_ended(one.pid))
                two = await started(servers, plugin)
                await asked(two, plugin, "place")
                await one.stop()
                await two.stop()

    run(main(), 60)


@pytest.mark.parametrize("level", ["bubblewrap", "landlock"])
def test_a_worker_does_not_reach_what_later_ones_begin_with(
    level: str, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)

    async def main() -> None:
        async with forking(tmp_path) as servers:
            one = await started(servers, plugin)
            assert (await asked(one, plugin, "peeks"))["error"] == ["PermissionError"]
            await one.stop()

    run(main(), 60)


def test_those_that_are_idle_for_long_or_too_many_go(plugin: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with forking(tmp_path, most_idle=1) as servers:
            one = await started(servers, plugin)
            server = parent_of(one)
            await one.stop()
            two = await started(servers, write_plugin(folder(tmp_path, "two"), SOURCE))
            second = parent_of(two)
            await two.stop()
            three = await started(servers, write_plugin(folder(tmp_path, "three"), SOURCE))
            await until(lambda: has_ended(server.pid))
            assert second.is_running()
            await three.stop()
        async with forking(tmp_path, idle_seconds=0.2) as servers:
            one = await started(servers, plugin)
            server = parent_of(one)
            await asyncio.sleep(0.5)
            assert server.is_running(), "it has a worker"
            await one.stop()
            await until(lambda: has_ended(server.pid))

    run(main(), 60)


def test_other_variables_are_another_forkserver(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with forking(tmp_path) as servers:
            one = await started(servers, plugin)
            monkeypatch.setenv("OMP_NUM_THREADS", "1")
            two = await started(servers, plugin)
            assert parent_of(one) != parent_of(two)
            await one.stop()
            await two.stop()

    run(main(), 60)


def test_a_start_that_is_broken_off_or_fails_leaves_nothing(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", "landlock")
    temporary = folder(tmp_path, "temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    async def main() -> None:
        with nothing_leaks():
            async with forking(tmp_path) as servers:
                for seconds in (0.0, 0.02, 0.1):
                    with suppress(TimeoutError):
                        async with asyncio.timeout(seconds):
                            await started(servers, plugin)
                broken = tmp_path / "python"
                broken.write_text("#!/bin/sh\nexit 7\n")
                broken.chmod(0o755)
                for _ in range(2):
                    with pytest.raises(WorkerLost, match="it ended with status 7"):
                        await WorkerProcess.start(
                            Environment(broken, "broken"), tmp_path, forkservers=servers
                        )
                one = await started(servers, plugin)
                await one.stop()

    run(main(), 60)
    assert list(temporary.iterdir()) == []


def test_a_level_that_there_is_not_is_said(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", "castle")

    async def main() -> None:
        async with forking(tmp_path) as servers:
            with pytest.raises(UsageError, match="and not castle"):
                await started(servers, plugin)

    run(main(), 60)


def test_without_forking_each_is_a_program_of_its_own(plugin: Path, tmp_path: Path) -> None:
    async def main() -> None:
        with nothing_leaks():
            async with forking(tmp_path, forks=False) as servers:
                one = await WorkerProcess.start(current(), tmp_path, forkservers=servers)
                assert parent_of(one).pid == os.getpid()
                await asked(one, plugin, "place")
                await one.stop()

    run(main(), 60)
