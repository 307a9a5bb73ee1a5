"""Shared files: what plugins were given addresses of, at `/plugin/TOKEN/shared/SECRET/NAME`.

`access` has checked the token, which frames know; the secret is known to the plugin that asked, and
to whom it tells. A file is read, also in parts; what may be put is put once, by `PUT` or a form.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from opsin.errors import UsageError
from opsin.host.imjoy.shared_files import LARGEST_UPLOAD, SharedFile, SharedFiles
from opsin.server.access import frame_token, network_frame_token

FOLDER = "shared"
"""Below `/plugin/TOKEN/`."""
METHODS = ["GET", "HEAD", "PUT", "POST", "OPTIONS"]
LONGEST_HEAD = 2**14
"""Bytes of what is before a file in a form."""


class ServedFiles:
    """The files of one desk, as a server serves them.

    Args:
        shared: those of the server.
        base: address of the server, as the desk's page calls it.
        token: of the server.
    """

    def __init__(self, shared: SharedFiles, base: str, token: str) -> None:
        self._shared = shared
        self._base = base
        self._tokens = (frame_token(token), network_frame_token(token))

    def address(self, file: SharedFile, *, network: bool) -> str:
        """Where a file is served, for a plugin that may reach the network, or may not."""
        key = self._shared.share(file)
        return (
            f"{self._base}plugin/{self._tokens[network]}/{FOLDER}/{key}/{quote(file.name, safe='')}"
        )

    def forget(self, owner: str) -> None:
        """Serve nothing of an owner's any more."""
        self._shared.forget(owner)


def shared_file_route(
    shared: SharedFiles, guarded: Callable[[Response, Request], Response]
) -> Route:
    """The route below `/plugin/TOKEN/`.

    Args:
        guarded: gives an answer the policy of all that is there.
    """

    async def answer(request: Request) -> Response:
        return guarded(await unguarded(request), request)

    async def unguarded(request: Request) -> Response:
        given = request.path_params["key"]
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_allowed())
        if request.method in ("GET", "HEAD"):
            file = shared.file(given)
            if file is None:
                raise HTTPException(404)
            return await asyncio.to_thread(_content, file)
        place = shared.take_place(given)
        if place is None:
            return _said("This address was used, or is none where something can be put.", 410)
        return await _put(request, place)

    return Route(f"/{FOLDER}/{{key}}/{{name:path}}", answer, methods=METHODS)


def _allowed() -> dict[str, str]:
    """What pages of an opaque origin are told."""
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": ", ".join(METHODS),
        "Access-Control-Allow-Headers": "*",
    }


def _content(file: SharedFile) -> Response:
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    headers = {"Access-Control-Expose-Headers": "Content-Range, Accept-Ranges, ETag"}
    if file.path is None:
        return Response(file.content, media_type=kind, headers=headers)
    # What lies there may have become a link to elsewhere.
    if not file.path.is_file() or file.path.resolve() != file.path:
        raise HTTPException(404)
    return FileResponse(file.path, media_type=kind, headers=headers)


async def _put(request: Request, place: SharedFile) -> Response:
    assert place.path is not None
    temporary = place.path.with_name(f".{secrets.token_hex(8)}")
    try:
        place.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = 0
        with temporary.open("wb") as file:
            async for part in _sent(request):
                size += len(part)
                if size > LARGEST_UPLOAD:
                    return _said(f"More than {LARGEST_UPLOAD // 2**20} MiB are refused.", 413)
                await asyncio.to_thread(file.write, part)
        await asyncio.to_thread(_moved, temporary, place)
    except FileExistsError:
        return _said(f"{place.shown} is there already: ask with overwrite: true.", 409)
    except UsageError as error:
        return _said(str(error), 400)
    except OSError as error:
        return _said(f"{place.shown} cannot be written: {error.strerror or error}.", 507)
    finally:
        with suppress(OSError):
            temporary.unlink()
    return JSONResponse({"path": place.shown, "name": place.name, "size": size}, 201)


def _moved(temporary: Path, place: SharedFile) -> None:
    assert place.path is not None
    if place.overwrite:
        temporary.replace(place.path)
    else:
        os.link(temporary, place.path)  # which fails if there is one meanwhile


def _said(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status)


async def _sent(request: Request) -> AsyncIterator[bytes]:
    """The content that comes: the body, or of a form its first file.

    Raises:
        UsageError: it is a form without one.
    """
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "multipart/form-data":
        async for part in request.stream():
            yield part
        return
    boundary = rest.partition("boundary=")[2].strip().strip('"').encode()
    if not boundary:
        raise UsageError("That form says no boundary.")
    async for part in _first_of_form(request.stream(), boundary):
        yield part


async def _first_of_form(stream: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[bytes]:
    ending, held, is_inside = b"\r\n--" + boundary, b"", False
    async for part in stream:
        held += part
        if not is_inside:
            _, is_ended, after = held.partition(b"\r\n\r\n")
            if not is_ended:
                if len(held) > LONGEST_HEAD:
                    break
                continue
            held, is_inside = after, True
        found = held.find(ending)
        if found >= 0:
            yield held[:found]
            return
        sure = len(held) - len(ending)  # the end may be cut in two
        if sure > 0:
            yield held[:sure]
            held = held[sure:]
    raise UsageError("That form has no file, or ends too early.")
