"""Repositories that plugins ask for, cloned by the real git; packages that come from git, by uv."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from opsin.errors import EnvironmentFailed
from opsin.workers.environment import lock, prepare
from opsin.workers.package_sources import PackageSources, write_sources
from opsin.workers.repositories import FOLDER, forget, obtain
from tests.workers.git_repositories import NAME, PACKAGE, repository


def test_they_lie_side_by_side_and_are_cloned_once(tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    asked = {
        "models": repository(tmp_path / "one", {"net/weights.txt": "3"}),
        "code": repository(tmp_path / "two", {"code.py": "VALUE = 4\n"}),
    }
    said: list[str] = []
    place = asyncio.run(obtain(asked, folder=folder, output=said.append))
    assert (place / "models" / "net" / "weights.txt").read_text() == "3"
    assert (place / "code" / "code.py").read_text() == "VALUE = 4\n"
    assert said == [f"Cloning {url}" for url in asked.values()]
    assert [path.name for path in (folder / FOLDER).iterdir()] == [place.name]

    write_sources(folder, PackageSources(offline=True))
    again = dict(reversed(asked.items()))
    assert asyncio.run(obtain(again, folder=folder, output=said.append)) == place
    with pytest.raises(EnvironmentFailed, match="and the network is switched off"):
        asyncio.run(obtain({"code": asked["code"]}, folder=folder))
    forget(folder)
    assert not place.exists()


def test_two_at_once_have_one(tmp_path: Path) -> None:
    url = repository(tmp_path / "one", {"a": "1"})

    async def both() -> None:
        places = [obtain({"a": url}, folder=tmp_path / "kept") for _ in range(2)]
        first, second = await asyncio.gather(*places)
        assert first == second
        assert (first / "a" / "a").read_text() == "1"

    asyncio.run(both())
    assert len(list((tmp_path / "kept" / FOLDER).iterdir())) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1:9/a", "127.0.0.1:9/a cannot be fetched: its server refuses"),
        ("file:///nowhere/at/all", "cannot be fetched: it is not there. See whether"),
        ("ssh://localhost/a", "cannot be fetched: git ended with an error.*\n.*not allowed"),
        ("ext::sh -c id", "cannot be fetched: git ended with an error.*\n.*not allowed"),
    ],
)
def test_what_cannot_be_fetched_is_said_and_leaves_nothing(
    url: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(EnvironmentFailed, match=said):
        asyncio.run(obtain({"a": url}, folder=tmp_path))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFailed, match="git is not installed"):
        asyncio.run(obtain({"a": "https://127.0.0.1:9/a"}, folder=tmp_path))


def test_cancelled_it_ends_git_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho begun\nwhile true; do sleep 1; done\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    async def cancelled() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(
            obtain(
                {"a": "https://127.0.0.1:9/a"},
                folder=tmp_path / "kept",
                output=lambda line: begun.set() if line == "begun" else None,
            )
        )
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert not [one for one in psutil.Process().children(recursive=True) if one.name() == "git"]
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]


def test_a_package_comes_from_git_at_the_commit_of_its_lock(tmp_path: Path) -> None:
    url = repository(tmp_path / "package", PACKAGE)
    wanted = [f"{NAME} @ git+{url}"]
    locked = asyncio.run(lock(wanted, folder=tmp_path / "kept"))
    (tmp_path / "package" / "opsin_git_trial.py").write_text("VALUE = 8\n")
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a", "commit", "-qam", "Next"],
        cwd=tmp_path / "package", check=True,
    )  # fmt: skip
    environment = asyncio.run(prepare(wanted, folder=tmp_path / "kept"))
    code = "import opsin_git_trial, numpy; print(opsin_git_trial.VALUE)"
    command: list[str | Path] = [environment.python, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "7\n"
    assert "--hash" in locked.file.read_text()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("other-name @ git+{url}", f"other-name is asked for is {NAME}. Ask for it by its name"),
        (f"{NAME} @ git+{{url}}/none", "cannot be fetched with git, as it is not there"),
        (f"{NAME} @ git+https://127.0.0.1:9/a", "with git, as its server refuses the connection"),
    ],
)
def test_what_does_not_come_from_git_is_said(asked: str, said: str, tmp_path: Path) -> None:
    url = repository(tmp_path / "package", PACKAGE)
    with pytest.raises(EnvironmentFailed, match=said):
        asyncio.run(lock([asked.format(url=url)], folder=tmp_path / "kept"))
