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
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from opsin.images.readers import readers
from opsin.render import colormaps
from opsin.server.access import Access
from opsin.server.embedding import embedding
from opsin.server.routes import ERRORS, routes
from opsin.server.session import Session
from opsin.server.zarr_routes import ZarrApp

STATIC = Path(__file__).parent / "static"
"""The built web app; in the wheel, not in git."""
MOST_OPENED = 20
"""Images that one address opens, at most."""


def make_app(
    session: Session, *, token: str, port: int, names: Collection[str] | None = None
) -> Starlette:
    """The application that shows a session to those who have the token.

    `names`: as `Access` takes them.
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
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'none'",
        )
    )

    async def index(request: Request) -> Response:
        page = STATIC / "index.html"
        if not page.is_file():
            return PlainTextResponse("The web app is not built: run `make setup`.", 503)
        for name in request.query_params.getlist("open")[:MOST_OPENED]:
            session.begin_to_open(name)
        hosts = dict.fromkeys((f"127.0.0.1:{port}", f"localhost:{port}", request.headers["host"]))
        headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": policy.replace(
                "{sockets}", " ".join(f"ws://{host}" for host in hosts)
            ),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return FileResponse(page, headers=headers)

    app = Starlette(
        routes=[
            Route("/", index),
            *routes(),
            Mount("/zarr", ZarrApp(session)),
            embedding(STATIC),
            Mount("/", StaticFiles(directory=STATIC, check_dir=False)),
        ],
        middleware=[Middleware(Access, token=token, port=port, names=names)],
        exception_handlers=ERRORS,
        lifespan=lifespan,
    )
    app.state.session = session
    return app


def _warm_up() -> None:
    """What the first page would wait for otherwise, done while the browser starts (0.2 s)."""
    importlib.import_module("anyio._backends._asyncio")
    readers()
    for name in colormaps.NAMES:
        colormaps.lut(name)
