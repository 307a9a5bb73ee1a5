"""Store: a folder over HTTP, each answer later by a latency, with a count of what was read.

Beside it, without that delay and on the same port: the page of a viewer, and the tour it follows.
It takes the report of that page.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from harness.view.data import Data
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PAGES = Path(__file__).parent / "pages"
IMAGE = "image.zarr"
OPEN = {"Access-Control-Allow-Origin": "*"}
START_PAGE = """<!doctype html><title>Start</title><script type="module">
await new Promise((resolve) => setTimeout(resolve, 1500));
await fetch("/began", { method: "POST" });
const navigated = performance.timeOrigin + performance.now();
location.href = decodeURIComponent(location.hash.slice(1)).replace("NAVIGATED", navigated);
</script>"""


class Store:
    """Serves on a port of its own, in a thread, within a `with`.

    Args:
        data: the image, at `/image.zarr/`.
        latency: seconds from the request for a file of the image until its answer begins.
        tour: what the page reads as `/view/tour.json`; where the image is, and where to send the
            report, is added.
        folders: folders of files by the start of their addresses.
        pages: contents by address.
        began: called when the browser is about to go to the viewer's page.
        ended: called when the report has come, before the page hears of it.
    """

    def __init__(
        self,
        data: Data,
        latency: float,
        tour: Mapping[str, Any],
        folders: Mapping[str, Path],
        pages: Mapping[str, bytes],
        began: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self.bytes = 0
        self.requests = 0
        self.reports: queue.Queue[Any] = queue.Queue()
        self._data = data
        self._latency = latency
        self._folders = {"/view/": PAGES, **folders}
        self._began, self._ended = began, ended
        app = Starlette(
            routes=[
                Route(f"/{IMAGE}/{{key:path}}", self._image, methods=["GET", "HEAD"]),
                Route("/began", self._start, methods=["POST"]),
                Route("/report", self._report, methods=["POST"]),
                Route("/{path:path}", self._page),
            ]
        )
        config = uvicorn.Config(app, port=0, log_level="warning", access_log=False, lifespan="off")
        self._socket = config.bind_socket()
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        described = {
            **tour,
            "image": f"{self.address}/{IMAGE}",
            "report": f"{self.address}/report",
            "axes": list(data.axes),
            "contrast": data.contrast,
        }
        self.tour = json.dumps(described).encode()
        self._pages = {"/start": START_PAGE.encode(), "/view/tour.json": self.tour, **pages}
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> Store:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()

    async def _image(self, request: Request) -> Response:
        await asyncio.sleep(self._latency)
        if await request.is_disconnected():
            return Response(status_code=499)
        key = request.path_params["key"]
        self.requests += 1
        if key == "zarr.json":
            body = self._data.metadata
        else:
            file = self._data.folder / key
            level = key.partition("/")[0]
            if not level.isdigit() or not file.is_file():
                return Response(status_code=404, headers=OPEN)
            body = file.read_bytes()
        if request.method == "GET":
            self.bytes += len(body)
        return Response(body, headers=OPEN, media_type="application/octet-stream")

    async def _start(self, _request: Request) -> Response:
        await asyncio.to_thread(self._began)
        return Response()

    async def _report(self, request: Request) -> Response:
        report = json.loads(await request.body())
        await asyncio.to_thread(self._ended)
        self.reports.put(report)
        return Response(headers=OPEN)

    async def _page(self, request: Request) -> Response:
        path = request.url.path
        if path in self._pages:
            name = "index.html" if path.endswith("/") or path == "/start" else path
            kind = mimetypes.guess_type(name)[0]
            return Response(self._pages[path], media_type=kind, headers=OPEN)
        for start, folder in self._folders.items():
            file = (folder / path.removeprefix(start)).resolve()
            if path.startswith(start) and file.is_file() and folder.resolve() in file.parents:
                kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                return Response(file.read_bytes(), media_type=kind, headers=OPEN)
        return Response(status_code=404)
