"""Embedding: what a page of another site needs to show a view, at `/embed/TOKEN/…`.

`access` has checked the token in the path. A view reads, and changes nothing here.
"""

from __future__ import annotations

from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opsin.server.routes import get_colormaps, view_stream
from opsin.server.web_app import web_app

FOR_ALL = (
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


def embedding() -> Mount:
    """The routes below `/embed/TOKEN/`: `<opsin-view>`, colour maps and the view stream."""
    return Mount(
        "/embed/{token}",
        app=_ForAll(
            Router(
                [
                    Route("/colormaps", get_colormaps),
                    WebSocketRoute("/stream", view_stream),
                    Mount("/", web_app),
                ]
            )
        ),
    )


class _ForAll:
    """Lets scripts of any site read the answers of an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *FOR_ALL]
            await send(message)

        await self._app(scope, receive, sending)
