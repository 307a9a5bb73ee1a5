"""Isolated workers cannot break out; without isolation the same attempts succeed.

What each test tries is in `tests.workers.escapes`. A level that does not work here fails its tests:
they are never skipped.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from opsin.errors import UsageError, WorkerLost
from opsin.rpc import shared_arrays
from opsin.workers.environment import current
from opsin.workers.isolation.launch import level_for, works
from opsin.workers.isolation.sandbox import Limits, Sandbox
from opsin.workers.process import WorkerProcess
from tests.rpc.process import has_ended, nothing_leaks
from tests.rpc.running import run, until
from tests.workers.escapes import SOURCE
from tests.workers.plugins import call, write_plugin

ISOLATED = ("bubblewrap", "landlock")
LEVELS = ("none", *ISOLATED)
PIXELS = np.ones((4, 4))
MIB = 2**20

each_level = pytest.mark.parametrize("level", LEVELS)
each_isolated = pytest.mark.parametrize("level", ISOLATED)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    folder = tmp_path / "plugin"
    folder.mkdir()
    return write_plugin(folder, SOURCE, "escapes.py")


@pytest.fixture(autouse=True)
def at_level(level: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the attempts may harm without isolation lies in the folder of the test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("OPSIN_ISOLATION", level)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # they count
    monkeypatch.setattr("opsin.workers.isolation.watch.INTERVAL", 0.1)
    monkeypatch.setattr("opsin.workers.isolation.watch.SHARE", 1)


async def started(plugin: Path, output: Callable[[str], None], **options: Any) -> WorkerProcess:
    sandbox = Sandbox((plugin.parent,), **options)
    return await WorkerProcess.start(current(), plugin.parent, output, sandbox)


def tried(plugin: Path, function: str, *, options: Any = None, **parameters: Any) -> list[str]:
    """What an attempt says that it achieved."""

    async def main() -> list[str]:
        worker = await started(plugin, print, **(options or {}))
        try:
            inputs = {} if "image" not in signature(function) else {"image": PIXELS}
            asked = call(plugin, function, ("table",), parameters=parameters, **inputs)
            return list((await worker.run(asked)).outputs[0]["said"])
        finally:
            await worker.stop()

    said: list[str] = run(main(), 60)
    return said


def signature(function: str) -> str:
    return SOURCE.partition(f"def {function}(")[2].partition(")")[0]


def outcomes(said: list[str]) -> set[str]:
    """`yes`, `no` or both."""
    assert said
    return {one.partition(":")[0] for one in said}


@each_isolated
def test_both_levels_work_here(level: str) -> None:
    assert works(level)
    assert level_for(Sandbox()).name == level


@each_level
def test_keys_of_the_user_are_not_read(level: str, plugin: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").write_text("a secret key")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        said = tried(plugin, "reads", home=str(home))
    if level == "none":
        assert [one.partition(":")[0] for one in said[:4]] == ["yes"] * 4
        assert "a secret key" in said[0]
    else:
        assert outcomes(said) == {"no"}, said


@each_level
def test_variables_may_be_secrets(
    level: str, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "opensesame")
    own, host = tried(plugin, "environment")
    if level == "none":
        assert (own, host[:3]) == ("True", "yes")
    else:
        assert own == "False"
        assert host.startswith("no") or "opensesame" not in host


@each_level
def test_nothing_is_written_outside(level: str, plugin: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    for name in ("kept", "gone", "long", "mode"):
        (place / name).write_text("as it was")
        (place / name).chmod(0o600)
    before = sorted((one.name, one.stat().st_mode) for one in place.iterdir())
    said = tried(plugin, "writes", folder=str(place))
    after = sorted((one.name, one.stat().st_mode) for one in place.iterdir())
    if level == "none":
        assert outcomes(said) == {"yes"}, said
        assert [name for name, _ in after] == ["long", "made", "mode", "new", "renamed", "sent"]
    else:
        assert after == before
        assert {(place / name).read_text() for name, _ in after} == {"as it was"}
        assert (place / "mode").stat().st_mtime > 1
        assert [one.name for one in plugin.parent.glob("*.py")] == ["escapes.py"]
        assert plugin.read_text() == SOURCE


@each_level
def test_no_socket_leads_out(level: str, plugin: Path, tmp_path: Path) -> None:
    path, name = str(tmp_path / "s"), f"opsin-escape-{os.getpid()}"
    with ExitStack() as opened:

        def bound(family: int, kind: int, address: Any) -> socket.socket:
            made = opened.enter_context(closing(socket.socket(family, kind)))
            made.bind(address)
            made.settimeout(0.1)
            if kind == socket.SOCK_STREAM:
                made.listen()
            return made

        here = ("127.0.0.1", 0)
        tcp = bound(socket.AF_INET, socket.SOCK_STREAM, here)
        udp = bound(socket.AF_INET, socket.SOCK_DGRAM, here)
        unix = bound(socket.AF_UNIX, socket.SOCK_STREAM, path)
        abstract = bound(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{name}")
        said = tried(
            plugin,
            "connects",
            port=tcp.getsockname()[1],
            datagrams=udp.getsockname()[1],
            path=path,
            name=name,
        )
        heard = []
        for one in (tcp, unix, abstract):
            try:
                one.accept()[0].close()
                heard.append(True)
            except TimeoutError:
                heard.append(False)
        try:
            heard.append(udp.recv(9) == b"udp")
        except TimeoutError:
            heard.append(False)
    assert heard == [level == "none"] * 4, said


VICTIM = """
import ctypes, sys, time
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # may be traced by any
secret = ctypes.create_string_buffer(b"a secret of its own")
print(ctypes.addressof(secret), flush=True)
time.sleep(60)
"""


@pytest.fixture
def victim() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process, and where in its memory it keeps a secret."""
    process = subprocess.Popen([sys.executable, "-c", VICTIM], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        process.kill()


@each_level
def test_other_processes_are_not_looked_into(
    level: str, plugin: Path, victim: tuple[subprocess.Popen[str], int]
) -> None:
    process, address = victim
    said = tried(plugin, "traces", pid=process.pid, address=address)
    assert outcomes(said) == ({"yes"} if level == "none" else {"no"}), said
    assert ("a secret" in said[1]) == (level == "none")


@each_level
def test_other_processes_get_no_signals(
    level: str, plugin: Path, victim: tuple[subprocess.Popen[str], int]
) -> None:
    process, _ = victim
    said = tried(plugin, "signals", pid=process.pid)
    if level == "none":
        assert process.wait(5) == -15, said
    else:
        assert outcomes(said) == {"no"}, said
        assert process.poll() is None


def achieved(plugin: Path, function: str, limits: Limits, **parameters: Any) -> bool:
    """Whether more was taken than `limits` allow. A worker that does so may be ended for it."""
    try:
        said = tried(plugin, function, options={"limits": limits}, **parameters)
    except WorkerLost as error:
        if "The worker was ended: it " in str(error):
            return False
        raise
    return outcomes(said) == {"yes"}


@each_level
@pytest.mark.parametrize("function", ["forks", "threads"])
def test_only_so_many_processes(level: str, plugin: Path, function: str) -> None:
    assert achieved(plugin, function, Limits(processes=60)) == (level == "none")


@each_level
def test_only_so_much_memory(level: str, plugin: Path) -> None:
    limits = Limits(memory=200 * MIB)
    assert achieved(plugin, "takes", limits, size=300) == (level == "none")
    assert achieved(plugin, "takes", limits, size=50)


@each_level
def test_only_so_much_memory_together(level: str, plugin: Path) -> None:
    limits = Limits(memory=200 * MIB)
    assert achieved(plugin, "takes_together", limits, size=80) == (level == "none")


@each_level
def test_only_so_much_of_the_disk(level: str, plugin: Path) -> None:
    limits = Limits(disk=16 * MIB)
    assert achieved(plugin, "fills", limits, size=5) == (level == "none")
    assert achieved(plugin, "fills", limits, size=1)


@each_level
def test_a_result_does_not_change_after_it_was_checked(level: str, plugin: Path) -> None:
    async def main() -> set[int]:
        worker = await started(plugin, print)
        try:
            answer = await worker.run(call(plugin, "changes", ("image",), image=PIXELS))
            (result,) = answer.outputs
            assert set(np.unique(result)) == {1}
            await asyncio.sleep(1)
            return set(np.unique(result).tolist())
        finally:
            await worker.stop()

    assert run(main(), 60) == ({66} if level == "none" else {1})


@each_level
def test_what_was_given_cannot_be_written_to(level: str, plugin: Path) -> None:
    """Not even at the level `none`: memory is sealed before it is handed over."""
    image = shared_arrays.empty((512, 512), np.uint8)
    image[...] = 7

    async def main() -> list[str]:
        worker = await started(plugin, print)
        try:
            asked = call(plugin, "writes_input", ("table",), image=image)
            return list((await worker.run(asked)).outputs[0]["said"])
        finally:
            await worker.stop()

    assert outcomes(run(main(), 60)) == {"no"}
    assert set(np.unique(image)) == {7}


@each_level
def test_no_other_view_of_the_files(level: str, plugin: Path) -> None:
    said = tried(plugin, "views")
    assert outcomes(said) == ({"yes"} if level == "none" else {"no"}), said


@pytest.mark.parametrize("version", [1, 3, 5])
@pytest.mark.parametrize("level", ["landlock"])
def test_older_kernels_know_less_of_landlock(
    level: str, version: int, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer one understands the rules of an older one."""
    monkeypatch.setattr("opsin.sandbox.landlock.version", lambda: version)
    test_nothing_is_written_outside(level, plugin, tmp_path)
    if version > 1:  # the first moves no file into another folder
        assert tried(plugin, "own")[2] == "mine"
    assert "signals" not in level_for(Sandbox()).enforced


@each_isolated
def test_what_a_plugin_needs_it_has(level: str, plugin: Path) -> None:
    folder, home, text, squares = tried(plugin, "own")
    assert home == f"{folder}/home"
    assert (text, squares) == ("mine", "[1, 2]")
    assert level == "bubblewrap" or not Path(folder).exists(), "it is removed"


@each_isolated
def test_a_process_that_leaves_its_group_ends_with_the_worker(level: str, plugin: Path) -> None:
    lines: list[str] = []

    async def main() -> list[psutil.Process]:
        worker = await started(plugin, lines.append)
        asked = call(plugin, "strays", ("table",), image=PIXELS)
        running = asyncio.ensure_future(worker.run(asked))
        await until(lambda: "stray" in lines)
        top = psutil.Process(worker.pid)
        outer = top if level == "landlock" else top.parent()
        found = [*top.children(recursive=True), *outer.children(recursive=True)]
        await asyncio.sleep(0.5)  # so that it is seen
        psutil.Process(worker.pid).kill()
        with pytest.raises(WorkerLost, match="killed by signal 9"):
            await running
        await worker.stop()
        return [one for one in found if one.pid != os.getpid()]

    with nothing_leaks():
        found = run(main(), 60)
    assert len(found) >= 1
    deadline = time.monotonic() + 5
    while not all(has_ended(one.pid) for one in found):
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


@pytest.mark.parametrize("level", ["gvisor"])
def test_a_level_that_is_not_there_is_refused(level: str) -> None:
    with pytest.raises(UsageError, match="is bubblewrap, landlock or none, and not gvisor"):
        level_for(Sandbox())
