"""Streams: messages of v1 as msgpack over a stream of bytes, each with its length before it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from opsin.errors import ProtocolError
from opsin.interop.imjoy_v1.connection import Connection, Told
from opsin.interop.imjoy_v1.session import Message, Role

LARGEST = 2**30
"""Bytes of a message."""
_LENGTH = struct.Struct("<I")
_PIECE = 2**20


class StreamLink:
    """A connection over a stream, until either side closes it."""

    def __init__(
        self,
        role: Role,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        api: Any = None,
        config: Mapping[str, Any] | None = None,
        told: Told = lambda level, text: None,
        execute: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self._reader, self._writer = reader, writer
        self.connection = Connection(
            role, self._send, api=api, config=config, told=told, execute=execute
        )
        self._task = asyncio.get_running_loop().create_task(self._read())
        self.connection.start()

    async def close(self) -> None:
        """End it. Idempotent."""
        await self.connection.close()
        self._writer.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _send(self, message: Message) -> None:
        content = msgspec.msgpack.encode(message)
        if not self._writer.is_closing():
            self._writer.write(_LENGTH.pack(len(content)))
            self._writer.write(content)

    async def _read(self) -> None:
        reason = "it has closed the link"
        try:
            while True:
                self.connection.receive(await read_message(self._reader))
        except asyncio.IncompleteReadError:
            pass
        except (OSError, ProtocolError) as error:
            reason = str(error).rstrip(".")
        finally:
            self.connection.lose(reason)
            self._writer.close()


async def read_message(reader: asyncio.StreamReader) -> Any:
    """The next message of a stream. Memory is taken as it arrives.

    Raises:
        ProtocolError: it is no message.
        asyncio.IncompleteReadError: the stream has ended.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > LARGEST:
        raise ProtocolError(f"A message of {length} bytes is too large.")
    pieces = []
    while length:
        piece = await reader.read(min(length, _PIECE))
        if not piece:
            raise asyncio.IncompleteReadError(b"", length)
        pieces.append(piece)
        length -= len(piece)
    return decode_message(b"".join(pieces))


def decode_message(content: bytes) -> Any:
    """The message that some bytes are.

    Raises:
        ProtocolError: they are none.
    """
    try:
        return msgspec.msgpack.decode(content)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ProtocolError(f"A message cannot be read: {error}.") from None
