"""What `opsin plugins add` shows and asks of a plugin that wants to be allowed something."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from opsin.host.agreements import Agreements
from opsin.host.permissions import Allowed
from opsin.host.registry import Registered
from opsin.host.workspace import Workspace
from opsin.permissions_command import ask
from tests.host.test_permissions import written

ASKS = 'network = "downloads its model once", files = "reads models", gpu = "faster"'
PROGRAM = """
import sys
from opsin.host.registry import read_registered
from opsin.host.workspace import Workspace
from opsin.permissions_command import ask

ask(read_registered(sys.argv[1]), Workspace(), print)
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registered:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    (tmp_path / "models").mkdir()
    return written(tmp_path / "fetcher.py", asks=ASKS)


def test_who_sits_at_a_terminal_is_asked(plugin: Registered, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    line = [sys.executable, "-c", PROGRAM, str(plugin.path)]
    process = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = ""

    def answer(question: str, text: str) -> None:
        nonlocal said
        said = ""
        while question not in said:
            assert select.select([ours], [], [], 60)[0], said
            said += os.read(ours, 4096).decode()
        os.write(ours, f"{text}\n".encode())

    answer("Allow the network? [y/N]", "y")
    answer("Folder that it may read", "/")
    answer("name a folder inside of it", str(tmp_path / "models"))
    answer("Allow the graphics card? [y/N]", "")
    assert process.wait(30) == 0
    os.close(ours)
    known = Agreements(Workspace())
    assert known.allowed(plugin) == Allowed(network=True, folders=(tmp_path / "models",))
    assert [one.state for one in known.asked(plugin)] == ["allowed", "allowed", "refused"]


def test_elsewhere_nobody_is_asked(plugin: Registered) -> None:
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(plugin.path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "network  not allowed yet  downloads its model once" in process.stdout
    command = f"opsin plugins permissions {plugin.path} --allow network --allow files=FOLDER"
    assert command in process.stdout
    assert [one.state for one in Agreements(Workspace()).asked(plugin)] == ["unasked"] * 3


def test_what_asks_for_nothing_says_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    ask(written(tmp_path / "a.py", asks=""), Workspace(tmp_path / "workspace"), said.append)
    assert said == []
