"""`opsin serve`, with a page beside its own that a tour is led in. Arguments: image, store.

The image is opened when that page is asked for, as `?open=` does, so that what this takes counts.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import urllib.request
from unittest.mock import patch

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from opsin import cli
from opsin.images.readers import open_images
from opsin.server import launch
from opsin.server.app import STATIC, make_app
from opsin.server.library import Group
from opsin.server.session import Session

SCRIPTS = (
    '<head><script src="/view/probe.js"></script>'
    '<script type="module" src="/view/opsin.js"></script>'
)


def led_app(session: Session, *, token: str, port: int, **others: object) -> Starlette:
    """The app of the server, and the page of the tour."""
    app = make_app(session, token=token, port=port)
    image, store = sys.argv[1:]
    pages: list[int] = []

    async def opened(_name: str) -> Group:
        images = await asyncio.to_thread(open_images, image)
        return [(one, session.loader.add(one)) for one in images]

    patch.object(session.library, "open", opened).start()

    async def page(_request: Request) -> Response:
        if not pages:
            session.begin_to_open("image")
        pages.append(1)
        html = (STATIC / "index.html").read_text()
        return HTMLResponse(html.replace("<head>", SCRIPTS, 1))

    async def file(request: Request) -> Response:
        def read() -> tuple[bytes, str]:
            with urllib.request.urlopen(f"{store}{request.url.path}") as answer:
                return answer.read(), answer.headers["content-type"]

        body, kind = await asyncio.to_thread(read)
        return Response(body, media_type=kind)

    app.router.routes[:0] = [Route("/led", page), Route("/view/{path:path}", file)]
    return app


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as root, patch.object(launch, "make_app", led_app):
        sys.exit(cli.main(["serve", "--root", root, "--disk-cache", "off"]))
