"""The view stream of a real server, spoken to by a canvas that is a few lines of Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from imagecodecs import png_decode
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from opsin.views.messages import decode_frame, encode_frame
from tests.server.running import Running, opsin_view

DATA = Path(__file__).parents[1] / "data"
IMAGE = DATA / "nuclei/test/images/000.png"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with opsin_view([IMAGE, DATA / "volume/img3d.tif"]) as running:
        yield running


@pytest.fixture
def socket(server: Running) -> Iterator[ClientConnection]:
    cookies = "; ".join(f"{name}={value}" for name, value in server.cookies.items())
    with connect(
        server.origin.replace("http", "ws") + "/api/stream",
        origin=Origin(server.origin),
        additional_headers={"Cookie": cookies},
        max_size=2**24,
    ) as connection:
        yield connection


def receive(socket: ClientConnection) -> tuple[dict[str, Any], memoryview]:
    frame = socket.recv(timeout=20)
    assert isinstance(frame, bytes)
    header, payload = decode_frame(frame)
    return json.loads(header), payload


def send(socket: ClientConnection, **message: Any) -> None:
    socket.send(encode_frame(message))


def scene_of(socket: ClientConnection, layers: int) -> dict[str, Any]:
    while True:
        message, _ = receive(socket)
        if message["type"] == "scene" and len(message["layers"]) == layers:
            return message


def look(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "type": "view",
        "generation": 1,
        "center": [100.0, 100.0],
        "zoom": 1.0,
        "size": [300, 300],
        "displayed": ["y", "x"],
        "position": {},
        "visible": [0],
        "moving": False,
    }
    return fields | changes


def test_a_canvas_gets_the_scene_then_the_pixels_then_calm(socket: ClientConnection) -> None:
    send(socket, type="hello", version=1, slots=2**26, credit=2**22)
    scene = scene_of(socket, 2)
    assert [layer["id"] for layer in scene["layers"]] == [0, 1]
    flat, stack = scene["layers"]
    assert [axis["name"] for axis in stack["axes"]] == ["z", "y", "x"]
    assert stack["levels"][0]["shape"] == [31, 61, 57]
    assert stack["dtype"] == "uint16"
    expected = png_decode(IMAGE.read_bytes())
    assert flat["levels"][0]["shape"] == list(expected.shape[:2])

    send(socket, **look(center=[128.0, 128.0]))
    bricks: dict[tuple[Any, ...], np.ndarray[Any, Any]] = {}
    while True:
        message, payload = receive(socket)
        if message["type"] == "brick":
            assert message["bytes"] == len(payload)
            values = np.frombuffer(payload, flat["dtype"]).reshape(
                *message["shape"], *([flat["samples"]] if flat["samples"] > 1 else [])
            )
            layer, level, where, row, column = message["key"]
            bricks[layer, level, tuple(where), row, column] = values
            send(socket, type="ack", bytes=len(payload), evicted=[])
        if message["type"] == "stats" and message["settled"]:
            assert message["generation"] == 1
            assert message["held"] == message["wanted"] == len(bricks)
            assert 0 < message["cache_bytes"] <= message["cache_budget"]
            break
    top = bricks[0, 0, (), 0, 0]
    rows, columns = top.shape[:2]
    np.testing.assert_array_equal(top, expected[:rows, :columns])


def test_a_slice_is_the_one_that_was_asked_for(socket: ClientConnection) -> None:
    send(socket, type="hello", version=1, slots=2**26, credit=2**22)
    scene_of(socket, 2)
    send(socket, **look(visible=[1], position={"z": 12.0}, center=[30.0, 30.0]))
    while True:
        message, payload = receive(socket)
        if message["type"] == "brick" and message["key"][2] == [12]:
            break
    stack = tifffile.imread(DATA / "volume/img3d.tif")
    got = np.frombuffer(payload, np.uint16).reshape(message["shape"])
    np.testing.assert_array_equal(got, stack[12])
    assert message["range"] == [stack[12].min(), stack[12].max()]


@pytest.mark.parametrize(
    "frames",
    [
        [b"nonsense that is long enough"],
        [encode_frame(look())],
        [encode_frame({"type": "hello", "version": 99, "slots": 1, "credit": 1})],
        [encode_frame({"type": "hello", "version": 1})],
        ["text"],
    ],
)
def test_a_canvas_that_breaks_the_protocol_is_told_and_let_go(
    socket: ClientConnection, frames: list[Any]
) -> None:
    for frame in frames:
        socket.send(frame)
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            socket.recv(timeout=10)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1008
    assert caught.value.rcvd.reason


def test_the_server_goes_on_after_a_bad_canvas(server: Running, socket: ClientConnection) -> None:
    test_a_canvas_that_breaks_the_protocol_is_told_and_let_go(socket, [b"again nonsense"])
    assert httpx.get(server.origin, cookies=server.cookies).status_code == 200


def test_commands_over_http(server: Running) -> None:
    with httpx.Client(base_url=server.origin, cookies=server.cookies) as client:
        tables = client.get("/api/colormaps").json()
        assert {"gray", "viridis", "magenta"} <= tables.keys()
        found = client.get("/api/layers/1/histogram", params={"position": '{"z": 12}'}).json()
        assert sum(found["counts"]) == 61 * 57
        assert found["low"] <= found["auto"][0] < found["auto"][1] <= found["high"]
        assert client.get("/api/view").json() is None
        assert client.put("/api/view", json={"version": 1}).status_code == 204
        assert client.get("/api/view").json() == {"version": 1}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/layers/99/histogram", None),
        ("GET", "/api/layers/1/histogram?position=[", None),
        ("GET", "/api/layers/1/histogram?position=[1]", None),
        ("GET", '/api/layers/1/histogram?position={"z":"a"}', None),
        ("GET", '/api/layers/1/histogram?position={"z":1e999}', None),
        ("GET", '/api/layers/1/histogram?position={"z":500}', None),
        ("PUT", "/api/view", b"{"),
        ("PUT", "/api/view", b"[1]"),
        ("PUT", "/api/view", b"[" * 100_000),
        ("PUT", "/api/view", b" " * 2**21),
    ],
)
def test_a_bad_command_is_answered_with_a_sentence(
    server: Running, method: str, path: str, body: bytes | None
) -> None:
    answer = httpx.request(method, server.origin + path, content=body, cookies=server.cookies)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")
