"""Embedded host: pages of other sites run plugins in themselves, at `/host/TOKEN/…`.

Such a page loads one script, which links it to this server. `access` has checked the token, and
that the page is of an origin that the user named (`opsin serve --embed`). It gets a desk of its own
and nothing else: no image, no file, and nothing that it agrees to is agreed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from opsin.errors import UsageError
from opsin.host.imjoy.api import NAMES
from opsin.host.imjoy.face import Face
from opsin.host.imjoy.guest_desk import GuestDesk
from opsin.rpc.objects import by_reference
from opsin.rpc.peer import Peer
from opsin.rpc.remote import Remote, typed
from opsin.rpc.transports.websocket import HEARTBEAT
from opsin.server import web_app
from opsin.server.access import frame_token, host_token, network_frame_token
from opsin.server.host_service import SocketTransport
from opsin.server.session import Session

SCRIPT = "opsin_host.js"
"""What a page loads. Built by the web app, as what it imports: scripts in `assets/`."""


def embedded_host(token: str, origins: Collection[str]) -> Mount:
    """The routes below `/host/TOKEN/`.

    Args:
        token: of the server.
        origins: of the pages that may come.
    """
    guest = host_token(token)
    frames = {
        "closed": f"plugin/{frame_token(guest)}/",
        "open": f"plugin/{network_frame_token(guest)}/",
    }

    async def script(request: Request) -> Response:
        if request.method == "OPTIONS":
            return _for_page(Response(status_code=204), request)
        name = request.path_params.get("name")
        answer = web_app.file(SCRIPT if name is None else f"{web_app.HASHED}{name}")
        if answer is None or not str(name or SCRIPT).endswith(".js"):
            raise HTTPException(404)
        return _for_page(answer, request)

    async def link(socket: WebSocket) -> None:
        session: Session = socket.app.state.session
        await socket.accept()
        desks: list[GuestDesk] = []
        root = EmbeddedHost(session, desks, origins, socket.headers["origin"], frames)
        try:
            async with Peer(SocketTransport(socket), root, heartbeat=HEARTBEAT) as peer:
                await peer.until_ended()
        finally:
            await _close(desks)

    methods = ["GET", "OPTIONS"]
    return Mount(
        "/host/{token}",
        routes=[
            Route(f"/{SCRIPT}", script, methods=methods),
            Route("/assets/{name}", script, methods=methods),
            WebSocketRoute("/rpc", link),
        ],
    )


class EmbeddedHost:
    """The root service of the link of a page of others.

    Args:
        desks: the page's, which are closed with the link.
        origins: from which such pages come.
        origin: of this one.
        frames: where frames of plugins are, below the address of the server.
    """

    def __init__(
        self,
        session: Session,
        desks: list[GuestDesk],
        origins: Collection[str],
        origin: str,
        frames: dict[str, str],
    ) -> None:
        self._session = session
        self._desks = desks
        self._origins = origins
        self._origin = origin
        self._frames = frames

    async def desk(self, face: Any) -> EmbeddedDesk:
        """Where this page's plugins are loaded; the one that it had before is cleared."""
        if not isinstance(face, Remote):
            raise UsageError("A desk has a face, which the page answers.")
        await _close(self._desks)
        host = self._session.host
        desk = GuestDesk(
            host, typed(face, Face), origins=self._origins, front_end=f"page of {self._origin}"
        )
        self._desks.append(desk)
        return EmbeddedDesk(desk, self._frames)


@by_reference
class EmbeddedDesk:
    """A desk, as a page of others calls it: what it loads is there for it alone, and not kept."""

    def __init__(self, desk: GuestDesk, frames: dict[str, str]) -> None:
        self._desk = desk
        self._frames = frames

    async def join(self, name: Any, answers: Any = None) -> dict[str, Any]:
        """Take part as a plugin of that name; `answers` are in place of the host's, by name."""
        given = answers if isinstance(answers, dict) else {}
        own = {str(key): one for key, one in given.items() if callable(one)}
        api = self._desk.join(str(name), own)
        return {
            "names": list(NAMES),
            "constants": self._desk.page_constants,
            "call": api.call,
            "export": api.export,
            "frames": self._frames,
        }

    async def load(self, source: Any, tag: Any = "") -> dict[str, Any]:
        """Load a plugin: one that the owner has, an ImJoy URI, an address, or its text."""
        return (await self._desk.load(str(source), str(tag or ""))).entry()

    async def run(self, source: Any, context: Any = None) -> Any:
        """Run one, which is loaded if need be."""
        return await self._desk.run(str(source), context if isinstance(context, dict) else None)

    async def stop(self, id: Any) -> None:
        """End one."""
        await self._desk.stop(str(id))

    def watch(self) -> AsyncIterator[list[dict[str, Any]]]:
        """All that are loaded, now and after every change."""
        return self._desk.watch()


async def _close(desks: list[GuestDesk]) -> None:
    while desks:
        await desks.pop().close()


def _for_page(answer: Response, request: Request) -> Response:
    """Let the page that asks, and no other, read an answer, also from a private network."""
    answer.headers.update(
        {
            "Access-Control-Allow-Origin": request.headers["origin"],
            "Access-Control-Allow-Methods": "GET",
            "Vary": "Origin",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
    )
    if request.headers.get("access-control-request-private-network") == "true":
        answer.headers["Access-Control-Allow-Private-Network"] = "true"
    return answer
