"""Sessions and peers, joined in one process."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Raw
from msgspec.msgpack import encode

from opsin.rpc.frames import Frame
from opsin.rpc.peer import Peer
from opsin.rpc.session import Event, Session
from opsin.rpc.transports.memory import pair

NOTHING = Raw(b"\x90"), Raw(b"\x80")


def packed(value: Any) -> Raw:
    return Raw(encode(value))


def frames_of(session: Session) -> list[Frame]:
    """Everything that a session has to send now."""
    found = []
    while (frame := session.next_frame()) is not None:
        found.append(Frame(bytes(frame.header), bytes(frame.payload), frame.descriptors))
    return found


def exchange(one: Session, other: Session) -> tuple[list[Event], list[Event]]:
    """Let two sessions talk until they have nothing to say; returns what happened to each."""
    happened: tuple[list[Event], list[Event]] = ([], [])
    while True:
        sent = frames_of(one), frames_of(other)
        if not any(sent):
            return happened
        for frame in sent[0]:
            happened[1].extend(other.receive(frame))
        for frame in sent[1]:
            happened[0].extend(one.receive(frame))


def two_sessions(**options: Any) -> tuple[Session, Session]:
    """Two sessions that have greeted each other."""
    one, other = Session(**options), Session(**options)
    exchange(one, other)
    return one, other


@asynccontextmanager
async def two_peers(root: Any = None, other_root: Any = None) -> AsyncIterator[tuple[Peer, Peer]]:
    """A peer that serves `root` and one that calls it, joined by memory."""
    one, other = pair()
    async with Peer(one, root) as server, Peer(other, other_root) as client:
        yield server, client


async def settled(*peers: Peer) -> None:
    """Wait until these peers have nothing open and hold nothing of each other."""
    for attempt in range(200):
        if all(is_empty(peer) for peer in peers):
            return
        if attempt == 20:
            gc.collect()
        await asyncio.sleep(0.005)
    raise AssertionError([(len(peer.values.objects), len(peer.values.held)) for peer in peers])


def is_empty(peer: Peer) -> bool:
    roots = peer.values.objects.root is not None
    return (
        len(peer.values.objects) == roots
        and not len(peer.values.held)
        and peer._session.is_empty
        and not len(peer._calls)
        and not len(peer._tasks)
    )
