"""Pages: windows that are a page of their own, which speaks ImJoy's protocol by itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from opsin.host.imjoy.applications import place_of
from opsin.host.imjoy.npm import install
from opsin.host.imjoy.resources import obtain
from opsin.plugins.imjoy_uri import SUFFIX
from opsin.plugins.npm_mirrors import npm_file

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def is_page(source: str) -> bool:
    """Whether this is the address of a page that is a window itself, and not of a plugin's file."""
    if "\n" in source or not _ADDRESS.match(source):
        return False
    path = re.split(r"[?#@]", source.partition("://")[2])[0]
    is_github = "github.com" in source and ("/blob/" in source or "gist.github.com" in source)
    return not (path.endswith(SUFFIX) or is_github)


def page_plugin(address: str, config: dict[str, Any]) -> str:
    """The file of a plugin whose window is a page of its own."""
    name = str(config.get("type") or config.get("name") or address.partition("?")[0])
    entries = {
        "name": name.replace("/", "∕"),  # which a name cannot have
        "type": "rpc-window",
        "api_version": "0.1.8",
        "version": "0",
        "description": f"The page at {address}",
        "base_frame": address,
        "passive": bool(config.get("passive")),
    }
    return f'<config lang="json">\n{json.dumps(entries, indent=2)}\n</config>\n'


async def served_page(address: str, folder: Path) -> str | None:
    """Fetch the page at an address, once, if npm has it: where it is served. None: it is elsewhere.

    Raises:
        OpsinError: it cannot be had.
    """
    if (place := place_of(address)) is not None:
        package = await install(place[0], place[1], folder)
        return f"{package.relative_to(folder).as_posix()}/{place[2]}"
    if npm_file(address) is not None:
        return (await obtain(address, folder)).route
    return None
