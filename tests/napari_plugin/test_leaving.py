"""However a napari ends in which jobs run, none of their processes is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from harness.bound import bound
from harness.screen import desktop

from tests.napari_plugin.conftest import ROOT
from tests.napari_plugin.trial import TRIAL


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("how", ["killed", "stays", "folder"])
def test_no_process_is_left(display: str, tmp_path: Path, how: str) -> None:
    plugin = tmp_path / "trial.py"
    plugin.write_text(TRIAL.lstrip())
    leaving = [sys.executable, "-W", "ignore", "-m", "tests.napari_plugin.leaving"]
    log = tmp_path / "log.txt"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            bound([*leaving, str(plugin), how]),
            cwd=ROOT,
            env=desktop(display, tmp_path),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        workers = [int(pid) for pid in process.stdout.readline().split()]
        assert workers, log.read_text()
        assert all(map(alive, workers))
        if how == "killed":
            process.send_signal(signal.SIGKILL)
        told = process.stdout.read().strip()
        code = process.wait(30)
    assert code == (-signal.SIGKILL if how == "killed" else 0), log.read_text()
    assert told == ("cancelled" if how == "stays" else "")
    end = time.monotonic() + 10
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    if how != "killed":  # otherwise it is removed the next time
        kept = [path for path in (tmp_path / "data" / "results").rglob("*.zarr") if path.is_dir()]
        assert len(kept) == (how == "folder"), "that of the step"
