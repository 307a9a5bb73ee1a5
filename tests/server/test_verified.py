"""Pages hear which plugins were verified, by whichever process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from opsin.cli import main
from opsin.images.readers import open_images
from opsin.rpc.peer import Peer
from opsin.rpc.transports.memory import pair
from opsin.server.host_service import HostService
from opsin.server.session import Session
from tests.rpc.running import run, until
from tests.server.test_host_service import STACK, WHOLE
from tests.server.test_permissions import page

SOURCE = """# /// script
# [tool.opsin]
# name = "Fetcher"
# ///
from opsin.types import Image

def doubled(image: Image) -> Image:
    return image * 2.0
"""


def test_pages_hear_of_it_and_of_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    path = tmp_path / "doubled.py"
    path.write_text(SOURCE)

    async def heard() -> list[bool]:
        found: list[bool] = []
        async with page(path) as (host, _):
            async for plugins in host.watch_plugins():
                now = next(one["verified"] for one in plugins if one["name"] == "Fetcher")
                if found[-1:] == [now]:
                    continue  # something else is new
                found.append(now)
                if len(found) == 1:
                    command = ["plugins", "check", str(path), "--functional"]
                    assert await asyncio.to_thread(main, command) == 0
                elif now:
                    path.write_text(f"{SOURCE}\n\n")
                else:
                    break
        return found

    assert run(heard(), 60) == [False, True, False]


def test_a_page_can_have_it_computed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    path = tmp_path / "doubled.py"
    slow = "import time\n    time.sleep(0.002)\n    print(1)\n    return"
    path.write_text(SOURCE.replace("return", slow))
    assert main(["plugins", "check", str(path), "--functional"]) == 0

    async def computed() -> list[int]:
        session = Session([open_images(STACK)], 2**26, plugins=[path])
        session.start()
        await until(lambda: 0 in session.scene.layers)
        ours, theirs = pair()
        found = []
        async with Peer(ours, HostService(session)), Peer(theirs) as client:
            host = await client.root()
            (plugin,) = session.host.registry.all()
            asked = {"plugin": plugin.id, "operation": "doubled", "inputs": {"image": 0},
                     "parameters": {}, "where": WHOLE}  # fmt: skip
            for more in ({}, {}, {"anew": True}):
                job = session.host.job(await host.run({**asked, **more}))
                await job.wait()
                assert job.error is None
                found.append(list(job.log).count("1"))
        await session.close()
        return found

    first, second, third = run(computed(), 60)
    assert first == third > 1
    assert second == 0
