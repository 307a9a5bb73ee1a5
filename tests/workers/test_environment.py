"""Environments, made by the real uv."""

from __future__ import annotations

import asyncio
import fcntl
import subprocess
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from opsin.errors import EnvironmentFailed
from opsin.plugins.imjoy_needs import needs
from opsin.workers.environment import _Alone, current, lacking, lock, prepare
from opsin.workers.package_sources import PackageSources, write_sources
from opsin.workers.uv import run_uv
from tests.workers.slow_wheels import NAME, VERSION, slow_wheels

SMALL = ["six==1.16.0"]
"""A package that this environment has in another version, or not at all."""


def packages(python: Path) -> dict[str, str]:
    code = "import importlib.metadata as m\nfor d in m.distributions(): print(d.name, d.version)"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    return {name.lower(): version for name, version in map(str.split, done.stdout.splitlines())}


def test_what_is_here_already_is_used() -> None:
    assert lacking(["numpy>=1.20", "msgspec"], ">=3.11") is None
    found = asyncio.run(prepare(["numpy>=1.20"], folder=Path("/nonexistent")))
    assert found == current()


@pytest.mark.parametrize(
    ("requirements", "python", "word"),
    [
        (["numpy<1"], "", "numpy"),
        (["surely-not-a-package"], "", "not installed"),
        (["numpy @ file:///tmp/numpy.whl"], "", "wanted from"),
        (["numpy"], "<3", "Python"),
        (["starlette[full]"], "", "full"),
    ],
)
def test_what_is_lacking_is_said(requirements: list[str], python: str, word: str) -> None:
    reason = lacking(requirements, python)
    assert reason is not None
    assert word in reason


def test_a_requirement_for_another_platform_is_not_lacking() -> None:
    assert lacking(["surely-not-a-package; sys_platform == 'plan9'"]) is None


@pytest.mark.parametrize(("requirements", "python"), [(["numpy >>> 1"], ""), (["numpy"], "three")])
def test_malformed_requirements_are_told(requirements: list[str], python: str) -> None:
    with pytest.raises(EnvironmentFailed, match="malformed"):
        lacking(requirements, python)


def test_an_environment_is_made_once_and_shared_by_equal_locks(tmp_path: Path) -> None:
    said: list[str] = []
    first = asyncio.run(prepare(SMALL, folder=tmp_path, output=said.append))
    assert said
    found = packages(first.python)
    assert found["six"] == "1.16.0"
    assert {"numpy", "msgspec"} <= found.keys(), "what the worker needs is there too"
    assert "starlette" not in found

    started = time.process_time()
    again = asyncio.run(prepare(["six ==1.16.0"], folder=tmp_path, output=said.append))
    assert again == first
    assert time.process_time() - started < 2
    made = [path for path in tmp_path.iterdir() if (path / "complete").exists()]
    assert len(made) == 1


def test_what_a_plugin_of_imjoy_needs_is_installed(tmp_path: Path) -> None:
    asked = needs(["pip: six==1.16.0 toolz", "conda: tqdm=4.66 cudatoolkit"], "conda create -n a")
    environment = asyncio.run(prepare(asked.requirements, asked.python, folder=tmp_path))
    there = packages(environment.python)
    assert there["six"] == "1.16.0"
    assert "toolz" in there
    assert there["tqdm"].startswith("4.66.")


@pytest.mark.parametrize(
    ("requirement", "env", "said"),
    [
        (
            "pip: tensorflow==1.15",
            None,
            "tensorflow ==1.15.0 was not built for this Python. Ask for a newer",
        ),
        (
            "conda: numpy=1.13",
            None,
            r"do not go together \(numpy>=1.26 is what Opsin itself needs\)",
        ),
        (
            "six",
            "conda create -n a python=3.99",
            r"there is no Python ==3\.99\.\* on this computer",
        ),
    ],
)
def test_what_a_plugin_of_imjoy_cannot_have_is_said(
    requirement: str, env: str | None, said: str, tmp_path: Path
) -> None:
    asked = needs(requirement, env)
    with pytest.raises(EnvironmentFailed, match=said):
        asyncio.run(prepare(asked.requirements, asked.python, folder=tmp_path))


def test_two_at_once_make_one(tmp_path: Path) -> None:
    async def both() -> None:
        one, two = await asyncio.gather(
            prepare(SMALL, folder=tmp_path), prepare(SMALL, folder=tmp_path)
        )
        assert one == two
        assert packages(one.python)["six"] == "1.16.0"

    asyncio.run(both())


def test_a_failed_install_names_the_package_and_leaves_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(EnvironmentFailed, match=r"six"):
        asyncio.run(prepare(["six==99.0"], folder=tmp_path, output=said.append))
    assert any("six" in line for line in said)
    assert not list(tmp_path.glob("*/pyvenv.cfg"))
    assert not list((tmp_path / "locks").iterdir())


def test_cancelling_stops_uv(tmp_path: Path) -> None:
    async def test() -> None:
        task = asyncio.create_task(prepare(["scikit-image", "six==1.16.0"], folder=tmp_path))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(test())
    assert not [p for p in psutil.Process().children(recursive=True) if "uv" in p.name()]
    assert not list(tmp_path.glob("*/complete"))


def test_cancelled_while_packages_come_nothing_is_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the versions were chosen, when there is a folder already."""
    wanted, folder = [f"{NAME}=={VERSION}"], tmp_path / "environments"
    with slow_wheels(tmp_path / "wheels") as wheels:
        write_sources(folder, PackageSources(find_links=(wheels.address,)))
        wheels.let_go.set()
        locked = asyncio.run(lock(wanted, folder=folder))
        wheels.let_go.clear()
        wheels.asked.clear()
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))

        async def cancelled() -> None:
            task = asyncio.create_task(prepare(wanted, folder=folder))
            assert await asyncio.to_thread(wheels.asked.wait, 60)
            assert list(folder.glob("*/pyvenv.cfg"))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        assert not [p for p in psutil.Process().children(recursive=True) if "uv" in p.name()]
        assert not [path for path in folder.iterdir() if path.is_dir() and path.name != "locks"]
        assert locked.file.is_file()


def fake_uv(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = folder / "uv"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(path))


def test_a_line_of_any_length_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_uv(
        tmp_path,
        monkeypatch,
        "echo begin; head -c 300000 /dev/zero | tr '\\0' x; echo; echo é; printf end",
    )
    said: list[str] = []
    asyncio.run(run_uv((), said.append))
    assert [line if len(line) < 10 else len(line) for line in said] == ["begin", 5000, "é", "end"]


def test_uv_does_not_get_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSIN_TOKEN", "secret")
    monkeypatch.setenv("OPSIN_OTHER", "known")
    fake_uv(tmp_path, monkeypatch, "env")
    said: list[str] = []
    asyncio.run(run_uv((), said.append))
    assert "OPSIN_OTHER=known" in said
    assert not [line for line in said if "OPSIN_TOKEN" in line or "secret" in line]


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_who_is_cancelled_while_another_installs_leaves_no_descriptor(tmp_path: Path) -> None:
    async def wait() -> None:
        async with _Alone(tmp_path / "lock"):
            pytest.fail("another has the lock")

    async def main() -> None:
        before = descriptors()
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.15)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert descriptors() == before

    with (tmp_path / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        asyncio.run(main())
