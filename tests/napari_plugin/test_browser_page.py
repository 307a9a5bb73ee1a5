"""The page beside napari: it ends when whoever started it does, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from opsin.napari.browser_page import SHOWN, program

PICTURE = Path(__file__).parents[1] / "data/nuclei/test/images/003.png"
STARTER = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                         stderr=subprocess.STDOUT)
for line in child.stdout:
    if {shown!r} in line:
        print(child.pid, flush=True)
"""


def test_it_ends_with_a_napari_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "written"
    folder.mkdir()
    (folder / "image").write_text("written for the page")
    command = [*program(folder), "view", str(PICTURE), "--no-browser"]
    with subprocess.Popen(
        [sys.executable, "-c", STARTER.format(shown=SHOWN), *command],
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        page = psutil.Process(int(starter.stdout.readline()))
        time.sleep(1)  # until it has said all: who cannot say it ends, too
        os.kill(starter.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while page.is_running() and page.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.05)
    assert not folder.exists()
