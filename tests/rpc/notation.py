"""How protocol/fixtures/rpc_*.json write down messages and values, and back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw

from opsin.errors import ProtocolError
from opsin.rpc import messages
from opsin.rpc.codec import FUNCTION, Lazy, ObjectInfo
from opsin.rpc.errors import error_from

PACKED_FIELDS = ("args", "kwargs", "value")


class Point:
    """What the fixtures register as "fixture.Point"."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y


class Object:
    """One of ours that is sent with a fixed description."""

    def __init__(self, info: ObjectInfo) -> None:
        self.info = info


class Theirs:
    """A remote for one of theirs."""

    def __init__(self, info: ObjectInfo) -> None:
        self.info = info


class FixtureReferences:
    """Objects by reference, without a session: descriptions are what they are."""

    def __init__(self) -> None:
        self.received: list[int] = []

    def send(self, value: Any) -> ObjectInfo | int | None:
        if isinstance(value, Object):
            return value.info
        return value.info.object if isinstance(value, Theirs) else None

    def receive(self, info: ObjectInfo) -> Any:
        self.received.append(info.object)
        return Theirs(info)

    def receive_lazy(self, lazy: Lazy) -> Any:
        return lazy

    def home(self, object_id: int) -> Any:
        if object_id > 100:
            raise ProtocolError(f"There is no object {object_id}.")
        return Object(ObjectInfo(object_id, FUNCTION, "ours"))


def data_of(written: Any) -> bytes:
    if isinstance(written, str):
        return bytes.fromhex(written)
    head = bytes.fromhex(written.get("head", ""))
    return head + bytes.fromhex(written["repeat"]) * int(written["times"])


def value_of(written: Any) -> Any:
    """The Python value that is written down as `written`."""
    if isinstance(written, list):
        return [value_of(item) for item in written]
    if not isinstance(written, dict):
        return written
    kind = written.get("$")
    if kind is None:
        return {key: value_of(item) for key, item in written.items()}
    if kind in ("integer", "float"):
        return (int if kind == "integer" else float)(written["text"])
    if kind == "text":
        return written["repeat"] * written["times"]
    if kind == "bytes":
        return data_of(written["data"])
    if kind == "array":
        dtype = np.dtype(written["dtype"]).newbyteorder("<")
        return np.frombuffer(data_of(written["data"]), dtype).reshape(written["shape"])
    if kind == "complex":
        return complex(*map(value_of, (written["re"], written["im"])))
    if kind == "map":
        return {value_of(key): value_of(item) for key, item in written["pairs"]}
    if kind == "error":
        return error_from(tuple(written["parts"]))
    if kind == "object":
        number, object_kind, name, doc, methods = written["info"]
        methods = None if methods is None else tuple(methods)
        return Object(ObjectInfo(number, object_kind, name, doc, methods))
    if kind == "yours":
        return Theirs(ObjectInfo(written["object"], FUNCTION, ""))
    if kind == "registered":
        assert written["name"] == "fixture.Point"
        return Point(*value_of(written["value"]))
    assert kind == "lazy"
    source = Object(ObjectInfo(written["object"], 1, "lazy array"))
    chunks = written["chunks"]
    shape = tuple(written["shape"])
    dtype = np.dtype(written["dtype"])
    return Lazy(source, dtype, shape, None if chunks is None else tuple(chunks))


def message_of(written: dict[str, Any]) -> messages.Message:
    """The message that is written down as `written`."""
    kinds = {cls.__name__.lower(): cls for cls in messages.MESSAGES}
    fields = dict(written)
    cls = kinds[fields.pop("type")]
    for name in PACKED_FIELDS:
        if name in fields:
            fields[name] = Raw(bytes.fromhex(fields[name]))
    for name, field in fields.items():
        if isinstance(field, list):
            fields[name] = _tuple(field)
    return cls(**fields)


def written_message(message: messages.Message) -> dict[str, Any]:
    """How a message is written down."""
    found: dict[str, Any] = {"type": type(message).__name__.lower()}
    for name in message.__struct_fields__:
        field = getattr(message, name)
        plain = bytes(field).hex() if isinstance(field, Raw) else field
        found[name] = json.loads(msgspec.json.encode(plain))
    return found


def _tuple(items: list[Any]) -> tuple[Any, ...]:
    return tuple(_tuple(item) if isinstance(item, list) else item for item in items)
