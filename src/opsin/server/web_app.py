"""Web app: the files that the browser's app is built to."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

STATIC = Path(__file__).parent / "static"
"""The built web app; in the wheel, not in git."""
HASHED = "assets/"
"""Below it names change with what is in a file."""
FOR_EVER = "private, max-age=31536000, immutable"
mimetypes.add_type("text/javascript", ".js")  # some systems say otherwise, and browsers refuse that


async def web_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the files, as an ASGI application.

    They are few, small and wanted by whoever waits for the first picture, while threads open the
    image: an answer from the loop comes at once, one from another thread when they let it.
    """
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        raise HTTPException(405)
    name = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
    answer = file(name)
    if answer is None:
        raise HTTPException(404)
    await answer(scope, receive, send)


def file(name: str) -> Response | None:
    """The answer that is a file, by its name below the app; None: there is no such file."""
    try:
        path = (STATIC / name).resolve()
        if not path.is_relative_to(STATIC.resolve()):
            return None
        content = path.read_bytes()
    except (OSError, ValueError):
        return None
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    caching = FOR_EVER if name.startswith(HASHED) else "no-cache"
    return Response(content, media_type=kind, headers={"Cache-Control": caching})
