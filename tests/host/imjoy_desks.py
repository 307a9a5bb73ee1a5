"""A desk with a host of its own, as tests of ImJoy's plugins use it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from opsin.host.host import Host
from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.unattended import Unattended
from opsin.host.workspace import Workspace


def plugin(name: str, code: str, kind: str = "native-python", **config: Any) -> str:
    """The text of a plugin."""
    entries = {"name": name, "type": kind, "api_version": "0.1.8", "version": "0.1.0", **config}
    lang = "python" if "python" in kind else "javascript"
    script = f'<script lang="{lang}">\n{code}\n</script>' if code else ""
    return f'<config lang="json">\n{json.dumps(entries)}\n</config>\n{script}\n'


@asynccontextmanager
async def desk_in(
    folder: Path, said: list[str] | None = None, answers: dict[str, Any] | None = None
) -> AsyncIterator[Desk]:
    """A desk where nobody sits; `said` gets what is shown."""
    lines = [] if said is None else said
    given = folder / "given"
    given.mkdir(exist_ok=True)
    face = Unattended(lines.append, answers, given)
    async with (
        Host(Workspace(folder / "workspace"), front_end="command line") as host,
        Desk(host, face) as desk,
    ):
        yield desk
