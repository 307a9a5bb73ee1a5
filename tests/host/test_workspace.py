"""Where a user's plugins, results and records lie."""

from __future__ import annotations

import asyncio
import os
import platform
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from opsin.errors import PluginError, UsageError
from opsin.host.added_plugins import remove_added
from opsin.host.workspace import Need, Workspace
from tests.host.hosting import ended, hosting, layer, start


def test_it_is_where_opsin_data_says_and_the_users_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "a" / "b"))
    workspace = Workspace()
    assert workspace.folder == tmp_path / "a" / "b"
    for folder in (
        workspace.folder, workspace.plugins, workspace.results, workspace.environments
    ):  # fmt: skip
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((workspace.folder / "workspace.sqlite").stat().st_mode) == 0o600
    workspace.close()
    workspace.close()


def test_one_that_cannot_be_used_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="set OPSIN_DATA to a folder of yours"):
        Workspace(tmp_path / "file")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "workspace.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(UsageError, match="cannot be used"):
        Workspace(broken)


def test_plugins_are_kept_under_harmless_names(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    harmful = ("../c.py", "c/d.py", ".py", ".c.py", "c.txt", "", "c\0.py", "c.py\n")
    for name in (*harmful, "x" * 99 + ".py"):
        with pytest.raises(PluginError, match="is no name for a plugin"):
            workspace.keep_plugin(name, "")
    with pytest.raises(PluginError, match="is no text: save it as UTF-8"):
        workspace.keep_plugin("c.py", "x = '\ud800'")
    assert list(workspace.plugins.iterdir()) == []
    names = {path.name for path in tmp_path.iterdir()}
    folders = {"environments", "inputs", "logs", "plugins", "results", "sources"}
    assert names == {*folders, "workspace.sqlite"}
    workspace.close()


def test_a_plugin_that_is_forgotten_is_not_there_the_next_time(tmp_path: Path) -> None:
    manifest, beside = tmp_path / "napari.yaml", tmp_path / "beside.py"
    manifest.write_text("name: demo-plugin\n")
    beside.write_text("")

    async def main() -> None:
        async with hosting(tmp_path) as host:
            dropped = host.workspace.keep_plugin("dropped.py", "")
            host.workspace.keep_manifest("demo-plugin", manifest)
            paths = [dropped, manifest, beside]
            ids = [host.registry.add(path).id for path in paths]
            named = host.workspace.kept_manifests()[0]
            assert [host.workspace.keeper_of(path) for path in paths] == [dropped, named, None]
            for id in ids:
                host.forget_plugin(id)
            assert host.registry.all() == []
            assert host.workspace.plugin_files() == []
            assert (dropped.exists(), manifest.exists(), beside.exists()) == (False, True, True)
            with pytest.raises(UsageError, match="not here any more"):
                host.forget_plugin(ids[0])
            # By name, as the command does.
            host.workspace.keep_plugin("dropped.py", "")
            host.workspace.keep_manifest("demo-plugin", manifest)
            with pytest.raises(UsageError, match=r"there is demo-plugin, dropped\.py"):
                remove_added(host.workspace, "beside.py")
            for name in ("dropped.py", "napari:Demo_Plugin"):
                remove_added(host.workspace, name)
            assert host.workspace.plugin_files() == []

    asyncio.run(main())


def test_what_calls_needed_and_runs_gave_is_kept(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for number in range(30):
        workspace.record_need("digest", "nuclei", Need(number, 10 * number, 0.5), number)
    workspace.record_need("other", "nuclei", Need(1, 1, 1), 99)
    workspace.record_run({"id": "1", "started": 1.0, "state": "done", "results": ["a"]})
    workspace.record_run({"id": "2", "started": 2.0, "state": "failed", "request": {"x": 1}})
    workspace.close()
    with closing(sqlite3.connect(tmp_path / "workspace.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM needs").fetchone() == (21,)
    again = Workspace(tmp_path)
    needs = again.needs("digest", "nuclei")
    assert len(needs) == 20
    assert needs[0] == Need(29, 290, 0.5)
    first, second = again.runs()
    assert (first["id"], first["state"], first["request"]) == ("2", "failed", '{"x": 1}')
    assert second["results"] == '["a"]'
    again.close()


def test_a_locked_database_fails_no_job_and_stops_no_loop(tmp_path: Path) -> None:
    slowest = 0.0

    async def tick() -> None:
        nonlocal slowest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            slowest = max(slowest, time.monotonic() - before)

    async def main() -> None:
        async with hosting(tmp_path) as host:
            other = sqlite3.connect(host.workspace.folder / "workspace.sqlite")
            with closing(other):
                other.execute("BEGIN EXCLUSIVE")
                ticking = asyncio.create_task(tick())
                one = layer(np.arange(3 * 16, dtype=np.uint16).reshape(3, 4, 4), "zyx")
                job = await ended(start(host, tmp_path, "bright", image=one))
                ticking.cancel()
                assert job.state == "done"
                other.rollback()
            (run,) = host.workspace.runs()
            assert (run["id"], run["state"]) == (job.id, "done")

    asyncio.run(main())
    assert slowest < 5


def dead_process() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    Workspace(tmp_path).close()
    results = tmp_path / "results"
    for name, parts in {
        "0123456789ab": (),
        "1123456789ab": (f".spots.csv.01234567.{platform.node()}.{dead_process()}.part",),
        "2123456789ab": (f".spots.csv.01234567.{platform.node()}.{os.getppid()}.part",),
        "3123456789ab": (f".spots.csv.01234567.elsewhere.{dead_process()}.part",),
        "4123456789ab": ("spots.csv",),
        "mine": (),
    }.items():
        (results / name).mkdir()
        for part in parts:
            (results / name / part).touch()
    Workspace(tmp_path).close()
    left = ["2123456789ab", "3123456789ab", "4123456789ab", "mine"]
    assert sorted(path.name for path in results.iterdir()) == left


def test_the_empty_folder_of_a_run_that_goes_on_stays(tmp_path: Path) -> None:
    running = Workspace(tmp_path)
    folder = running.results / "0123456789ab"
    folder.mkdir()
    Workspace(tmp_path).close()
    assert folder.exists()
    running.close()
    Workspace(tmp_path).close()
    assert not folder.exists()


def test_a_table_that_a_killed_run_wrote_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "0123456789ab"
    folder.mkdir(parents=True)
    script = (
        "import csv, os, pathlib, opsin.host.results as results\n"
        "csv.writer = lambda file: os.kill(os.getpid(), 9)\n"
        f"results.write_table({{'a': [1]}}, pathlib.Path({str(folder / 'a.csv')!r}))"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert len(list(folder.iterdir())) == 1
    Workspace(tmp_path).close()
    assert not folder.exists()


def test_half_a_package_for_workers_is_removed(tmp_path: Path) -> None:
    Workspace(tmp_path).close()
    environments = tmp_path / "environments"
    script = (
        "import os, pathlib, shutil, opsin.workers.package as package\n"
        "shutil.copyfile = lambda source, target: os.kill(os.getpid(), 9)\n"
        f"package.worker_package(pathlib.Path({str(environments)!r}))"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert len(list(environments.iterdir())) == 1
    Workspace(tmp_path).close()
    assert list(environments.iterdir()) == []
