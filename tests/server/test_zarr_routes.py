"""The open images as OME-Zarr over HTTP: who may read, what is answered, what goes wrong."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from opsin.chunks import loader as loader_module
from opsin.images.image import Image
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image, open_images
from opsin.server import zarr_routes
from opsin.server.zarr_routes import READS
from opsin.views.messages import VERSION, decode_frame, encode_frame
from opsin.views.scene import Scene
from tests.chunks.pyramid import PyramidSource, pyramid, values
from tests.server.serving import TOKEN, Serving, serving

DATA = Path(__file__).parents[1] / "data"
NUCLEI = DATA / "nuclei/test/images/000.png"


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def quiet(*shape: int, **options: Any) -> tuple[Image, PyramidSource]:
    """A pyramid of which nothing is read until somebody asks: its contrast is known."""
    return pyramid(shape, dtype="uint8", **options)


def chunk(start: tuple[int, int] = (0, 0)) -> bytes:
    """What a chunk of such a one holds."""
    stop = (start[0] + 256, start[1] + 256)
    return values(0, start, stop, "uint8").tobytes()


# Who may read


def test_the_token_in_the_path_is_the_key_and_nothing_else_is() -> None:
    image, _ = quiet(256, 256)
    with serving([[image]]) as server:
        (name,) = server.session.shelf.offers
        good = [server.zarr, f"{server.origin}/zarr/{TOKEN}"]
        for base in good:
            assert httpx.get(f"{base}/{name}/zarr.json").status_code == 200
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        for wrong in ("wrong", "", "ä", TOKEN + "x", TOKEN[:-1]):
            answer = httpx.get(f"{server.origin}/zarr/{wrong}/{name}/zarr.json", headers=bearer)
            assert answer.status_code == 401, wrong
            assert "access-control-allow-origin" not in answer.headers
        reading = server.zarr.rpartition("/")[2]
        page = httpx.get(
            f"{server.origin}/api/view", headers={"Authorization": f"Bearer {reading}"}
        )
        assert page.status_code == 401, "who may read may do nothing else"
        assert httpx.get(f"{server.origin}/?token={reading}").status_code == 401


def test_scripts_of_other_sites_may_read_and_may_do_nothing_else() -> None:
    image, _ = quiet(256, 256)
    with serving([[image]]) as server:
        (name,) = server.session.shelf.offers
        elsewhere = {"Origin": "https://viewer.example"}
        answer = server.get(f"{name}/zarr.json", **elsewhere)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        asked = server.get(
            f"{name}/0/c/0/0",
            "OPTIONS",
            Access_Control_Request_Method="GET",
            Access_Control_Request_Headers="range",
            **elsewhere,
        )
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-methods"] == "GET, HEAD"
        for method in ("PUT", "POST", "DELETE", "PATCH"):
            assert server.get(f"{name}/zarr.json", method, **elsewhere).status_code == 405
        page = httpx.get(f"{server.origin}/api/view", headers=elsewhere)
        assert page.status_code == 403
        stranger = server.get(f"{name}/zarr.json", Host="evil.example")
        assert stranger.status_code == 421


# What is answered


def test_a_chunk_and_parts_of_it() -> None:
    image, source = quiet(600, 512, levels=2)
    with serving([[image]]) as server:
        (name,) = server.session.shelf.offers
        path = f"{name}/0/c/1/1"
        whole = server.get(path)
        assert whole.status_code == 200
        assert whole.content == chunk(start=(256, 256))
        head = server.get(path, "HEAD")
        same = {"content-length", "etag", "content-type", "accept-ranges"}
        assert head.content == b""
        assert {k: head.headers[k] for k in same} == {k: whole.headers[k] for k in same}
        part = server.get(path, Range="bytes=100-199")
        assert (part.status_code, part.content) == (206, whole.content[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
        assert server.get(path, Range="bytes=9999999-").status_code == 416
        known = server.get(path, If_None_Match=whole.headers["etag"])
        assert (known.status_code, known.content) == (304, b"")
        assert source.started[0, (1, 1)] == 1, "it is in the cache"
        edge = np.frombuffer(server.get(f"{name}/0/c/2/0").content, np.uint8).reshape(256, 256)
        np.testing.assert_array_equal(edge[:88], values(0, (512, 0), (600, 256), "uint8"))
        assert not edge[88:].any()
        for missing in ("0/c/3/0", "2/c/0/0", "0/c/0", "0", "", "labels/zarr.json", ".zattrs"):
            answer = server.get(f"{name}/{missing}")
            assert answer.status_code == 404, missing
            assert answer.json()["error"].endswith(".")
        assert server.get("other.zarr/zarr.json").status_code == 404


def test_the_images_are_listed_and_labels_lie_in_theirs(tmp_path: Path) -> None:
    image, _ = quiet(256, 256)
    labels = image_from_array(np.ones((256, 256), np.uint32), name="a <b>", kind="labels")
    odd = image_from_array(np.zeros((4, 4), np.uint8), name="../.. /ä?")
    with serving([[image, labels], [odd]]) as server:
        listed = server.get("")
        assert listed.headers["content-type"].startswith("text/html")
        names = list(server.session.shelf.offers)
        assert len(names) == 2
        assert names[1] == "ä_.zarr"
        for name in names:
            assert name in listed.text
            assert server.get(f"{name}/zarr.json").status_code == 200
        inside = server.get(f"{names[0]}/labels/zarr.json").json()
        (label,) = inside["attributes"]["ome"]["labels"]
        found = server.get(f"{names[0]}/labels/{label}/zarr.json").json()
        assert "image-label" in found["attributes"]["ome"]
        pixels = server.get(f"{names[0]}/labels/{label}/0/c/0/0").content
        assert np.frombuffer(pixels, np.uint32).min() == 1


def test_the_contrast_is_told_that_the_page_shows() -> None:
    array = np.zeros((64, 64), np.uint16)
    array[:32] = 900
    with serving([[image_from_array(array, name="dim")]]) as server:
        document = server.get("dim.zarr/zarr.json").json()
    (only,) = document["attributes"]["ome"]["omero"]["channels"]
    assert only["window"] == {"min": 0, "max": 65535, "start": 0, "end": 900}


def test_chunks_may_be_compressed_on_their_way() -> None:
    array = np.zeros((512, 512), np.uint16)
    with serving([[image_from_array(array, name="empty")]], codec="zstd") as server:
        assert len(server.get("empty.zarr/0/c/0/0").content) < 1000
        codecs = server.get("empty.zarr/0/zarr.json").json()["codecs"]
    assert [codec["name"] for codec in codecs] == ["bytes", "zstd"]


# What goes wrong


def test_a_source_that_fails_says_so_and_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "RETRY_DELAYS", (0.01,))
    image, source = quiet(512, 512)
    source.unreachable[0, (0, 0)] = 2
    source.corrupt.add((0, (1, 1)))
    with serving([[image]]) as server:
        (name,) = server.session.shelf.offers
        away = server.get(f"{name}/0/c/0/0", Origin="http://elsewhere.example")
        assert away.status_code == 503
        assert away.headers["retry-after"] == "5"
        assert away.headers["access-control-allow-origin"] == "*"
        assert "did not answer" in away.json()["error"]
        assert server.get(f"{name}/0/c/0/0").content == chunk()
        broken = server.get(f"{name}/0/c/1/1")
        assert broken.status_code == 502
        assert "corrupt" in broken.json()["error"]


def test_a_source_that_hangs_keeps_nobody_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zarr_routes, "LONGEST", 0.6)
    stuck, source = quiet(2048, 2048)
    source.gate = asyncio.Event()
    good, _ = quiet(512, 512)
    with serving([[stuck], [good]]) as server:
        first, second = server.session.shelf.offers
        with ThreadPoolExecutor(12) as pool:
            paths = [f"{first}/0/c/{i % 8}/{i // 8}" for i in range(11)]
            hanging = [pool.submit(server.get, path) for path in paths]
            until(lambda: len(source.started) > 2)
            assert server.get(f"{second}/0/c/0/0").content == chunk()
            answers = [one.result() for one in hanging]
        assert {one.status_code for one in answers} == {503}
        assert len({key for key in source.started if key[0] == 0}) <= 2 * READS + 4


def test_what_nobody_waits_for_is_given_up() -> None:
    image, source = quiet(512, 512)
    source.gate = asyncio.Event()
    with serving([[image]]) as server:
        (name,) = server.session.shelf.offers
        _, _, port = server.origin.rpartition(":")
        path = f"{server.zarr}/{name}/0/c/1/0".removeprefix(server.origin)
        with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as raw:
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            until(lambda: (0, (1, 0)) in source.started)
        until(lambda: source.cancelled[0, (1, 0)] > 0)
        until(lambda: server.session.loader.in_flight == 0)


def test_few_chunks_are_read_at_once() -> None:
    image, source = quiet(4096, 4096, delay=0.02)
    now: list[int] = []
    fetch = source.fetch

    async def counted(*where: Any) -> Any:
        now.append(sum(source.started.values()) - sum(source.finished.values()))
        return await fetch(*where)

    source.fetch = counted  # type: ignore[assignment, method-assign]
    with serving([[image]]) as server, ThreadPoolExecutor(20) as pool:
        (name,) = server.session.shelf.offers
        paths = [f"{name}/0/c/{i}/{j}" for i in range(8) for j in range(5)]
        answers = list(pool.map(server.get, paths))
    assert {one.status_code for one in answers} == {200}
    assert max(now) < READS + 1


def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zarr_routes, "STUCK", 0.3)
    array = np.zeros((8192, 8192), np.uint8)
    image = image_from_array(array, name="large", chunks=(2048, 2048))
    with serving([[image]]) as server:
        _, _, port = server.origin.rpartition(":")
        path = f"{server.zarr}/large.zarr/0/c/0/0".removeprefix(server.origin)
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", int(port)))
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            time.sleep(1)
            raw.settimeout(10)
            count = 0
            while data := raw.recv(1 << 20):
                count += len(data)
        assert count < 4 << 20, "the connection was closed in the middle"
        assert server.get("large.zarr/0/c/0/0").status_code == 200


# Bad things


def test_one_pixel() -> None:
    array = np.array([[7]], np.uint16)
    with serving([[image_from_array(array, name="one")]]) as server:
        assert server.get("one.zarr/0/zarr.json").json()["shape"] == [1, 1]
        assert server.get("one.zarr/0/c/0/0").content == b"\7\0"


def test_a_stack_of_100_000_slices() -> None:
    slices = np.arange(100_000, dtype=np.uint32)[:, None, None]
    array = np.broadcast_to(slices, (100_000, 8, 8))
    image = image_from_array(array, axes="zyx", name="stack", chunks=(1, 8, 8))
    with serving([[image]], memory=16 << 20) as server:
        assert server.get("stack.zarr/0/zarr.json").json()["shape"] == [100_000, 8, 8]
        for z in (0, 54_321, 99_999):
            got = np.frombuffer(server.get(f"stack.zarr/0/c/{z}/0/0").content, np.uint32)
            assert (got == z).all()
        assert server.get("stack.zarr/0/c/100000/0/0").status_code == 404


def test_values_that_are_not_finite() -> None:
    array = np.array([[np.nan, np.inf], [-np.inf, 2]], np.float32)
    with serving([[image_from_array(array, name="odd")]]) as server:
        assert server.get("odd.zarr/0/c/0/0").content == array.tobytes()
        document = server.get("odd.zarr/zarr.json")
        window = document.json()["attributes"]["ome"]["omero"]["channels"][0]["window"]
    assert "NaN" not in document.text
    assert window["start"] < window["end"]


def test_a_header_that_lies(tmp_path: Path) -> None:
    short = tmp_path / "short.tif"
    tifffile.imwrite(short, np.ones((600, 600), np.uint16), tile=(256, 256))
    data = short.read_bytes()
    short.write_bytes(data[: len(data) // 2])
    vast = tmp_path / "vast.zarr"
    (vast / "0" / "c").mkdir(parents=True)
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [2**40, 2**40],
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [64, 64]}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 3,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    }
    (vast / "zarr.json").write_text(json.dumps(document))
    (vast / "c" / "0").mkdir(parents=True)
    (vast / "c" / "0" / "0").write_bytes(b"\1" * 100)
    groups = [open_images(short), open_images(vast)]
    with serving(groups) as server:
        first, second = server.session.shelf.offers
        answers = [server.get(f"{first}/0/c/{i}/{j}") for i in range(3) for j in range(3)]
        assert {one.status_code for one in answers} <= {200, 502}
        broken = [one for one in answers if one.status_code == 502]
        assert broken
        assert all(one.json()["error"].endswith(".") for one in broken)
        assert server.get(f"{second}/0/zarr.json").json()["shape"] == [2**40, 2**40]
        far = np.frombuffer(server.get(f"{second}/0/c/99999999/7").content, np.uint16)
        assert (far == 3).all()
        assert server.get(f"{second}/0/c/0/0").status_code == 502


# Below roots


def test_what_lies_below_a_root_is_opened_by_name(tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "nuclei.png").write_bytes(NUCLEI.read_bytes())
    (root / "no.txt").write_text("no image")
    (tmp_path / "secret.png").write_bytes(NUCLEI.read_bytes())
    (root / "out.png").symlink_to(tmp_path / "secret.png")
    with serving(roots=[root]) as server:
        expected = open_image(NUCLEI).read(0)
        for _ in range(2):
            got = server.get("data/deep/nuclei.png.zarr/0/c/0/0")
            assert got.content == np.ascontiguousarray(expected).tobytes()
        assert len(server.session.loader.images) == 1, "it is opened once"
        document = server.get("data/deep/nuclei.png.zarr/zarr.json").json()
        assert document["attributes"]["ome"]["omero"]["channels"][0]["window"]["end"] == 255
        for path in (
            "data/../secret.png.zarr/zarr.json",
            "data/%2e%2e/secret.png.zarr/zarr.json",
            "data/%252e%252e/secret.png.zarr/zarr.json",
            "data/..%2fsecret.png.zarr/zarr.json",
            "data%2f..%2fsecret.png.zarr/zarr.json",
            "data/out.png.zarr/zarr.json",
            "data/deep/missing.png.zarr/zarr.json",
            "data/deep/nuclei.png/zarr.json",
            "data/zarr.json",
            "../secret.png.zarr/zarr.json",
            "/etc/passwd.zarr/zarr.json",
        ):
            _, _, port = server.origin.rpartition(":")
            raw = f"{server.zarr}/{path}".removeprefix(server.origin)  # httpx would tidy it up
            with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as link:
                link.sendall(f"GET {raw} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                status = link.recv(200).split()[1]
            assert status in (b"404", b"401"), path
        refused = server.get("data/no.txt.zarr/zarr.json")
        assert refused.status_code == 502
        assert "no.txt" in refused.json()["error"]
        assert str(tmp_path) not in refused.text


def settle(scene: Scene) -> None:
    """Wait until nothing more is on its way."""
    until = time.monotonic() + 10
    while scene.message().opening:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_pages_open_one_name_after_the_other_and_the_page_waits_for_none(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.png").write_bytes(NUCLEI.read_bytes())
    headers = {"Authorization": f"Bearer {TOKEN}"}
    names = [f"open={tmp_path.name}/{name}.png" for name in ("c", "missing", "a", "b")]
    with serving(roots=[tmp_path]) as server:
        began = time.monotonic()
        assert httpx.get(f"{server.origin}/?{'&'.join(names)}", headers=headers).is_success
        httpx.get(f"{server.origin}/?{'&'.join(reversed(names))}", headers=headers)
        settle(server.session.scene)
        assert time.monotonic() - began < 10
        layers = server.session.scene.layers
        assert [layers[number].name for number in sorted(layers)] == ["c", "a", "b"]
        failed = [one.text for one in server.session.scene.notices if one.severity == "error"]
        assert len(failed) == 2
        assert all("missing.png" in text for text in failed)


def test_a_page_opens_what_lies_below_a_root_by_its_address(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "nuclei.png").write_bytes(NUCLEI.read_bytes())
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with serving(roots=[root]) as server:
        (notice,) = server.session.scene.notices
        assert "?open=data/FILE" in notice.text
        for _ in range(2):
            page = httpx.get(f"{server.origin}/?open=data/nuclei.png", headers=headers)
            assert page.status_code == 200
        settle(server.session.scene)
        assert [layer.name for layer in server.session.scene.layers.values()] == ["nuclei"]
        assert list(server.session.shelf.offers) == ["nuclei.zarr"]
        httpx.get(f"{server.origin}/?open=data/../../secret.png", headers=headers)
        settle(server.session.scene)
        assert "secret.png" in server.session.scene.notices[-1].text
        stranger = httpx.get(f"{server.origin}/?open=data/nuclei.png")
        assert stranger.status_code == 401


def test_a_page_that_is_older_than_the_server_has_its_images_opened_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(NUCLEI.read_bytes())
    query = f"?open={tmp_path.name}/a.png&open={tmp_path.name}/none.png"

    def shown(query: str) -> list[str]:
        with stream_of(server, query) as link:
            link.send(encode_frame({"type": "hello", "version": 1, "slots": 1, "credit": 1}))
            frame = link.recv(timeout=20)
            assert isinstance(frame, bytes)
            opening = json.loads(decode_frame(frame)[0])["opening"]
        settle(scene)
        return [str(opening), *(layer.name for layer in scene.layers.values())]

    with serving(roots=[tmp_path]) as server:
        scene = server.session.scene
        assert shown(query) == ["2", "a"], "it is told at once that they come"
        failures = len(scene.notices)
        server.session.remove_layer(0)
        assert shown(query) == ["0"], "the user has removed it"
        assert len(scene.notices) == failures
        assert shown(f"{query}&open={tmp_path.name}/b.png")[1:] == ["b"]


# Several at once


def stream_of(server: Serving, query: str = "") -> ClientConnection:
    return connect(
        server.origin.replace("http", "ws") + "/api/stream" + query,
        origin=Origin(server.origin),
        additional_headers={"Authorization": f"Bearer {TOKEN}"},
        max_size=2**24,
    )


def look(server: Serving) -> int:
    """Bytes of bricks that a canvas gets until it has all."""
    with stream_of(server) as link:
        link.send(
            encode_frame({"type": "hello", "version": VERSION, "slots": 2**26, "credit": 2**24})
        )
        view = {
            "type": "view",
            "generation": 1,
            "center": [512.0, 512.0],
            "zoom": 1.0,
            "size": [1024, 1024],
            "displayed": ["y", "x"],
            "position": {},
            "visible": [0],
            "moving": False,
        }
        link.send(encode_frame(view))
        got = 0
        while True:
            frame = link.recv(timeout=20)
            assert isinstance(frame, bytes)
            header, payload = decode_frame(frame)
            message = json.loads(header)
            if message["type"] == "brick":
                got += len(payload)
                ack = {"type": "ack", "bytes": len(payload), "evicted": []}
                link.send(encode_frame(ack))
            if message["type"] == "stats" and message["settled"]:
                return got


def test_several_browsers_and_programs_share_one_cache() -> None:
    image, source = quiet(1024, 1024)
    with serving([[image]]) as server:
        (name,) = server.session.shelf.offers
        until(lambda: bool(server.session.scene.layers))

        def read() -> int:
            paths = [f"{name}/0/c/{i}/{j}" for i in range(4) for j in range(4)]
            return sum(len(server.get(path).content) for path in paths)

        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(job) for job in (lambda: look(server), lambda: look(server), read)]
            counts = [job.result() for job in jobs]
        assert counts == [1024 * 1024] * 3
        chunks = {(0, (i, j)) for i in range(4) for j in range(4)}
        assert {key: source.started[key] for key in chunks} == dict.fromkeys(chunks, 1)
        cache = server.session.loader.cache
        assert cache.peak <= cache.budget


def test_what_windows_want_comes_first() -> None:
    image, source = quiet(4096, 1024, delay=0.03)
    with serving([[image]]) as server, ThreadPoolExecutor(12) as pool:
        (name,) = server.session.shelf.offers
        until(lambda: bool(server.session.scene.layers))
        paths = [f"{name}/0/c/{i}/{j}" for i in range(8, 16) for j in range(4)]
        reading = [pool.submit(server.get, path) for path in paths]
        until(lambda: len(source.started) >= 2)
        look(server)
        order = [row < 4 for level, (row, _) in source.started if level == 0]
        first, last = order.index(True), len(order) - order[::-1].index(True)
        assert sum(order) == 16
        assert order[first:last].count(False) < 3, "chunks for programs came between"
        assert {one.result().status_code for one in reading} == {200}


def test_stopping_while_clients_wait_is_quick() -> None:
    image, source = quiet(512, 512)
    source.gate = asyncio.Event()
    gone = threading.Event()

    def ask(server: Serving, path: str) -> None:
        with pytest.raises(httpx.HTTPError):
            server.get(path).raise_for_status()
        gone.set()

    with serving([[image]]) as server:
        (name,) = server.session.shelf.offers
        thread = threading.Thread(target=ask, args=(server, f"{name}/0/c/1/1"))
        thread.start()
        until(lambda: (0, (1, 1)) in source.started)
        began = time.monotonic()
    assert time.monotonic() - began < 8
    assert gone.wait(10)
    thread.join()
