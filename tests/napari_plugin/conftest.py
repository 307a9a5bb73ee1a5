"""A real napari under a real X server, in a process of its own that plays scenes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.bound import bound
from harness.screen import desktop, screen

ROOT = Path(__file__).parents[2]


class Stage:
    """The process in which napari runs. What a scene returns comes back as JSON."""

    def __init__(self, display: str, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "log.txt"
        command = [sys.executable, "-W", "ignore", "-m", "tests.napari_plugin.stage"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                bound(command),
                cwd=ROOT,
                env=desktop(display, folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def play(self, scene: str, **arguments: Any) -> Any:
        """What the scene `module:function` returns."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = json.dumps({"scene": scene, "arguments": arguments})
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            pytest.fail(f"napari has ended: {self._log.read_text()[-3000:]}")
        told = json.loads(answer)
        if "error" in told:
            pytest.fail(told["error"])
        return told["result"]

    def close(self) -> None:
        """End napari, and wait until it has."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(120)
        self.process.stdout.close()


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """An X server that nobody else uses. It is killed with this process, however that ends."""
    with screen() as display:
        yield display


@pytest.fixture(scope="module")
def stage(display: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A napari with an empty viewer, of each file its own: docks leave the window wider."""
    stage = Stage(display, tmp_path_factory.mktemp("napari"))
    yield stage
    stage.close()
    assert stage.process.returncode == 0
