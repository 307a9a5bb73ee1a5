"""App: the ASGI application, put together from its parts."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from opsin.errors import UsageError
from opsin.host.imjoy.shared_files import SharedFiles
from opsin.images.readers import readers
from opsin.render import colormaps
from opsin.server import web_app
from opsin.server.access import Access
from opsin.server.embedded_host import embedded_host
from opsin.server.embedding import embedding
from opsin.server.plugin_frames import frame_source, plugin_frames
from opsin.server.routes import ERRORS, routes
from opsin.server.session import Session
from opsin.server.shared_files import ServedFiles
from opsin.server.zarr_routes import ZarrApp


def make_app(
    session: Session,
    *,
    token: str,
    port: int,
    names: Collection[str] | None = None,
    embedders: Collection[str] = (),
) -> Starlette:
    """The application that shows a session to those who have the token.

    `names` and `embedders`: as `Access` takes them.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        session.start()
        warming = asyncio.create_task(asyncio.to_thread(_warm_up))
        yield
        await warming
        await session.close()

    policy = "; ".join(
        (
            "default-src 'self'",
            "connect-src 'self' {sockets}",
            "img-src 'self' data: blob:",
            "style-src 'self' 'unsafe-inline'",
            "worker-src 'self' blob:",
            "frame-src {frames}",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'none'",
        )
    )

    async def index(request: Request) -> Response:
        page = web_app.file("index.html")
        if page is None:
            return PlainTextResponse("The web app is not built: run `make setup`.", 503)
        session.begin_to_open(*request.query_params.getlist("open"))
        hosts = dict.fromkeys((f"127.0.0.1:{port}", f"localhost:{port}", request.headers["host"]))
        page.headers.update(
            {
                "Content-Security-Policy": policy.replace(
                    "{sockets}", " ".join(f"ws://{host}" for host in hosts)
                ).replace("{frames}", " ".join(map(frame_source, hosts))),
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            }
        )
        return page

    def frames_folder() -> Path | None:
        try:
            return session.host.workspace.fetched
        except UsageError:  # plugins are switched off
            return None

    shared = SharedFiles()
    app = Starlette(
        routes=[
            Route("/", index),
            *routes(),
            *plugin_frames(token, frames_folder, shared, embedders),
            Mount("/zarr", ZarrApp(session)),
            embedding(),
            *([embedded_host(token, embedders)] if embedders else []),
            Mount("/", web_app.web_app),
        ],
        middleware=[Middleware(Access, token=token, port=port, names=names, embedders=embedders)],
        exception_handlers=ERRORS,
        lifespan=lifespan,
    )
    app.state.session = session
    app.state.served_at = lambda base: ServedFiles(shared, base, token)
    return app


def _warm_up() -> None:
    """What the first page would wait for otherwise, done while the browser starts (0.2 s)."""
    importlib.import_module("anyio._backends._asyncio")
    readers()
    for name in colormaps.NAMES:
        colormaps.lut(name)
