"""To a page in Chromium: Opsin's RPC in TypeScript, over a WebSocket. The page measures itself.

Modes: `rpc`; `bare`, the same bytes in messages of 256 KiB on a WebSocket of the same library,
which the page puts together.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from harness.chromium import browser
from harness.demo import ROOT, scratch
from harness.links.measure import Link, main
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_sockets

from opsin.rpc.peer import Peer
from opsin.rpc.transports import websocket

PIECE = 2**18
PATIENCE = 60.0
START = """<!doctype html><script>location.href = "{address}";</script>"""
PAGES = {
    "rpc": """<!doctype html><script type="module">
import { connect } from "./rpc.js";
const python = (await connect("{socket}")).root();
const taken = [];
for (let i = 0; i < {count}; i++) {
  const start = performance.now();
  const array = await python.array();
  if (array.data.length !== {size} || array.data[{size} - 1] !== 7) throw new Error("not all");
  taken.push(performance.now() - start);
}
await python.report(taken);
</script>""",
    "bare": """<!doctype html><script type="module">
const socket = new WebSocket("{socket}");
socket.binaryType = "arraybuffer";
const taken = [];
let [bytes, at, start] = [null, 0, 0];
const ask = () => { [start, at, bytes] = [performance.now(), 0, new Uint8Array({size})];
  socket.send("array"); };
socket.onopen = ask;
socket.onmessage = ({ data }) => {
  bytes.set(new Uint8Array(data), at);
  at += data.byteLength;
  if (at < {size}) return;
  taken.push(performance.now() - start);
  if (taken.length < {count}) ask(); else socket.send(JSON.stringify(taken));
};
</script>""",
}


class Service:
    """What the page calls."""

    def __init__(self, array: Any, reported: asyncio.Future[list[float]]) -> None:
        self._array = array
        self._reported = reported

    async def array(self) -> Any:
        return self._array

    async def report(self, taken: list[float]) -> None:
        self._reported.set_result(taken)


class BrowserLink(Link):
    def __init__(self, mode: str) -> None:
        self._mode = mode

    def array(self, size: int) -> Any:
        return np.full(size, 7, np.uint8)

    def hand(self, array: Any, count: int) -> list[float]:
        if count <= 2:  # to warm up: every visit has a browser of its own
            return []
        return asyncio.run(self._visit(array, count + 2))[2:]

    async def _visit(self, array: Any, count: int) -> list[float]:
        reported: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        serve = self._rpc if self._mode == "rpc" else self._bare
        with scratch() as folder, pages(folder) as address:
            async with serve(array, reported, address) as socket:
                page = PAGES[self._mode]
                for name, value in (("socket", socket), ("size", array.size), ("count", count)):
                    page = page.replace(f"{{{name}}}", str(value))
                (folder / "page.html").write_text(page)
                with browser(f"{address}/page.html", START):
                    taken = await asyncio.wait_for(reported, PATIENCE)
        return [one / 1e3 for one in taken]

    @contextlib.asynccontextmanager
    async def _rpc(self, array: Any, reported: Any, origin: str) -> Any:
        async def handle(transport: websocket.WebSocketTransport) -> None:
            async with Peer(transport, Service(array, reported)) as peer:
                await peer.until_ended()

        server = await websocket.serve("ws://127.0.0.1:0", handle, (origin,))
        yield server.address
        await server.close()

    @contextlib.asynccontextmanager
    async def _bare(self, array: Any, reported: Any, _origin: str) -> Any:
        async def handle(connection: ServerConnection) -> None:
            async for message in connection:
                if message == "array":
                    for at in range(0, array.size, PIECE):
                        await connection.send(array.data[at : at + PIECE])
                else:
                    reported.set_result(json.loads(message))

        async with serve_sockets(handle, "127.0.0.1", 0, compression=None) as server:
            yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"

    def close(self) -> None:
        pass


@contextlib.contextmanager
def pages(folder: Path) -> Iterator[str]:
    """Serve a folder, with the RPC in it as one file of JavaScript."""
    web = ROOT / "web"
    bundler = web / "node_modules" / ".bin" / "rolldown"
    options = ["src/rpc/index.ts", "--format", "esm", "--file", str(folder / "rpc.js")]
    subprocess.run([bundler, *options], cwd=web, check=True, stdout=subprocess.DEVNULL)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Silent, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def serve(_address: str, _mode: str) -> None:
    raise SystemExit("The other side is a page.")


if __name__ == "__main__":
    main(BrowserLink, serve)
