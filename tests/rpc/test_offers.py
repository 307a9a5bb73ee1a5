"""What running programs offer to others: found, and gone when they are."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from opsin.errors import ConnectionLost, UsageError
from opsin.rpc.connect import connect, serve
from opsin.rpc.objects import by_reference
from opsin.rpc.offers import Announced, offers, offers_folder


@pytest.fixture(autouse=True)
def runtime(runtime_folder: Path) -> Path:
    return runtime_folder / "opsin"


@by_reference
class Service:
    def ping(self) -> str:
        return "pong"


def test_a_service_is_found_and_called(runtime: Path) -> None:
    async def main() -> None:
        with Announced("trial", "one") as announced:
            assert offers("trial") == [], "nobody listens yet"
            async with await serve(
                announced.address, lambda peer: Service(), token=announced.token
            ):
                (offer,) = offers("trial")
                assert (offer.title, offer.pid) == ("one", os.getpid())
                assert offers("other") == []
                async with connect(offer.address, token=offer.token) as peer:
                    assert await (await peer.root()).ping() == "pong"
                with pytest.raises(ConnectionLost):
                    async with connect(offer.address, token="guessed"):
                        pass
        assert offers("trial") == []

    asyncio.run(main())
    assert list(runtime.iterdir()) == []


def test_a_folder_that_is_too_deep_for_sockets_is_not_used(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = runtime_folder / ("x" * 90)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    monkeypatch.setattr(tempfile, "tempdir", str(runtime_folder))
    assert offers_folder() == runtime_folder / f"opsin-{os.geteuid()}"


def test_only_the_user_may_look(runtime: Path) -> None:
    with Announced("trial") as announced:
        assert announced.offer.file.stat().st_mode & 0o777 == 0o600
    assert runtime.stat().st_mode & 0o777 == 0o700
    runtime.chmod(0o755)
    with pytest.raises(UsageError, match="Other users may enter"):
        offers_folder()
    assert offers("trial") == []


CHILD = """
import asyncio, sys
from opsin.rpc.connect import serve
from opsin.rpc.offers import Announced

async def main():
    announced = Announced("trial", "child")
    await serve(announced.address, lambda peer: None, token=announced.token)
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_of_a_killed_program_nothing_stays(runtime: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    assert [one.pid for one in offers("trial")] == [child.pid]
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert len(list(runtime.iterdir())) == 2, "it could not clear up"
    assert offers("trial") == []
    assert list(runtime.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"name": "trial"}', "\xff", '{"a": ' * 900],
)
def test_what_is_no_offer_is_passed_over(runtime: Path, text: str) -> None:
    offers_folder()
    (runtime / "trial-1.json").write_text(text, encoding="latin-1")
    assert offers("trial") == []


def test_a_file_leads_nowhere_but_beside_itself(runtime: Path) -> None:
    offers_folder()
    told = {"name": "trial", "address": "unix:/tmp/other.sock", "token": "", "pid": 1, "title": ""}
    (runtime / "trial-1.json").write_text(json.dumps(told))
    old = time.time() - 100
    os.utime(runtime / "trial-1.json", (old, old))
    assert offers("trial") == []
    assert (runtime / "trial-1.json").exists()
