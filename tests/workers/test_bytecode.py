"""What isolated workers import is compiled once, and not by each."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from opsin.workers.bytecode import keep_compiled
from opsin.workers.environment import current
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.process import WorkerProcess
from tests.rpc.running import run
from tests.workers.plugins import call, write_plugin

SOURCE = """
from opsin.types import Image
import a_package_of_trial

def same(image: Image) -> Image:
    return image
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with packages of this environment."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "a_package_of_trial.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return folder


@pytest.mark.parametrize("level", ["bubblewrap", "landlock"])
def test_imported_modules_are_compiled_for_the_next_worker(
    level: str, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)
    (tmp_path / "plugin").mkdir()
    plugin = write_plugin(tmp_path / "plugin", SOURCE)

    async def main() -> list[str]:
        worker = await WorkerProcess.start(
            current(), tmp_path, print, Sandbox(reads=(plugin.parent,))
        )
        try:
            asked = call(plugin, "same", ("image",), image=np.ones((2, 2)))
            return [Path(one).name for one in (await worker.run(asked)).uncompiled]
        finally:
            await worker.stop()

    assert "a_package_of_trial.py" in run(main(), 60)
    (compiled,) = (packages / "__pycache__").iterdir()
    assert compiled.name.startswith("a_package_of_trial.")
    assert "a_package_of_trial.py" not in run(main(), 60)


def test_files_elsewhere_are_left_alone(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("VALUE = 1\n")
    link = packages / "link.py"
    link.symlink_to(tmp_path / "other.py")
    names = [tmp_path / "other.py", link, f"{packages}/no\nline.py", packages / "missing.py"]
    run(keep_compiled(current(), map(str, names)), 60)
    assert not list(tmp_path.rglob("__pycache__"))
