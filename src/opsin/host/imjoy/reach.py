"""Reach: whether what is fetched for a page of others may come from this computer's own network.

What lies there is its user's, and such a page could read it otherwise.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit

from opsin.errors import PluginError

_besides: ContextVar[frozenset[str] | None] = ContextVar("besides", default=None)
PORTS = {"http": 80, "https": 443}


@contextmanager
def only_public(besides: Collection[str]) -> Iterator[None]:
    """In this block nothing comes from a private address, but from these origins."""
    token = _besides.set(frozenset(besides))
    try:
        yield
    finally:
        _besides.reset(token)


def check_reach(address: str) -> None:
    """Look at an address, from a thread: its name is looked up.

    Raises:
        PluginError: nothing may come from there.
    """
    besides = _besides.get()
    if besides is None or origin_of(address) in besides or not is_private(address):
        return
    raise PluginError(
        f"{address[:200]} is on this computer or in its network, where pages of others fetch "
        "nothing: give the text of the plugin itself.",
        reason="dead_address",
    )


def check_redirect(address: str, to: str) -> None:
    """The same for where an address leads.

    A mirror of packages in the own network is its user's choice, and leads where it should.
    """
    besides = _besides.get()
    if besides is None or (origin_of(address) not in besides and is_private(address)):
        return
    check_reach(to)


def origin_of(address: str) -> str:
    """The origin of an address, as browsers write it; '' if it has none."""
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    if parts.scheme not in PORTS or not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (
        f":{port}" if port not in (None, PORTS[parts.scheme]) else ""
    )


def is_private(address: str) -> bool:
    """Whether an address leads to this computer or its own network; a name is looked up."""
    try:
        host = urlsplit(address).hostname or ""
        places = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):  # nobody is there, as far as this computer knows
        return False
    found = [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in places]
    return any(not one.is_global for one in found)
