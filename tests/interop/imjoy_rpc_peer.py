"""The real imjoy-rpc as one end of a socket, in an environment of its own: the other end of tests.

python imjoy_rpc_peer.py PORT host|plugin
"""
# mypy: ignore-errors
# What it uses has no types, and is not in this environment.

import asyncio
import io
import struct
import sys
from collections import OrderedDict
from contextlib import suppress

import msgpack
import numpy as np
from imjoy_rpc.core_connection import BasicConnection
from imjoy_rpc.rpc import RPC
from imjoy_rpc.utils import dotdict


class Context:
    """What imjoy-rpc wants to run functions in."""

    api = None

    def run_with_context(self, id, function, *args, **kwargs):
        return function(*args, **kwargs)


class Tools:
    """What this end offers: ways to see what arrives, and to send what is special."""

    _rintf = True

    def __init__(self, get_remote):
        self._remote = get_remote
        self.kept = None

    def echo(self, value):
        return value

    def add(self, one, two=10, three=0):
        return one + two + three

    async def slow(self, seconds):
        await asyncio.sleep(seconds)
        return "done"

    def fail(self, text):
        raise ValueError(text)

    async def call_back(self, function, value):
        return await function(value)

    async def ask(self, name, *args, **kwargs):
        return await self._remote()[name](*args, **kwargs)

    def seen(self, value):
        if isinstance(value, np.ndarray):
            return f"{value.dtype} {value.shape} {value.sum()}"
        if isinstance(value, io.BytesIO):
            return f"blob {value.read()!r}"
        return f"{type(value).__name__} {value!r}"

    def special(self, name):
        return {
            "array": np.arange(12, dtype="uint16").reshape(3, 4),
            "scalar": np.float32(1.5),
            "complex": np.array([1 + 2j]),
            "map": OrderedDict([("a", 1), ("b", 2)]),
            "set": {1, 2},
            "memory": memoryview(b"abc"),
            "error": ValueError("sent, not raised"),
            "file": io.BytesIO(b"content of a file"),
        }[name]

    def counter(self):
        count = [0]

        def add(by=1):
            count[0] += by
            return count[0]

        return {"_rintf": True, "add": add, "name": "counter"}

    def keep(self, function):
        self.kept = function

    def register(self, thing):
        self.kept = thing["update"]
        return "registered"

    async def use_kept(self, value):
        return await self.kept(value)


async def main(port, role):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send(message):
        content = msgpack.packb(message)
        writer.write(struct.pack("<I", len(content)) + content)
        await writer.drain()

    connection = BasicConnection(send)
    if role == "plugin":
        connection.peer_id = "the-plugin"
    config = dotdict(name="Peer", id="the-plugin", allow_execution=True)
    rpc = RPC(connection, Context(), config)
    tools = Tools(rpc.get_remote)
    api = {name: getattr(tools, name) for name in dir(tools) if not name.startswith("_")}
    del api["kept"]
    rpc.set_interface(api | {"answer": 42})
    if role == "plugin":
        connection.emit({"type": "imjoyRPCReady", "config": dict(rpc.config)})
        connection.on("initialize", lambda message: rpc.init())
    else:
        connection.on(
            "imjoyRPCReady",
            lambda m: connection.emit(
                {"type": "initialize", "config": {}, "peer_id": m["peer_id"]}
            ),
        )
        connection.on("initialized", lambda message: rpc.send_interface())
        connection.on("interfaceSetAsRemote", lambda message: rpc.request_remote())
    while True:
        (length,) = struct.unpack("<I", await reader.readexactly(4))
        message = msgpack.unpackb(await reader.readexactly(length), strict_map_key=False)
        connection.handle_message(message)


with suppress(asyncio.IncompleteReadError, ConnectionError):
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
