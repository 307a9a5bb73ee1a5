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
from opsin.server.app import make_app
from opsin.server.library import Group
from opsin.server.session import Session
from opsin.server.web_app import STATIC

SCRIPTS = (
    '<head><script src="/view/probe.js"></script>'
    '<script type="module" src="/view/opsin.js"></script>'
)
FILES = ("probe.js", "pictures.js", "tour.js", "tour.json", "opsin.js")
"""What the page of a tour consists of, beside the app."""


def read(address: str) -> tuple[bytes, str]:
    """A file of the store, and what kind of file it is."""
    with urllib.request.urlopen(address) as answer:
        return answer.read(), answer.headers["content-type"]


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

    # Read before anybody looks: for the other viewers, too, that lies ready where the page is.
    files = {name: read(f"{store}/view/{name}") for name in FILES}

    async def file(request: Request) -> Response:
        body, kind = files[request.path_params["name"]]
        return Response(body, media_type=kind)

    app.router.routes[:0] = [Route("/led", page), Route("/view/{name}", file)]
    return app


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as root, patch.object(launch, "make_app", led_app):
        sys.exit(cli.main(["serve", "--root", root, "--disk-cache", "off"]))
