import asyncio
import json
import time
from pathlib import Path

from harness.sim.link import Conditions
from harness.sim.paths import Shape
from harness.sim.store_server import StoreServer

from tests.rpc.running import until

SHAPE = Shape((300, 200), (128, 128), 2)
CHUNK = 128 * 128 * 2


async def get(address: str, path: str, method: str = "GET", body: bytes = b"") -> tuple[str, bytes]:
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{method} {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    size = next(int(f.split(":")[1]) for f in head.split("\r\n") if f.startswith("Content-Length"))
    content = await reader.readexactly(size)
    writer.close()
    return head.split("\r\n")[0], content


def served(tmp_path: Path, conditions: Conditions) -> StoreServer:
    (tmp_path / "a.js").write_text("1")
    (tmp_path.parent / "secret").write_text("no")
    return StoreServer(SHAPE, conditions, {"/files/": tmp_path}, {"/v/tour/": b"<html>"})


def test_it_serves_an_image_pages_files_and_takes_a_report(tmp_path: Path) -> None:
    async def main() -> None:
        server = served(tmp_path, Conditions(0, 1e9))
        address = await server.start()
        _, metadata = await get(address, "/image.zarr/1/.zarray")
        assert json.loads(metadata)["shape"] == [150, 100]
        status, chunk = await get(address, "/image.zarr/0/2/1")
        assert (status, len(chunk)) == ("HTTP/1.1 200 OK", CHUNK)
        assert (await get(address, "/v/tour/"))[1] == b"<html>"
        assert (await get(address, "/files/a.js"))[1] == b"1"
        for path in ("/files/../secret", "/nothing", "/image.zarr/0", "/image.zarr/0/x/1"):
            assert (await get(address, path))[0].startswith("HTTP/1.1 404"), path
        assert float((await get(address, "/began"))[1]) == server.log[0].began
        await get(address, "/report", "POST", b'{"size": [1, 2]}')
        assert await server.reported == {"size": [1, 2]}
        assert [(a.level, a.index, a.complete) for a in server.log] == [(0, (2, 1), True)]
        await server.close()

    asyncio.run(main())


def test_it_is_as_slow_as_it_should_be_and_notices_who_leaves(tmp_path: Path) -> None:
    async def main() -> None:
        server = served(tmp_path, Conditions(0.1, CHUNK * 10))
        address = await server.start()
        began = time.monotonic()
        await asyncio.gather(*(get(address, f"/image.zarr/0/0/{n}") for n in range(2)))
        assert 0.3 <= time.monotonic() - began < 5
        host, port = address.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /image.zarr/0/1/1 HTTP/1.1\r\n\r\n")
        await until(lambda: len(server.log) == 3)
        writer.close()
        await until(lambda: server.log[-1].ended)
        assert [asked.complete for asked in server.log] == [True, True, False]
        await server.close()

    asyncio.run(main())
