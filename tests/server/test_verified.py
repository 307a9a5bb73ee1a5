"""Pages hear which plugins were verified, by whichever process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from opsin.cli import main
from tests.rpc.running import run
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
