"""Access: who may talk to the server. Checked before any route sees a request (DESIGN §12)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from html import escape
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

_ADDRESS = re.compile(r"([0-9.]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_OF_SHARED = ("GET", "HEAD", "PUT", "POST", "OPTIONS")
"""Ways in which frames use `/plugin/TOKEN/shared/`, where a further secret says what is there."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Opsin</title>
<link rel="icon" href="data:,">{head}
<style>body{{font:16px/1.5 system-ui;background:#0e1013;color:#e6e8eb;display:grid;
place-items:center;height:100vh;margin:0}}main{{max-width:32rem;padding:2rem}}</style><main>{body}</main></html>"""

_REFUSED = _PAGE.format(
    head="",
    body="<h1>This address needs its token</h1><p>Open the address that <code>opsin view</code> "
    "printed when it started; it ends in <code>?token=…</code>. A link from an earlier start has "
    "expired.</p>",
)


def reading_token(token: str) -> str:
    """The token that is in the address of an OME-Zarr, and of what is embedded.

    It follows from the server's token, but not the other way round: who is given such an address
    can read, and nothing else.
    """
    return _following(token, b"opsin: read OME-Zarr")


def frame_token(token: str) -> str:
    """The token of frames of plugins: with it they load what they are made of, and nothing else."""
    return _following(token, b"opsin: frames of plugins")


def network_frame_token(token: str) -> str:
    """The one of frames that may reach the network: others must not come to know it."""
    return _following(token, b"opsin: frames of plugins, with the network")


def host_token(token: str) -> str:
    """The token of pages of others that run plugins in themselves."""
    return _following(token, b"opsin: pages of others")


def _following(token: str, what: bytes) -> str:
    digest = hmac.digest(token.encode(), what, hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:24]).decode()


class Access:
    """ASGI middleware that lets through only this user's own pages.

    Every request needs a `Host` of this server (against DNS rebinding), an `Origin` of this server
    if it sends one (against other sites' scripts), and the token: in a cookie, set when a page is
    opened with `?token=…`, or as `Authorization: Bearer …`.

    Below `/zarr/` and `/embed/` the token, or the one for reading, is in the path, and in nothing
    else; whoever knows it may come from any site, since viewers in a browser do. Nothing can be
    changed there. So it is below `/plugin/`, with tokens of its own: what runs there has an opaque
    origin. What can be put there, at `/plugin/TOKEN/shared/`, needs a secret of its own.

    Below `/host/` are pages of others that this user named: with their `Origin`, and a token of
    their own. If none is named, nothing is there.

    Args:
        app: what is behind it.
        token: of the server.
        port: of the server.
        names: by which other computers may call this one, beside its IP addresses; None: it does
            not listen to them.
        embedders: origins of pages of others that may run plugins in themselves.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        port: int,
        names: Collection[str] | None = None,
        embedders: Collection[str] = (),
    ) -> None:
        self._app = app
        self._embedders = frozenset(embedders)
        self._host_token = host_token(token).encode()
        self._tokens = (token.encode(), reading_token(token).encode())
        frames = [frame_token(token), network_frame_token(token)]
        if embedders:
            guest = host_token(token)
            frames += [frame_token(guest), network_frame_token(guest)]
        self._frame_tokens = [one.encode() for one in frames]
        self._token = token.encode()
        self._cookie = f"opsin-token-{port}"
        self._port = port
        self._open = names is not None
        self._hosts = {f"{name.lower()}:{port}" for name in (*LOOPBACK, *(names or ()))}
        if port == 80:
            self._hosts |= {name.removesuffix(":80") for name in self._hosts}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._check(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})

    def _check(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if not self._is_own(host):
            return JSONResponse({"error": "This server does not answer to that name."}, 421)
        path: str = scope["path"]
        if path.startswith(("/zarr/", "/embed/")):
            given = path.split("/", 3)[2].encode(errors="replace")
            is_view = scope["type"] == "websocket" and path.startswith("/embed/")
            if (scope["type"] == "http" or is_view) and self._may_read(given):
                return None
            return JSONResponse({"error": "The token in the address is wrong or expired."}, 401)
        if path.startswith("/plugin/"):
            given = path.split("/", 3)[2].encode(errors="replace")
            known = [hmac.compare_digest(given, token) for token in self._frame_tokens]
            methods = _OF_SHARED if path.split("/", 4)[3:4] == ["shared"] else ("GET", "HEAD")
            if scope["type"] == "http" and scope["method"] in methods and any(known):
                return None
            return JSONResponse({"error": "The token in the address is wrong or expired."}, 401)
        if path.startswith("/host/"):
            return self._check_embedder(scope, headers.get("origin", "").lower())
        own = {*self._origins, f"http://{host}"}
        if (origin := headers.get("origin")) is not None and origin.lower() not in own:
            return JSONResponse({"error": "Requests from other sites are refused."}, 403)
        if scope["type"] == "websocket" and origin is None:
            return JSONResponse({"error": "A page's socket names its origin."}, 403)
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        if (  # also from who has the cookie: no address bar keeps a token
            scope["type"] == "http"
            and scope["method"] == "GET"
            and self._matches(dict(query).get("token", ""))
        ):
            return self._admit(scope["path"], [pair for pair in query if pair[0] != "token"])
        if any(map(self._matches, self._presented(headers))):
            return None
        if "text/html" in headers.get("accept", ""):
            return HTMLResponse(_REFUSED, 401)
        return JSONResponse({"error": "The token is missing or has expired."}, 401)

    def _check_embedder(self, scope: Scope, origin: str) -> Response | None:
        """A page of others is known by its origin, which no page can make up, and the token."""
        if not self._embedders:
            return JSONResponse({"error": "There is nothing here."}, 404)
        if origin not in self._embedders:
            words = "Pages of that site are not let in: see `opsin serve --embed`."
            return JSONResponse({"error": words}, 403)
        given = scope["path"].split("/", 3)[2].encode(errors="replace")
        if not hmac.compare_digest(given, self._host_token):
            return JSONResponse({"error": "The token in the address is wrong or expired."}, 401)
        return None

    def _is_own(self, host: str) -> bool:
        """Whether a `Host` is a name of this server: a foreign one may be made to lead here.

        An IP address cannot be, so where other computers may come any of them will do.
        """
        if host in self._hosts:
            return True
        match = _ADDRESS.fullmatch(host) if self._open else None
        if match is None or int(match[2] or 80) != self._port:
            return False
        with suppress(ValueError):
            ipaddress.ip_address(match[1].strip("[]"))
            return True
        return False

    def _may_read(self, presented: bytes) -> bool:
        return any(hmac.compare_digest(presented, token) for token in self._tokens)

    def _presented(self, headers: Headers) -> Iterator[str]:
        """The tokens that a request brings along.

        Cookies of other applications on this computer are in the same header and may look like
        anything (JSON, open quotes), so a parser that wants all of them to be right is no use.
        """
        authorization = headers.get("authorization", "")
        if authorization.startswith("Bearer "):
            yield authorization.removeprefix("Bearer ")
        for header in headers.getlist("cookie"):
            for cookie in header.split(";"):
                name, _, value = cookie.partition("=")
                if name.strip() == self._cookie:
                    yield value.strip()

    def _matches(self, presented: str) -> bool:
        return hmac.compare_digest(presented.encode(), self._token)

    def _admit(self, path: str, query: list[tuple[str, str]]) -> Response:
        """Turn the token in the address into a cookie.

        A page, not a redirect: after a redirect from elsewhere a browser would withhold a
        `SameSite=Strict` cookie. It leads to one slash and a quoted path: two slashes, or what a
        browser takes for them, would be another host.
        """
        target = "/" + quote(path.lstrip("/")) + (f"?{urlencode(query)}" if query else "")
        target = escape(target)
        head = f'<meta http-equiv="refresh" content="0;url={target}">'
        response = HTMLResponse(_PAGE.format(head=head, body=f'<a href="{target}">Opsin</a>'))
        response.set_cookie(
            self._cookie, self._token.decode(), httponly=True, samesite="strict", path="/"
        )
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response
