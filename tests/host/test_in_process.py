"""In process: an operation that the user trusts runs in this very process, and is told so."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import opsin
from opsin.errors import PluginError, UsageError
from opsin.host.blocking import PluginFunctions
from opsin.host.host import Host
from opsin.host.host_thread import HostThread
from opsin.host.job import Job
from opsin.host.selection import Whole
from opsin.host.workspace import Workspace
from opsin.workers.in_process import STAYS
from tests.host.hosting import hosting, layer, worker_processes

TRIAL = """
import os, random, sys, threading
import numpy as np
from opsin.types import Image, Labels, LazyImage, Metadata, Table, progress

kept = []
gate = threading.Event()
began = threading.Event()

def who(image: Image) -> Table:
    return {"pid": [os.getpid()]}

def noise(image: Image, scale: float = 1.0) -> Image:
    print("noise", scale)
    image += 1
    return (np.random.rand(*image.shape) + random.random()) * scale

def keeps(image: Image) -> Image:
    if not kept:
        kept.append(image.copy())
    kept[0] += 1
    return kept[0]

def parts(image: LazyImage, where: Metadata) -> Table:
    return {"sum": [int(np.asarray(image[2:4, ::2]).sum())], "scale": [where.scale[0]],
            "is": [type(image).__name__]}

def fails(image: Image) -> Image:
    print("one\\ntwo", end="", file=sys.stderr)
    return helper(image)

def helper(image):
    raise KeyError("no dice")

def wrong(image: Image) -> Labels:
    return image / 2

def leaves(image: Image) -> Image:
    sys.exit(3)

def loops(image: Image) -> Image:
    for _ in progress(range(10**9)):
        began.set()
    return image

def waits(image: Image) -> Image:
    began.set()
    gate.wait()
    return image

def asks(image: Image) -> Image:
    import opsin
    return opsin.run(f"{__file__}:keeps", image, in_process=True)
"""


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginFunctions]:
    HostThread.end_shared()
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    (tmp_path / "trial.py").write_text(TRIAL)
    loaded = opsin.load(tmp_path / "trial.py", in_process=True)
    assert isinstance(loaded, PluginFunctions)
    yield loaded
    HostThread.end_shared()


def random_states() -> str:
    return str((random.getstate(), np.random.get_state()))


def loaded(folder: Path) -> Any:
    """The module of the plugin, which is in this process."""
    found = (one for one in list(sys.modules.values()) if hasattr(one, "__file__"))
    return next(one for one in found if one.__file__ == str(folder / "trial.py"))


def test_it_runs_here_and_gives_what_a_worker_gives(
    trial: PluginFunctions, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image, address = np.zeros((4, 5)), f"{tmp_path / 'trial.py'}:"
    assert trial.who(image)["pid"] == [os.getpid()]
    assert opsin.run(f"{address}who", image, in_process=True)["pid"] == [os.getpid()]
    assert opsin.run(f"{address}who", image)["pid"] != [os.getpid()]

    before, states = sys.stdout, random_states()
    capfd.readouterr()
    here = trial.noise(image, scale=3)
    assert "noise 3" in capfd.readouterr().err  # where a script has the lines of a worker
    np.testing.assert_array_equal(here, opsin.run(f"{address}noise", image, scale=3))
    assert not image.any()  # it is changed where it is the plugin's
    assert sys.stdout is before
    assert random_states() == states
    stack = opsin.image_from_array(np.zeros((2, 4, 5)), axes="zyx")
    np.testing.assert_array_equal(
        trial.noise(stack).read(), opsin.run(f"{address}noise", stack).read()
    )


def test_what_it_gives_is_not_its_own_any_more(trial: PluginFunctions) -> None:
    first = trial.keeps(np.zeros((3, 3)))
    second = trial.keeps(np.zeros((3, 3)))
    assert (first.max(), second.max()) == (1, 2)
    stack = trial.keeps(opsin.image_from_array(np.zeros((3, 3, 3)), axes="zyx"))
    assert [plane.max() for plane in stack.read()] == [3, 4, 5]


def test_lazy_images_are_read_in_parts(trial: PluginFunctions) -> None:
    array = np.arange(200).reshape(10, 20)
    for given in (zarr.array(array, chunks=(5, 5)), opsin.image_from_array(array, scale=[3, 3])):
        found = trial.parts(given)
        assert found["sum"] == [array[2:4, ::2].sum()]
        assert list(found["is"]) == ["LocalArray"]
    assert found["scale"] == [3]


def test_its_errors_are_those_of_a_function(trial: PluginFunctions) -> None:
    image = np.zeros((3, 3))
    with pytest.raises(KeyError, match="no dice"):
        trial.fails(image)
    with pytest.raises(PluginError, match="promises labels, which are whole numbers"):
        trial.wrong(image)
    with pytest.raises(RuntimeError, match="leaves wanted to end the program: SystemExit"):
        trial.leaves(image)
    with pytest.raises(UsageError, match="keeps would wait for the operation that calls it"):
        trial.asks(image)
    with pytest.raises(UsageError, match="scale"):
        trial.noise(image, scale="x")


def start(host: Host, folder: Path, operation: str) -> Job:
    (folder / "trial.py").write_text(TRIAL)
    registered = host.registry.add(folder / "trial.py")
    program = host.program(registered, operation, {}, in_process=True)
    return host.run(program, {"image": layer(np.zeros((4, 5)))}, Whole())


def test_its_job_says_so_and_has_its_lines_and_its_frames(tmp_path: Path) -> None:
    async def run() -> None:
        async with hosting(tmp_path, has_user=True) as host:
            job = start(host, tmp_path, "fails")
            await job.wait()
            assert list(job.log) == ["one", "two"]
            assert job.isolation == "in process"
            assert job.error is not None
            assert (job.error.type, job.error.message) == ("KeyError", "'no dice'")
            frames = [one for one in job.error.traceback.splitlines() if "File" in one]
            assert [one.split()[-1] for one in frames] == ["fails", "helper"]
            assert worker_processes() == []
            done = start(host, tmp_path, "noise")
            await done.wait()
            assert (done.state, done.isolation) == ("done", "in process")
            assert done.step is not None
            assert done.step.isolation == "in process"
            assert any(one.startswith("numpy==") for one in done.step.packages)

    asyncio.run(run())


def test_what_others_print_meanwhile_is_not_its(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        async with hosting(tmp_path, has_user=True) as host:
            job = start(host, tmp_path, "waits")
            module = await there(tmp_path)
            print("by another thread")
            module.gate.set()
            await job.wait()
            assert (job.state, list(job.log)) == ("done", [])

    asyncio.run(run())
    assert capsys.readouterr().out == "by another thread\n"


async def there(folder: Path) -> Any:
    """The plugin's module, once its operation runs."""
    async with asyncio.timeout(30):
        while True:
            try:
                module = loaded(folder)
                if module.began.is_set():
                    return module
            except (StopIteration, AttributeError):
                pass
            await asyncio.sleep(0.01)


def test_cancelled_it_ends_where_it_reports_progress(tmp_path: Path) -> None:
    async def run() -> None:
        async with hosting(tmp_path, has_user=True) as host:
            job = start(host, tmp_path, "loops")
            await there(tmp_path)
            job.cancel()
            await job.wait()
            assert job.state == "cancelled"
            assert STAYS not in job.log

    asyncio.run(run())


def test_what_reports_no_progress_goes_on_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsin.workers.in_process.TERMINATE_AFTER", 0.1)

    async def run() -> None:
        async with hosting(tmp_path, has_user=True) as host:
            job = start(host, tmp_path, "waits")
            module = await there(tmp_path)
            second = start(host, tmp_path, "who")  # one at a time
            job.cancel()
            async with asyncio.timeout(30):
                while STAYS not in job.log:  # noqa: ASYNC110 # nothing tells
                    await asyncio.sleep(0.01)
            assert not job.has_ended
            second.cancel()
            await second.wait()
            assert second.state == "cancelled"
            module.gate.set()
            await job.wait()
            assert job.state == "cancelled"
            again = start(host, tmp_path, "who")
            await again.wait()
            assert again.state == "done"

    asyncio.run(run())
    for thread in threading.enumerate():
        if thread.name == "opsin in process":  # has said its last, and is about to end
            thread.join(10)
            assert not thread.is_alive()


HEADER = """# /// script
# requires-python = "{}"
# dependencies = {}
# ///
"""


@pytest.mark.parametrize(
    ("python", "packages", "said"),
    [
        (
            ">=3.9",
            '["numpy<1", "no-such-package>=2", "msgspec", "zarr; python_version < \'3\'"]',
            (
                "this process: numpy .* is not <1, no-such-package is not installed. Install what "
                "is missing with `pip install 'numpy<1' 'no-such-package>=2'` and start this"
            ),
        ),
        (">=4", "[]", "Python 3.* is not >=4. Let it run in a process of its own"),
        (">=3.9", '["six @ https://localhost/six.whl"]', "six is wanted from https"),
    ],
)
def test_what_is_missing_here_is_said(
    python: str, packages: str, said: str, tmp_path: Path, trial: PluginFunctions
) -> None:
    (tmp_path / "needs.py").write_text(HEADER.format(python, packages) + TRIAL)
    with pytest.raises(UsageError, match=said):
        opsin.load(tmp_path / "needs.py", in_process=True)
    with pytest.raises(UsageError, match=said):
        opsin.run(f"{tmp_path / 'needs.py'}:who", np.zeros((2, 2)), in_process=True)


def test_a_host_that_serves_others_refuses(tmp_path: Path) -> None:
    async def run() -> None:
        async with Host(Workspace(tmp_path / "data"), front_end="browser") as host:
            (tmp_path / "trial.py").write_text(TRIAL)
            registered = host.registry.add(tmp_path / "trial.py")
            with pytest.raises(UsageError, match="serves others"):
                host.program(registered, "who", {}, in_process=True)

    asyncio.run(run())


def test_what_changes_on_the_disk_is_loaded_anew(tmp_path: Path, trial: PluginFunctions) -> None:
    def value(text: str, beside: str) -> int:
        (tmp_path / "beside_it.py").write_text(f"VALUE = {beside}\n")
        os.utime(tmp_path / "beside_it.py", ns=(int(beside), int(beside)))
        (tmp_path / "plugin_of_two.py").write_text(text)
        found = opsin.load(tmp_path / "plugin_of_two.py", in_process=True).value(np.zeros((2, 2)))
        return int(found["value"][0])

    text = "import beside_it\nfrom opsin.types import Image, Table\n"
    text += "def value(image: Image) -> Table:\n    return {'value': [beside_it.VALUE]}\n"
    assert value(text, "1") == 1
    assert value(text, "1") == 1
    assert value(text, "2") == 2
    assert value(text.replace("VALUE]", "VALUE + 10]"), "2") == 12
    assert value(text, "3") == 3
    sys.modules.pop("beside_it", None)


def test_a_module_of_the_program_stays(
    tmp_path: Path, trial: PluginFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine_own.py").write_text("VALUE = 1\n")
    import mine_own  # type: ignore[import-not-found]

    text = "import mine_own\nfrom opsin.types import Image, Table\n"
    text += "def value(image: Image) -> Table:\n    return {'value': [mine_own.VALUE]}\n"
    (tmp_path / "user.py").write_text(text)
    run: Callable[..., Any] = opsin.load(tmp_path / "user.py", in_process=True).value
    assert run(np.zeros((2, 2)))["value"] == [1]
    os.utime(tmp_path / "mine_own.py", ns=(7, 7))
    assert run(np.zeros((2, 2)))["value"] == [1]
    assert sys.modules["mine_own"] is mine_own
    del sys.modules["mine_own"]


def test_an_interrupted_call_is_cancelled(trial: PluginFunctions, tmp_path: Path) -> None:
    """As Ctrl-C does it: what waits for the host is interrupted, and the operation ends."""
    host = HostThread.shared()
    registered = host.host.registry.add(tmp_path / "trial.py")
    program = host.host.program(registered, "loops", {}, in_process=True)
    asked = host.begin(host.host.call(program, {"image": np.zeros((2, 2))}, print))
    asyncio.run(there(tmp_path))
    asked.cancel()
    with pytest.raises(CancelledError):
        asked.result()
    assert trial.who(np.zeros((2, 2)))["pid"] == [os.getpid()]  # so the other one has ended
