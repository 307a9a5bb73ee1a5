"""docs/guides/rpc.md tells the truth: its files are run, each server before its clients."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from opsin.rpc.shared_arrays import available
from tests.ports import free_port
from tests.test_docs import WITH_SERVERS, blocks, run_python

WEB = Path(__file__).parents[2] / "web"
NODE = Path(sys.executable).with_name("node")
SERVERS = {"server.py": "9000", "cells.py": "9001"}

pytestmark = pytest.mark.skipif(not available(), reason="the page shows shared memory")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the page, at free ports, and the package beside them."""
    ports = {port: free_port() for port in SERVERS.values()}
    for block in blocks(WITH_SERVERS):
        if block.name and block.kind != "text":
            text = block.text
            for port, free in ports.items():
                text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
            (tmp_path / block.name).write_text(text)
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "opsin-web").symlink_to(WEB)  # as `npm install FOLDER` does
    (tmp_path / "package.json").write_text('{"type": "module"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPSIN_TOKEN", "a token for this page")
    return tmp_path


@contextmanager
def served(desk: Path) -> Iterator[None]:
    """The servers of the page run."""
    with ExitStack() as stack:
        for name in SERVERS:
            server = stack.enter_context(subprocess.Popen([sys.executable, name], cwd=desk))
            stack.callback(server.kill)
            port = int((desk / name).read_text().partition("127.0.0.1:")[2].partition('"')[0])
            wait_for(port)
        yield


def wait_for(port: int) -> None:
    for _ in range(400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.025)
    pytest.fail("A server of the page does not listen.")


def said(name: str) -> str:
    """What the page says that a file prints."""
    (block,) = (b for b in blocks(WITH_SERVERS) if b.kind == "text" and b.name == name)
    return block.text


def printed(command: Sequence[str | Path]) -> str:
    """What a command prints, errors too."""
    return subprocess.run(
        command,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    ).stdout


def test_the_snippets_of_python_give_what_they_say(desk: Path) -> None:
    with served(desk):
        run_python(WITH_SERVERS)
        assert printed([sys.executable, "client.py"]) == said("client.py")


def test_the_files_of_typescript_give_what_they_say(desk: Path) -> None:
    names = [block.name for block in blocks(WITH_SERVERS) if block.kind == "ts"]
    assert len(names) == 3
    with served(desk):
        for name in names:
            assert printed([NODE, "--experimental-strip-types", "--no-warnings", name]) == said(
                name
            )


def test_the_files_of_typescript_have_no_wrong_types(desk: Path) -> None:
    tsc = WEB / "node_modules/typescript/bin/tsc"
    options = [
        *("--noEmit", "--strict", "--skipLibCheck", "--allowImportingTsExtensions"),
        *("--target", "es2023", "--module", "esnext", "--moduleResolution", "bundler"),
        *("--lib", "ES2024,DOM,DOM.Iterable"),
        *("--types", "node", "--typeRoots", str(WEB / "node_modules/@types")),
    ]
    names = [block.name for block in blocks(WITH_SERVERS) if block.kind == "ts"]
    assert printed([NODE, tsc, *options, *names]) == ""


def test_the_shortest_server_and_clients_have_ten_lines() -> None:
    for block in blocks(WITH_SERVERS):
        if block.name in ("server.py", "client.py", "client.ts"):
            lines = [line for line in block.text.splitlines() if line.strip()]
            assert len(lines) <= 10, block.place
