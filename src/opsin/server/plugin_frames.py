"""Plugin frames: what plugins that run in the page load, at `/plugin/TOKEN/…` (protocol/IMJOY.md).

`access` has checked the token in the path. It opens nothing else: a frame reads here what it is
made of, and no image.
"""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from opsin.host.imjoy.shared_files import SharedFiles
from opsin.server import web_app
from opsin.server.access import frame_token, host_token, network_frame_token
from opsin.server.shared_files import shared_file_route

Folder = Callable[[], Path | None]
"""Where fetched files, packages and applications of plugins lie; None: there are none."""

SCRIPTS = {
    "frame.js": "plugin_frame.js",
    "worker.js": "plugin_worker.js",
    "imjoy-loader.js": "plugin_loader.js",
    "outside.js": "plugin_outside.js",
}
_PAGES = {
    "frame.html": '<script src="frame.js"></script>',
    "outside.html": '<script src="outside.js"></script>',
}
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Plugin</title>
<style>body{{margin:0;overscroll-behavior:contain}}</style></head><body>{}</body></html>"""
_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
}
KEPT = ("files", "npm", "pyodide", "apps")
"""Folders in the folder of plugins' pages, by the first part of their address."""
SANDBOX = "sandbox allow-scripts allow-forms allow-modals allow-downloads allow-pointer-lock"
_LOADERS = re.compile(
    rb"https?://(?:lib\.imjoy\.io|cdn\.jsdelivr\.net/npm/imjoy-loader(?:@[\w.-]+)?(?:/dist)?)"
    rb"/imjoy-loader(?:\.min)?(?:\.js)?"
)
_HEAD = re.compile(rb"<head[^>]*>", re.IGNORECASE)
mimetypes.add_type("application/wasm", ".wasm")
mimetypes.add_type("text/javascript", ".mjs")


def plugin_frames(
    token: str, folder: Folder, shared: SharedFiles, embedders: Collection[str] = ()
) -> list[Mount | Route]:
    """The routes of frames, and the one that tells the page where they are.

    Args:
        token: of the server.
        folder: asked at each request.
        shared: files that plugins were given addresses of.
        embedders: origins of pages of others; their frames have addresses of their own.
    """
    with_network = {network_frame_token(token)}
    guests = {frame_token(host_token(token)), network_frame_token(host_token(token))}
    if embedders:
        with_network.add(network_frame_token(host_token(token)))

    def may_reach_out(request: Request) -> bool:
        return request.path_params["token"] in with_network

    def guarded(answer: Response, request: Request) -> Response:
        is_of_guest = request.path_params["token"] in guests
        policy = frame_policy(
            _base(request),
            network=may_reach_out(request),
            pages=tuple(embedders) if is_of_guest else (),
        )
        answer.headers.update({"Content-Security-Policy": policy, **_HEADERS})
        return answer

    async def where(_request: Request) -> Response:
        return JSONResponse(
            {
                "closed": f"plugin/{frame_token(token)}/",
                "open": f"plugin/{network_frame_token(token)}/",
            }
        )

    async def page(request: Request) -> Response:
        name = request.path_params["name"]
        network = may_reach_out(request)
        if name in SCRIPTS:
            answer = web_app.file(SCRIPTS[name])
            if answer is None:
                raise HTTPException(503, "The web app is not built: run `make setup`.")
        elif name in _PAGES and (network or name != "outside.html"):
            answer = HTMLResponse(_PAGE.format(_PAGES[name]))
        else:
            raise HTTPException(404)
        return guarded(answer, request)

    async def kept(request: Request) -> Response:
        first, rest = request.path_params["first"], request.path_params["rest"]
        base = folder()
        path = None if base is None else await asyncio.to_thread(_inside, base / first, rest)
        if first not in KEPT or path is None:
            raise HTTPException(404)
        if path.suffix in (".html", ".htm"):
            content = await asyncio.to_thread(path.read_bytes)
            answer: Response = HTMLResponse(_with_loader(content, _base(request)))
        else:
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            answer = FileResponse(path, media_type=kind)
            if first == "files":
                answer.headers["Cache-Control"] = web_app.FOR_EVER
        return guarded(answer, request)

    return [
        Route("/api/frames", where),
        Mount(
            "/plugin/{token}",
            routes=[
                Route("/{name}", page),
                shared_file_route(shared, guarded),
                Route("/{first}/{rest:path}", kept),
            ],
        ),
    ]


def frame_policy(base: str, *, network: bool, pages: Collection[str] = ()) -> str:
    """The policy of a frame's page.

    Args:
        base: address of `/plugin/TOKEN/`, with the server's name.
        network: whether it may reach addresses other than that.
        pages: origins of those that it may lie in; by default, of this server.
    """
    there = f"{base} https: http: wss: ws:" if network else base
    parts = urlsplit(base)
    rules = (
        SANDBOX + (" allow-popups" if network else ""),
        "default-src 'none'",
        f"script-src {there} 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob: data:",
        f"style-src {there} 'unsafe-inline' blob: data:",
        f"img-src {there} blob: data:",
        f"media-src {there} blob: data:",
        f"font-src {there} blob: data:",
        f"connect-src {there} blob: data:",
        "worker-src blob: data:",
        f"frame-src {'https: http:' if network else base} blob: data:",
        "object-src 'none'",
        "form-action 'none'" if not network else "form-action https: http:",
        f"frame-ancestors {' '.join(pages) or f'{parts.scheme}://{parts.netloc}'}",
    )
    return "; ".join(rules)


def frame_source(host: str) -> str:
    """What the app's own policy says of frames: those of this server, and nothing else of it."""
    return f"http://{host}/plugin/"


def _base(request: Request) -> str:
    given = request.path_params["token"]
    return f"http://{request.headers['host']}/plugin/{given}/"


def _inside(folder: Path, rest: str) -> Path | None:
    """A file below a folder; None: there is none of that name."""
    try:
        path = (folder / rest).resolve()
        if path.is_dir():
            path = path / "index.html"
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError):
        return None


def _with_loader(content: bytes, base: str) -> bytes:
    """An application's page with Opsin's own answer to ImJoy's loader, so that it joins offline."""
    loader = f"{base}imjoy-loader.js".encode()
    content = _LOADERS.sub(loader, content)
    script = b'<script src="%s"></script>' % loader
    found = _HEAD.search(content)
    place = found.end() if found else 0
    return content[:place] + script + content[place:]
