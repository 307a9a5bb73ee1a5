"""`opsin view`, with a page beside its own that runs a tour by itself and reports.

Arguments: the script of the tour, and those of `opsin view`. At `/measured` it runs in Opsin's
page, at `/empty` in one that has nothing else. Prints the address of the server; and when a report
comes, `report: ` and its JSON, with the CPU time of this process since Opsin's page was asked for.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from unittest.mock import patch

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from opsin import cli
from opsin.server import launch
from opsin.server.app import make_app
from opsin.server.session import Session
from opsin.server.web_app import STATIC


def measured_app(session: Session, **options: Any) -> Starlette:
    """The app of the server, and four more routes."""
    app = make_app(session, **options)
    began = 0.0

    async def page(_request: Request) -> Response:
        nonlocal began
        began = time.process_time()
        html = (STATIC / "index.html").read_text()
        return HTMLResponse(html.replace("<head>", '<head><script src="/tour.js"></script>', 1))

    async def empty(_request: Request) -> Response:
        return HTMLResponse('<!doctype html><title>Empty</title><script src="/tour.js"></script>')

    async def report(request: Request) -> Response:
        content = await request.json()
        content["serverCpu"] = time.process_time() - began
        print("report:", json.dumps(content), flush=True)
        return Response(status_code=204)

    async def tour(_request: Request) -> Response:
        return FileResponse(sys.argv[1])

    app.router.routes[:0] = [
        Route("/measured", page),
        Route("/empty", empty),
        Route("/tour.js", tour),
        Route("/report", report, methods=["POST"]),
    ]
    return app


if __name__ == "__main__":
    with patch.object(launch, "make_app", measured_app):
        sys.exit(cli.main(["view", *sys.argv[2:], "--no-browser"]))
