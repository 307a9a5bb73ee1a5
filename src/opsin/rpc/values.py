"""Values: what one peer sends and receives, with the objects and segments that it refers to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from msgspec import Raw

from opsin.errors import ProtocolError
from opsin.rpc.blocking import BlockingRemote
from opsin.rpc.codec import FUNCTION, THING, Lazy, ObjectInfo, Segments
from opsin.rpc.held import HeldTable, Requests
from opsin.rpc.lazy_array import LazyArray
from opsin.rpc.lazy_source import LazySource
from opsin.rpc.messages import Release
from opsin.rpc.objects import ObjectTable, kind_of
from opsin.rpc.packer import Packer
from opsin.rpc.remote import Caller, Remote
from opsin.rpc.segment import hold_of
from opsin.rpc.session import Event
from opsin.rpc.unpacker import Unpacker

WORTH_A_THREAD = 2**23
"""Bytes of an array: copying more would hold the event loop up."""


class Values:
    """Both directions of one peer's values, and both tables of objects.

    Args:
        root: the peer's own service.
        wake: called, from any thread, when something of the other side's was let go here.
    """

    def __init__(
        self, peer: Requests, root: Any, segments: Segments | None, wake: Callable[[], None]
    ) -> None:
        self._peer = peer
        self._segments = segments
        self._sending_segments = segments
        self._blocking = False  # which kind of remotes is made now
        self._unpacker = Unpacker(self, segments)
        self._is_over = False
        self.objects = ObjectTable(root)
        self.held = HeldTable(peer, wake)
        if segments is not None:
            segments.listen(self.held.drop_segment)

    def pack(self, *values: Any) -> tuple[Packer, list[Raw]]:
        """The values of one message. Who does not send it gives the packer to `take_back`.

        Raises:
            TypeError, ValueError: something cannot be sent.
        """
        packer = Packer(self, self._sending_segments)
        try:
            return packer, [packer.pack(value) for value in values]
        except BaseException:
            self.take_back(packer)
            raise

    def has_large(self, values: Iterable[Any]) -> bool:
        """Whether `pack` would copy so much of these that the event loop should not do it."""
        for value in values:
            is_large = type(value) is np.ndarray and value.nbytes >= WORTH_A_THREAD
            if is_large and self._sending_segments is not None and hold_of(value) is None:
                return True
        return False

    def copied(self, values: Iterable[Any]) -> list[Any]:
        """The same, with the large arrays where they need not be copied again. In any thread."""
        segments = self._sending_segments
        if segments is None:
            return list(values)
        return [segments.copied(one) if self.has_large((one,)) else one for one in values]

    def unpack(self, values: Sequence[Raw], event: Event, blocking: bool = False) -> list[Any]:
        """The values of a message that has come; its descriptors are taken over or closed.

        Raises:
            ProtocolError: something is not what the protocol allows.
            TypeError, ValueError: a registered type refused its value.
        """
        self._blocking = blocking
        if not event.descriptors:
            return self._unpacker.unpack(values, event.buffers)
        descriptors: list[int | None] = list(event.descriptors)
        try:
            return self._unpacker.unpack(values, event.buffers, descriptors)
        finally:
            close_descriptors(one for one in descriptors if one is not None)

    def take_back(self, packer: Packer | None) -> None:
        """A message never arrives: what was counted and leased for it is not."""
        if packer is not None and not self._is_over:
            self.objects.release((number, 1) for number in packer.objects)
            if self._segments is not None and packer.leases:
                self._segments.ended(packer.leases)

    def released(self, message: Release) -> None:
        """The other side let go.

        Raises:
            ProtocolError: of something that it did not hold.
        """
        self.objects.release(message.objects)
        if message.segments:
            if self._segments is None:
                raise ProtocolError("Segments were released over a link that carries none.")
            self._segments.ended(message.segments)

    def without_segments(self) -> None:
        """The link turns out not to carry descriptors: send buffers."""
        self._sending_segments = None

    def clear(self) -> None:
        """The link is over."""
        self._is_over = True
        self.objects.clear()
        if self._segments is not None:
            self._segments.close()

    # What packer and unpacker ask for.

    def send(self, value: Any) -> ObjectInfo | int | None:
        if not isinstance(value, Caller):
            is_root = value is not None and value is self.objects.root
            kind = THING if is_root else kind_of(value)
            return None if kind is None else self.objects.send(value, kind)
        held = value._held
        if value._path:
            return self.objects.send(value, FUNCTION, ObjectInfo(0, FUNCTION, value._path))
        if held.peer is self._peer:
            return held.number
        return self.objects.send(value, held.info.kind, held.info)

    def receive(self, info: ObjectInfo) -> Any:
        held = self.held.receive(info)
        return BlockingRemote(held) if self._blocking else Remote(held)

    def receive_lazy(self, lazy: Lazy) -> LazyArray:
        return LazyArray(lazy)

    def home(self, object_id: int) -> Any:
        target, _ = self.objects.get(object_id)
        is_array = isinstance(target, LazySource) and target.array is not None
        return target.array if is_array else target


def close_descriptors(descriptors: Iterable[int]) -> None:
    """Close what came with a message and is of no use."""
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)
