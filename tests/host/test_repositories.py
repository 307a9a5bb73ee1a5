"""A plugin finds the repositories that it asks for in its working folder, isolated or not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace as replaced

from opsin.errors import UsageError
from opsin.host.registry import Registered, read_registered
from opsin.host.selection import Whole
from opsin.plugins.imjoy_needs import Repository, needs
from tests.host.hosting import hosting, layer
from tests.workers.git_repositories import repository

PLUGIN = '''
import os
from pathlib import Path

import trial_code

from opsin.types import Image, Table


def told(image: Image) -> Table:
    """Reads what lies in a repository, imports from it and from beside it, and tries to write."""
    written = "kept"
    try:
        Path("models/mine.txt").write_text("mine")
        written = "changed"
    except OSError:
        pass
    return {
        "weights": [Path("models/weights.txt").read_text()],
        "code": [trial_code.VALUE],
        "repository": [written],
    }
'''


def asking(folder: Path) -> Registered:
    """The plugin, with what a reader of its file would find."""
    (folder / "plugin.py").write_text(PLUGIN)
    asked = {
        "models": repository(folder / "one", {"weights.txt": "3"}),
        "trial_code": repository(folder / "two", {"__init__.py": "VALUE = 4\n"}),
    }
    found = read_registered(folder / "plugin.py")
    assert found.plugin is not None
    plugin = replaced(found.plugin, repositories=asked)
    return Registered(found.id, found.path, plugin, None, found.stamp)


@pytest.mark.parametrize("level", ["bubblewrap", "landlock", "none"])
def test_it_works_among_its_repositories(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)
    here = Path.cwd()

    async def run() -> None:
        async with hosting(tmp_path) as host:
            program = host.program(asking(tmp_path / "a"), "told", {})
            for turn in range(2):
                job = host.run(program, {"image": layer(np.zeros((4, 5)))}, Whole())
                await job.wait()
                assert job.error is None, job.error
                (result,) = job.results
                written = "changed" if level == "none" else "kept"
                assert result.path.read_text().split()[-1] == f"3,4,{written}"
                assert ("Cloning" in "".join(job.log)) == (turn == 0)

    (tmp_path / "a").mkdir()
    asyncio.run(run())
    assert Path.cwd() == here


def test_it_does_not_run_in_the_process_of_others(tmp_path: Path) -> None:
    async def run() -> None:
        async with hosting(tmp_path, has_user=True) as host:
            registered = asking(tmp_path / "a")
            with pytest.raises(UsageError, match="wants a working folder of its own"):
                host.program(registered, "told", {}, in_process=True)

    (tmp_path / "a").mkdir()
    asyncio.run(run())


def test_a_repository_that_is_not_there_fails_the_job_with_a_reason(tmp_path: Path) -> None:
    (one,) = needs(["repo: https://127.0.0.1:9/user/models"]).repositories
    assert one == Repository("https://127.0.0.1:9/user/models", "models")

    async def run() -> None:
        async with hosting(tmp_path) as host:
            registered = asking(tmp_path / "a")
            assert registered.plugin is not None
            plugin = replaced(registered.plugin, repositories={one.folder: one.url})
            lost = Registered(registered.id, registered.path, plugin, None, registered.stamp)
            program = host.program(lost, "told", {})
            job = host.run(program, {"image": layer(np.zeros((4, 5)))}, Whole())
            await job.wait()
            assert job.error is not None
            assert job.error.type == "EnvironmentFailed"
            assert "127.0.0.1:9/user/models cannot be fetched: its server" in job.error.message

    (tmp_path / "a").mkdir()
    asyncio.run(run())
