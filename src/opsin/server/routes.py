"""Routes: the commands that a page gives over HTTP, and the socket of a view."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from opsin.errors import OpenError, OpsinError, ProtocolError, UsageError
from opsin.render import colormaps
from opsin.server.host_service import host_link
from opsin.server.session import Session
from opsin.views.stream import Stream

STUCK = 30.0
"""Seconds after which a socket that takes nothing is given up."""
LARGEST_STATE = 2**20
"""Bytes of a saved view, at most."""


async def get_colormaps(_request: Request) -> Response:
    """All colour tables by name: base64 of 256 × RGB bytes."""
    tables = {
        name: base64.b64encode(colormaps.lut(name).tobytes()).decode() for name in colormaps.NAMES
    }
    return JSONResponse(tables, headers={"Cache-Control": "no-cache"})


async def get_histogram(request: Request) -> Response:
    """Histogram of a layer's coarsest level at the slice that `position` names."""
    position = _position(request.query_params.get("position", "{}"))
    counts, auto = await _session(request).histogram(request.path_params["layer"], position)
    return JSONResponse(
        {
            "low": counts.low,
            "high": counts.high,
            "counts": [int(count) for count in counts.counts],
            "auto": list(auto),
        }
    )


async def get_view(request: Request) -> Response:
    """The view state that a page saved last, or null."""
    return JSONResponse(_session(request).saved_view)


async def put_view(request: Request) -> Response:
    """Save a page's view state, so that a page opened without one shows the same."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_STATE:
            raise UsageError("A view state this large is refused.")
    try:
        state = json.loads(body, parse_constant=_no_constant)
        json.dumps(state, ensure_ascii=False).encode()  # text that is not Unicode fails here
    except (ValueError, RecursionError):
        raise UsageError("A view state is a JSON object.") from None
    if not isinstance(state, dict):
        raise UsageError("A view state is a JSON object.")
    _session(request).saved_view = state
    return Response(status_code=204)


async def put_file(request: Request) -> Response:
    """Show a file that was dropped onto the page: the ids of its layers, or why there are none."""
    size = request.headers.get("Content-Length", "")
    name = request.path_params["name"]
    try:
        layers = await _session(request).take_file(
            name, int(size) if size.isdecimal() else None, request.stream()
        )
    except OpenError as error:
        return JSONResponse({"layers": [], "refused": str(error)})
    return JSONResponse({"layers": layers, "refused": ""})


async def get_result(request: Request) -> Response:
    """A table that a job gave, as a file to keep."""
    job = _session(request).host.job(request.path_params["job"])
    number = request.path_params["number"]
    if not 0 <= number < len(job.results) or job.results[number].rows is None:
        raise UsageError("That job has no such table.")
    result = job.results[number]
    if not await asyncio.to_thread(result.path.is_file):
        raise UsageError(f"{result.path} was removed: run it again.")
    return FileResponse(result.path, filename=result.name)


async def get_log(request: Request) -> Response:
    """All that a job has printed, as a file to keep."""
    host = _session(request).host
    job = host.job(request.path_params["job"])
    text = await asyncio.to_thread(host.workspace.logs.read, job.id)
    name = quote(f"{job.operation or 'run'}-{job.id}.log")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return PlainTextResponse(text, headers=headers)


async def view_stream(socket: WebSocket) -> None:
    """One canvas (protocol/VIEW.md), of a page that may be older than this server."""
    session: Session = socket.app.state.session
    await socket.accept()
    session.begin_to_open(*socket.query_params.getlist("open"), again=False)

    async def receive() -> bytes:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise EOFError
        data = message.get("bytes")
        if data is None:
            raise ProtocolError("Frames of the view stream are binary.")
        return bytes(data)

    async def send(frame: bytes) -> None:
        async with asyncio.timeout(STUCK):
            await socket.send_bytes(frame)

    stream = Stream(session.loader, session.scene, send, receive, session.policy)
    try:
        await stream.run()
    except ProtocolError as error:
        await socket.close(1008, str(error)[:120])
    except (WebSocketDisconnect, ConnectionError, TimeoutError):
        pass


def failed(_request: Request, error: Exception) -> Response:
    """An error that Opsin raised on purpose, as an answer."""
    status = 400 if isinstance(error, UsageError) else 502
    return JSONResponse({"error": str(error)}, status)


def routes() -> list[Any]:
    """All routes of the API."""
    return [
        Route("/api/colormaps", get_colormaps),
        Route("/api/layers/{layer:int}/histogram", get_histogram),
        Route("/api/view", get_view, methods=["GET"]),
        Route("/api/view", put_view, methods=["PUT"]),
        Route("/api/files/{name}", put_file, methods=["PUT"]),
        Route("/api/jobs/{job}/results/{number:int}", get_result),
        Route("/api/jobs/{job}/log", get_log),
        WebSocketRoute("/api/stream", view_stream),
        WebSocketRoute("/api/rpc", host_link),
    ]


ERRORS = {OpsinError: failed}


def _session(request: Request) -> Session:
    session: Session = request.app.state.session
    return session


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _position(text: str) -> dict[str, float]:
    try:
        found = json.loads(text)
        position = {str(axis): float(world) for axis, world in found.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise UsageError('A position is a JSON object such as {"z": 1.5}.') from None
    if not all(map(math.isfinite, position.values())):
        raise UsageError("A position has finite numbers.")
    return position
