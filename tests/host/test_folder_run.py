"""A script on a folder, as a job: how far it is, how it ends, and that it ends with its host."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
import tifffile

from opsin.errors import UsageError
from opsin.host.folder_run import folder_job
from opsin.host.job import Job
from opsin.workers.supervision import Supervision
from tests.rpc.running import run, until

SUMS = """
import opsin
def process(image):
    return {"sums": {"sum": [int(image.read().sum())]}}
opsin.batch(process, "a.tif")
"""
SLOW = """
import os, pathlib, time, opsin
def process(image):
    print("x" * 10**6)
    pathlib.Path("running").write_text(str(os.getpid()))
    time.sleep(60)
    return {}
opsin.batch(process, "a.tif")
"""
HOST = """
import asyncio, sys
from pathlib import Path
from opsin.host.folder_run import folder_job
async def main():
    await folder_job("t", Path("slow.py").read_text(), *map(Path, sys.argv[1:])).wait()
asyncio.run(main())
"""


LIMITS = """
import os, opsin
def process(image):
    print("limits", os.environ["OPSIN_LIMITS"])
    return {}
opsin.batch(process, "a.tif")
"""


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(2):
        tifffile.imwrite(folder / f"{number}.tif", np.full((20, 30), number + 1, np.uint8))
    return folder


def test_the_script_has_the_limits_of_its_host(images: Path) -> None:
    async def main() -> Job:
        out, granted = images.parent / "out", Supervision(time=7, workers=3)
        job = folder_job("t", LIMITS, images, out, images.parent / "workspace", granted)
        await job.wait()
        return job

    job = run(main(), 60)
    assert job.state == "done", job.error
    assert f"limits {Supervision(time=7, workers=3).words()}" in job.log


def started(text: str, images: Path) -> Job:
    out = images.parent / "out"
    return folder_job("t", text, images, out, images.parent / "workspace")


def test_every_image_is_done_and_what_was_run_lies_beside(images: Path) -> None:
    (images / "notes.txt").write_text("no image")
    steps: list[tuple[float | None, float | None]] = []

    async def main() -> Job:
        job = started(SUMS, images)
        job.listen(lambda job: steps.append((job.done, job.total)))
        await job.wait()
        return job

    job = run(main(), 60)
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.message.startswith("1 of 3 failed. The others are in ")
    assert {(0, 3), (1, 3), (2, 3)} <= set(steps)
    out = images.parent / "out"
    assert (out / "1-sums.csv").read_text().split() == ["sum", "1200"]
    (script,) = out.glob("script-*.py")
    assert script.read_text() == SUMS
    (result,) = job.results
    assert (result.kind, result.path) == ("folder", out)


def test_it_can_be_cancelled_whatever_it_prints(images: Path) -> None:
    async def main() -> Job:
        job = started(SLOW, images)
        async with asyncio.timeout(30):
            await until(Path("running").exists)
        await asyncio.sleep(0.1)
        job.cancel()
        await job.wait()
        return job

    job = run(main(), 60)
    pid = int(Path("running").read_text())
    assert job.state == "cancelled"
    assert not psutil.pid_exists(pid)


def test_it_ends_with_its_host_also_if_that_is_killed(images: Path) -> None:
    Path("slow.py").write_text(SLOW)
    places = [images, images.parent / "out", images.parent / "workspace"]
    words = [sys.executable, "-c", HOST, *map(str, places)]
    with subprocess.Popen(words) as host:
        end = time.monotonic() + 30
        while not Path("running").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        time.sleep(0.1)
        pid = int(Path("running").read_text())
        os.kill(host.pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "it lives on"
        time.sleep(0.02)


def test_there_must_be_a_folder(images: Path) -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="is no folder"):
            started(SUMS, images / "nowhere")

    run(main(), 10)
