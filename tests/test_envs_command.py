"""`opsin envs`, of an environment that the real uv made and a real worker uses."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from opsin.cli import main
from opsin.workers.environment import Environment, prepare
from opsin.workers.process import WorkerProcess
from tests.workers.test_package_sources import wheel

NAME = "opsin_test_only_here"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of environments of a user who has used none."""
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "environments"


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(["envs", *words]) == status
    output = capsys.readouterr()
    return output.out or output.err


def made(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Environment:
    wheel(tmp_path / "wheels", NAME, "1.0")
    told = said(capsys, "sources", "--find-links", str(tmp_path / "wheels"))
    assert str(tmp_path / "wheels") in told
    return asyncio.run(prepare([NAME], folder=home))


def test_nothing_yet(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No plugin has needed" in said(capsys, "list")
    assert json.loads(said(capsys, "list", "--json")) == []
    assert "0 of 0 environments removed" in said(capsys, "clean")


def test_listed_and_removed_but_not_while_a_worker_runs(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = made(home, tmp_path, capsys)

    async def used() -> None:
        worker = await WorkerProcess.start(environment, tmp_path / "package")
        try:
            (one,) = json.loads(said(capsys, "list", "--json"))
            assert one["in_use"]
            assert one["complete"]
            assert NAME in one["requirements"]
            assert one["bytes"] >= one["own_bytes"] > 0
            assert "0 of 1 environments removed" in said(capsys, "clean", "--all")
        finally:
            await worker.stop()

    asyncio.run(used())
    listed = said(capsys, "list")
    assert environment.key in listed
    assert NAME in listed
    assert "in use" not in listed
    assert "0 of 1" in said(capsys, "clean"), "it was used a moment ago"
    assert "1 of 1 environments would be removed" in said(capsys, "clean", "--all", "--dry-run")
    assert environment.python.exists()
    assert "1 of 1 environments removed" in said(capsys, "clean", "--all")
    assert not environment.home.exists()

    again = asyncio.run(prepare([NAME], folder=home))
    assert again == environment, "the lock has stayed"
    assert "1 of 1" in said(capsys, "clean", "--max-size", "16M", "--older-than", "0h")
    assert "1 locks forgotten" in said(capsys, "clean", "--locks")


def test_sources_are_set_and_reset(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "PyPI" in said(capsys, "sources")
    told = said(capsys, "sources", "--index", "https://a:b@mirror.example/simple", "--offline")
    assert "https://…@mirror.example/simple" in told
    assert "not used" in told
    told = said(capsys, "sources", "--online", "--torch", "cpu")
    assert "mirror.example" in told, "what is not named stays"
    assert "not used" not in told
    assert "cpu" in told
    assert "mirror.example" not in said(capsys, "sources", "--reset")


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (("sources", "--index", "pypi"), "https://"),
        (("sources", "--find-links", "/no/such/folder"), "no such folder"),
        (("sources", "--torch", "quick"), "cu128"),
        (("clean", "--all", "--older-than", "3d"), "leave out --all"),
    ],
)
def test_what_cannot_be_meant_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], word: str
) -> None:
    assert word in said(capsys, *words, status=2)


@pytest.mark.parametrize("words", [("clean", "--older-than", "soon"), (), ("wash",)])
def test_wrong_usage(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit):
        main(["envs", *words])
    assert "usage" in capsys.readouterr().err
