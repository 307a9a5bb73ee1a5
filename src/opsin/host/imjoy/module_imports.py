"""Module imports: what a module of JavaScript imports by address, and the same with others. Pure.

Read as text, since what others wrote is not run to be looked at. Names of packages are left as they
are: only a page with an import map knows what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

MOST = 200
"""Imports of one module; of those behind, nothing is known."""
_IMPORT = re.compile(
    rb"""(?:\b(?:import|export)\b[\s\w$*{},]*?\bfrom|\bimport|[}*]\s*from)\s*\(?\s*"""
    rb"""(["'])((?:https?:/|\.{1,2})?/[^"'\\\s]{1,2000})\1"""
)


def imports(text: bytes, address: str) -> dict[bytes, str]:
    """The addresses that a module imports, by how it writes them.

    Args:
        address: of the module itself.
    """
    found: dict[bytes, str] = {}
    for match in _IMPORT.finditer(text):
        try:
            whole = urljoin(address, match[2].decode())
            is_web = urlsplit(whole).scheme in ("http", "https")
        except ValueError:
            continue
        if is_web and len(found) < MOST:
            found[match[2]] = whole
    return found


def rewritten(text: bytes, places: Mapping[bytes, str]) -> bytes:
    """A module with other places for what it imports, by how it writes them."""

    def place(match: re.Match[bytes]) -> bytes:
        new = places.get(match[2])
        if new is None:
            return match[0]
        quote = match[1]
        return match[0][: -len(match[2]) - 2] + quote + new.encode() + quote

    return _IMPORT.sub(place, text)
