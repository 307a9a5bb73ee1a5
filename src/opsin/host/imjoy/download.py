"""Download: what lies at an address on the web, at most so much of it, in at most so much time.

Errors are sentences that name the address, and have a `reason`: `dead_address` where nothing will
come from there, `needs_network` where something may come another time.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from opsin.errors import PluginError
from opsin.host.imjoy.reach import check_redirect
from opsin.workers.package_sources import shown as without_password

SECONDS = 60.0
"""In which all of it must have come."""
SILENCE = 20.0
"""Seconds in which something must come."""
REDIRECTS = 5
_PIECE = 2**16
_KNOWN = ("github.com", "www.wikipedia.org")
"""If one of these has an address, then the network is there, and a name without one is dead."""
_ENDED = {
    "bintray.com": "Bintray was ended in 2021",
    "iodide.io": "Iodide, which kept Pyodide there, was ended",
    "polyfill.io": "Polyfill.io was taken off the net in 2024",
    "rawgit.com": "RawGit was ended in 2019",
    "rawgithub.com": "RawGit was ended in 2019",
}
"""Services that answered plugins once, at names that end so, and will not again."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Download:
    """What came.

    Attributes:
        content: all of it.
        content_type: as the server says, without parameters; '' if it does not.
        address: where it came from in the end.
    """

    content: bytes
    content_type: str
    address: str


async def download(
    address: str, *, limit: int, accept: str = "*/*", seconds: float = SECONDS
) -> Download:
    """Fetch what lies at an address.

    Args:
        address: `http` or `https`.
        limit: bytes that it may have at most.
        accept: kinds of content to ask for.
        seconds: that it may take.

    Raises:
        PluginError: it did not come; the message says why.
    """
    return await asyncio.to_thread(_fetch, address, limit, accept, seconds)


def dead(address: str, why: str) -> PluginError:
    """The error for an address from which nothing will come."""
    return PluginError(
        f"Nothing can be had from {shown(address)}: {why}. "
        "Name another address in the plugin's file, or put what it needs into an attachment.",
        reason="dead_address",
    )


def unreachable(address: str, why: str) -> PluginError:
    """The error for an address from which something may come another time."""
    return PluginError(
        f"{shown(address)} cannot be reached: {why}. "
        "Connect this computer to the network, and load the plugin again: it is fetched once.",
        reason="needs_network",
    )


def shown(address: str) -> str:
    """An address for people: short, and without a password."""
    try:
        plain = without_password(address)
    except ValueError:
        plain = address
    return plain if len(plain) <= 200 else f"{plain[:199]}…"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A few, and none that gives up encryption."""

    max_redirections = REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("https", urlsplit(req.full_url).scheme):
            raise urllib.error.URLError("it leads to an address without encryption")
        check_redirect(req.full_url, newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """For `http` and `https` alone, and the proxies that the environment names."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _fetch(address: str, limit: int, accept: str, seconds: float) -> Download:
    plain, _, _ = address.partition("#")
    headers = {"Accept": accept, "User-Agent": "Opsin", "Accept-Encoding": "identity"}
    until = time.monotonic() + seconds
    try:
        if urlsplit(plain).scheme not in ("http", "https"):
            raise dead(address, "it is no http or https address")
        request = urllib.request.Request(plain, headers=headers)
        with _opener().open(request, timeout=min(SILENCE, seconds)) as answer:
            content = _read(answer, limit, until, address)
            about: Message = answer.headers
            kind = about.get_content_type() if about.get("Content-Type") else ""
            return Download(content, kind, answer.geturl())
    except urllib.error.HTTPError as error:
        error.close()
        host = urlsplit(plain).hostname or ""
        told = f"it answers {error.code} {error.reason or ''}".strip()
        passes = error.code in _PASSING and not _ended(host)
        raise (unreachable if passes else dead)(address, told) from None
    except urllib.error.URLError as error:
        raise _explained(address, error.reason) from None
    except (OSError, http.client.HTTPException) as error:
        raise _explained(address, error) from None
    except ValueError as error:  # no address at all
        raise dead(address, f"it is no address ({error})") from None


def _read(answer: Any, limit: int, until: float, address: str) -> bytes:
    pieces, size = [], 0
    while piece := answer.read1(_PIECE):
        size += len(piece)
        if size > limit:
            raise PluginError(
                f"{shown(address)} holds more than the {limit / 2**20:.3g} MiB that are taken.",
                reason="dead_address",
            )
        if time.monotonic() > until:
            raise TimeoutError
        pieces.append(piece)
    if answer.length:  # the connection ended before
        raise http.client.IncompleteRead(b"")
    return b"".join(pieces)


def _explained(address: str, error: object) -> PluginError:
    if isinstance(error, socket.gaierror):
        host = urlsplit(address).hostname or ""
        if why := _ended(host):
            return dead(address, why)
        if not _is_local(host) and any(map(_has_address, _KNOWN)):
            return dead(address, f"there is no computer called {host} any more")
        return unreachable(address, f"the name {host} is not found")
    if isinstance(error, TimeoutError):
        return unreachable(address, "it does not answer in time")
    if isinstance(error, http.client.IncompleteRead | ConnectionError):
        return unreachable(address, "the connection was lost or refused")
    return unreachable(address, str(error).rstrip(".") or type(error).__name__)


def _ended(host: str) -> str:
    """Why nothing comes from a computer any more; '' where that is not known."""
    return next((why for name, why in _ENDED.items() if f".{host}".endswith(f".{name}")), "")


def _is_local(host: str) -> bool:
    return "." not in host


def _has_address(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, 443))
    except OSError:
        return False
