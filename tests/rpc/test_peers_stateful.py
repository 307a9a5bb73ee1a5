"""Two whole peers over sockets that split, delay and break: every call ends once, and rightly."""

from __future__ import annotations

import array
import asyncio
import gc
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
)

from opsin.errors import ConnectionLost
from opsin.rpc.calls import Calls
from opsin.rpc.frames import PREFIX, decode_prefix
from opsin.rpc.held import HeldTable
from opsin.rpc.lazy_source import LazySource
from opsin.rpc.objects import by_reference
from opsin.rpc.peer import Peer
from opsin.rpc.pool import Pool
from opsin.rpc.shared_arrays import SharedArrays, available
from opsin.rpc.tasks import Tasks
from opsin.rpc.transports.unix_stream import UnixTransport
from tests.rpc.joined import is_empty
from tests.rpc.process import descriptors

pytestmark = pytest.mark.skipif(not available(), reason="no shared arrays here")

LARGE = 70_000
SIDES = st.sampled_from([0, 1])
INTS = array.array("i")
ROOM = socket.CMSG_SPACE(16 * INTS.itemsize)


@by_reference
class Counter:
    def __init__(self) -> None:
        self.n = 0

    async def add(self) -> int:
        self.n += 1
        return self.n


class Service:
    """All of it runs in the event loop, so that the same steps do the same again."""

    def __init__(self) -> None:
        self.waiting = 0

    async def echo(self, *values: Any) -> Any:
        return list(values)

    async def apply(self, function: Any, n: int) -> Any:
        return [await function(k) for k in range(n)]

    async def planes(self, count: int) -> Any:
        for n in range(count):
            yield np.full(LARGE, n, np.uint8)

    async def counter(self) -> Counter:
        return Counter()

    async def fail(self, text: str) -> None:
        raise ValueError(text)

    async def wait(self) -> None:
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting -= 1


@dataclass
class Wire:
    """One direction: reads whole frames, with their descriptors, and hands on any part of them."""

    source: socket.socket
    target: socket.socket
    read: bytearray = field(default_factory=bytearray)
    wanted: int = PREFIX.size
    rights: list[int] = field(default_factory=list)
    frames: deque[tuple[bytearray, list[int]]] = field(default_factory=deque)

    def take(self) -> None:
        """What the one end has sent."""
        while True:
            try:
                data, ancillary, _, _ = self.source.recvmsg(self.wanted - len(self.read), ROOM)
            except BlockingIOError:
                return
            for _, _, rights in ancillary:
                numbers = array.array("i", rights)
                assert not self.read, "descriptors come with the first byte of their frame"
                self.rights = list(numbers)
            if not data:
                return
            self.read += data
            if len(self.read) == PREFIX.size == self.wanted:
                header, payload, count = decode_prefix(self.read)
                assert count == len(self.rights)
                self.wanted += header + payload
            if len(self.read) == self.wanted:
                self.frames.append((self.read, self.rights))
                self.read, self.rights, self.wanted = bytearray(), [], PREFIX.size

    def hand_on(self, count: int) -> int:
        """Up to so many bytes; returns how many there were."""
        self.take()
        done = 0
        while self.frames and done < count:
            data, rights = self.frames[0]
            part = bytes(data[: count - done])
            numbers = array.array("i", rights)
            message = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)] if rights else []
            try:
                sent = self.target.sendmsg([part], message)
            except BlockingIOError:
                break
            for number in rights:
                socket.close(number)
            rights.clear()
            del data[:sent]
            done += sent
            if not data:
                self.frames.popleft()
        return done

    def close(self) -> None:
        for rights in (self.rights, *(rights for _, rights in self.frames)):
            for number in rights:
                socket.close(number)
        self.rights = []
        self.frames.clear()
        self.source.close()


class TwoPeers(RuleBasedStateMachine):
    """Model: what each call has to give, if nothing breaks."""

    def __init__(self) -> None:
        super().__init__()
        gc.collect()
        self.before = descriptors()
        self.loop = asyncio.new_event_loop()
        self.faults: list[str] = []
        self.loop.set_exception_handler(lambda _, context: self.faults.append(context["message"]))
        self.pool = Pool(limit=0)
        self.services = [Service(), Service()]
        pairs = [socket.socketpair(), socket.socketpair()]
        middle = [pair[1] for pair in pairs]
        for one in middle:
            one.setblocking(False)
        self.wires = [Wire(middle[0], middle[1]), Wire(middle[1], middle[0])]
        self.connected = True
        self.calls: list[tuple[asyncio.Task[Any], Any]] = []
        self.held: list[Any] = []
        self.peers: list[Peer] = self.loop.run_until_complete(self.link([p[0] for p in pairs]))
        self.remotes: list[Any] = []
        for _ in range(20):
            self.turn(1)
            self.wires[0].hand_on(2**20)
            self.wires[1].hand_on(2**20)
        for peer in self.peers:
            self.remotes.append(self.loop.run_until_complete(peer.root()))

    async def link(self, ends: list[socket.socket]) -> list[Peer]:
        return [
            Peer(UnixTransport(end), service, segments=SharedArrays(self.pool))
            for end, service in zip(ends, self.services, strict=True)
        ]

    def turn(self, count: int) -> None:
        for _ in range(count):
            self.loop.run_until_complete(asyncio.sleep(0))

    def begin(self, call: Any, expected: Any) -> None:
        async def run() -> Any:
            return await call

        self.calls.append((self.loop.create_task(run()), expected))
        self.turn(1)

    # ------------------------------------------------------------------ what can happen

    @rule(side=SIDES, n=st.integers(0, 255), kinds=st.lists(st.sampled_from("asbtlf"), max_size=3))
    def echo(self, side: int, n: int, kinds: list[str]) -> None:
        made: dict[str, Any] = {
            "a": np.full(LARGE, n, np.uint8),
            "s": np.full(9, n, np.uint16),
            "b": bytes([n]) * LARGE,
            "t": {"n": [n, None, "x" * n]},
            "f": Counter().add,
            "l": LazySource(np.full((4, LARGE), n, np.uint8).__getitem__, (4, LARGE), "u1"),
        }
        values = [made[kind] for kind in kinds]
        self.begin(self.remotes[side].echo(*values), values)

    @rule(side=SIDES, n=st.integers(0, 4))
    def call_back(self, side: int, n: int) -> None:
        async def square(k: int) -> int:
            return k * k

        self.begin(self.remotes[side].apply(square, n), [k * k for k in range(n)])

    @rule(side=SIDES, count=st.integers(0, 20), taken=st.integers(1, 20))
    def stream(self, side: int, count: int, taken: int) -> None:
        async def iterate() -> list[int]:
            seen: list[int] = []
            async for plane in self.remotes[side].planes(count):
                assert plane.min() == plane.max()
                seen.append(int(plane[0]))
                if len(seen) == taken:
                    break
            return seen

        self.begin(iterate(), list(range(min(count, taken))))

    @rule(side=SIDES)
    def fail(self, side: int) -> None:
        self.begin(self.remotes[side].fail("as asked"), ValueError)

    @rule(side=SIDES)
    def wait(self, side: int) -> None:
        self.begin(self.remotes[side].wait(), asyncio.CancelledError)

    @rule(side=SIDES, keep=st.booleans())
    def count(self, side: int, keep: bool) -> None:
        async def use() -> int:
            counter = await self.remotes[side].counter()
            if keep:
                self.held.append(counter)
            await counter.add()
            return int(await counter.add())

        self.begin(use(), 2)

    @precondition(lambda self: self.held)
    @rule()
    def let_go(self) -> None:
        self.held.pop()

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task, _ = data.draw(st.sampled_from(self.calls))
        task.cancel()
        self.turn(1)

    @precondition(lambda self: self.connected)
    @rule(side=SIDES, count=st.one_of(st.integers(1, 40), st.sampled_from([300, 5000, 2**18])))
    def deliver(self, side: int, count: int) -> None:
        self.wires[side].hand_on(count)
        self.turn(2)

    @rule(count=st.integers(1, 5))
    def turns(self, count: int) -> None:
        self.turn(count)

    @precondition(lambda self: self.connected)
    @rule(side=SIDES, really=st.sampled_from([False] * 7 + [True]), orderly=st.booleans())
    def disconnect(self, side: int, really: bool, orderly: bool) -> None:
        if not really:
            return
        self.connected = False
        if orderly:
            self.loop.run_until_complete(self.peers[side].close())
        for wire in self.wires:
            wire.close()
        self.turn(3)

    # ------------------------------------------------------------------ what must be true

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            for wire in self.wires:
                wire.close()
            for peer in self.peers:
                self.loop.run_until_complete(peer.close())
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            self.loop.run_until_complete(asyncio.wait(left) if left else asyncio.sleep(0))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
        self.calls.clear()
        self.held.clear()
        self.remotes.clear()
        self.peers.clear()
        gc.collect()
        assert self.pool.bytes == self.pool._count == 0, "memory is left"
        assert not descriptors() - self.before, "descriptors are left"

    def finish(self) -> None:
        for _ in range(5000):
            self.cancel_waiting()
            moved = sum(wire.hand_on(2**20) for wire in self.wires) if self.connected else 0
            self.turn(3)
            if not moved and all(task.done() for task, _ in self.calls):
                break
        self.check_all()
        assert not self.faults
        self.calls.clear()
        self.held.clear()
        if not self.connected:
            self.turn(5)
            assert all(peer.is_over for peer in self.peers)
            assert all(not len(peer._tasks) for peer in self.peers)
            return
        for attempt in range(200):
            if attempt % 50 == 0:
                gc.collect()
            for wire in self.wires:
                wire.hand_on(2**20)
            self.turn(3)
            if all(map(is_empty, self.peers)):
                break
        assert all(map(is_empty, self.peers)), "something is left in a table"
        assert not any(service.waiting for service in self.services)

    def cancel_waiting(self) -> None:
        for task, expected in self.calls:
            if expected is asyncio.CancelledError:
                task.cancel()

    def check_all(self) -> None:
        for task, expected in self.calls:
            assert task.done(), "a call waits for ever"
            self.check(task, expected)

    def check(self, task: asyncio.Task[Any], expected: Any) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, ConnectionLost):
            assert not self.connected
        elif error is not None:
            assert expected is ValueError
            assert str(error) == "as asked"
        elif isinstance(expected, list):
            found = task.result()
            assert len(found) == len(expected)
            for one, other in zip(found, expected, strict=True):
                assert type(one) is type(other)
                assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
        else:
            assert task.result() == expected


TestTwoPeers = TwoPeers.TestCase
TestTwoPeers.settings = settings(
    max_examples=12,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def play(*steps: str) -> None:
    """One run of the machine, with these steps; what they send arrives, but after a `!`."""
    machine = TwoPeers()
    try:
        for step in steps:
            name, *given = step.split()
            arguments = {"side": 0, "really": True, "orderly": False, "n": 3, "kinds": ["a", "f"]}
            wanted = {key: arguments[key] for key in given}
            getattr(machine, name.rstrip("!"))(**wanted)
            if machine.connected and not name.endswith("!"):
                for side in (0, 1, 0, 1):
                    machine.deliver(side=side, count=2**20)
    finally:
        machine.teardown()


UNPROTECTED = {
    "counts go back": (HeldTable, "_drop_object", ["call_back side n"]),
    "cancelling reaches the task": (Tasks, "cancel", ["wait side"]),
    "pending calls fail": (
        Calls,
        "fail_all",
        ["echo! side n kinds", "disconnect side really orderly"],
    ),
    "tasks of a lost link end": (Tasks, "stop", ["wait side", "disconnect side really orderly"]),
    "leases of a lost link end": (
        *(SharedArrays, "close"),
        ["echo side n kinds", "disconnect side really orderly"],
    ),
}


@pytest.mark.parametrize("protection", UNPROTECTED)
def test_that_needs_its_protection(protection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, steps = UNPROTECTED[protection]
    play(*steps)
    monkeypatch.setattr(where, name, lambda *_: None)
    with pytest.raises(AssertionError):
        play(*steps)
