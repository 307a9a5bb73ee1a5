"""An engine for imjoy-core: the real imjoy-rpc runs plugins in Python, and speaks over a socket.

In an environment of its own, as `python python_engine.py`; prints the port at which it listens.
Messages are JSON, in which `{"$bytes": …}` stands for bytes. Each link is a plugin.
"""
# mypy: ignore-errors
# What it uses has no types, and is not in this environment.

import asyncio
import base64
import json
import sys
import traceback
import uuid

import imjoy_rpc
from imjoy_rpc.core_connection import BasicConnection
from imjoy_rpc.rpc import RPC
from imjoy_rpc.utils import dotdict
from websockets.asyncio.server import serve

sys.modules["imjoy"] = imjoy_rpc  # its older name


def packed(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, dict):
        return {key: packed(one) for key, one in value.items()}
    return [packed(one) for one in value] if isinstance(value, (list, tuple)) else value


def unpacked(value):
    if isinstance(value, dict):
        if "$bytes" in value:
            return base64.b64decode(value["$bytes"])
        return {key: unpacked(one) for key, one in value.items()}
    return [unpacked(one) for one in value] if isinstance(value, list) else value


def execute(code, names):
    """Run a script as a kernel runs it, in names of its own: RPC's own `execute` keeps none."""
    try:
        exec(compile(code["content"], "Plugin script", "exec"), names)
    except Exception:
        return {"error": traceback.format_exc()}
    return {}


async def plugin(link):
    """One plugin, set up as imjoy-rpc's own connections do it."""
    outgoing, names = asyncio.Queue(), {"__name__": "__main__"}

    async def send(message):
        outgoing.put_nowait(message)  # in their order

    async def sending():
        while True:
            await link.send(json.dumps(packed(await outgoing.get())))

    connection = BasicConnection(send)
    connection.peer_id = str(uuid.uuid4())
    context = imjoy_rpc._rpc_context
    config = dotdict(
        id=connection.peer_id,
        name="Python",
        allow_execution=True,
        version="0.1.0",
        api_version="0.2.3",
        description="A plugin in Python",
        lang="python",
    )
    codecs = {}
    rpc = RPC(connection, context, config=config, codecs=codecs)

    def register(codec):
        codecs[codec["name"]] = dotdict(codec)

    def patch(_):
        api = rpc.get_remote()
        api.export = api.init = rpc.set_interface
        api.registerCodec = api.register_codec = register
        api.disposeObject = api.dispose_object = rpc.dispose_object
        context.api = api

    rpc.on("remoteReady", patch)
    rpc.init()
    task = asyncio.create_task(sending())
    try:
        async for message in link:
            order = unpacked(json.loads(message))
            if order["type"] == "execute":
                connection.emit({"type": "executed", **execute(order["code"], names)})
            else:
                connection.handle_message(order)
    finally:
        task.cancel()


async def main():
    async with serve(plugin, "127.0.0.1", 0, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
