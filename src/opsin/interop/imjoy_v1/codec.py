"""Codec: what values look like in messages of v1. Pure.

A value that is no plain one is a map with `_rtype`. Functions are numbered by a `Book`: as part of
an object (`interface`, which lasts) or by themselves (`callback`, which can be called once).
Whatever comes from outside gives a value or a `ProtocolError`, and nothing larger than itself.
"""

from __future__ import annotations

import io
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from opsin.errors import ProtocolError, RemoteError

DEEPEST = 64
LONGEST_NAME = 4096
_DTYPE = re.compile(
    r"[<>|=]?(?:u?int(?:8|16|32|64)|float(?:16|32|64)|complex(?:64|128)|bool|[iufcb]\d{1,2})"
)
_MOST_AXES = 32
KEPT_MAGIC = ("__enter__", "__exit__")
_IO_METHODS = (
    *("fileno", "seek", "truncate", "detach", "write", "read", "read1", "readall", "close"),
    *("closed", "__enter__", "__exit__", "flush", "isatty", "readable", "readline", "readlines"),
    *("seekable", "tell", "writable", "writelines"),
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A function of the other side: by its object and its name, or by the number of a callback."""

    target: str
    object: str = ""
    name: str = ""
    callback: str | int = ""

    @property
    def is_callback(self) -> bool:
        """Whether it can be called once."""
        return not self.name


class Book(Protocol):
    """What numbers the functions of one side."""

    @property
    def target(self) -> str:
        """The id that functions of this side are called at."""

    def put(self, function: Callable[..., Any]) -> str:
        """The number of a callback."""

    def keep(self, thing: Any, id: str) -> str:
        """The number of an object, which is `id` unless that is empty."""


def encode(value: Any, book: Book, *, as_interface: bool = False) -> Any:
    """A value as it is sent.

    Args:
        value: what to send.
        book: numbers its functions.
        as_interface: its functions last.

    Raises:
        TypeError: it cannot be sent.
    """
    return _Encoder(book).encode(value, as_interface=as_interface)


def decode(value: Any, function: Callable[[Reference], Any]) -> Any:
    """What a value that came stands for.

    Args:
        value: as it came.
        function: makes what stands for a function of the other side.

    Raises:
        ProtocolError: it stands for nothing.
    """
    return _Decoder(function).decode(value, 0)


class _Encoder:
    def __init__(self, book: Book) -> None:
        self._book = book

    def encode(
        self,
        value: Any,
        *,
        as_interface: bool = False,
        object: str = "",
        path: str = "",
        deep: int = 0,
    ) -> Any:
        if deep > DEEPEST:
            raise TypeError(f"a value nested deeper than {DEEPEST} cannot be sent")
        if value is None or isinstance(value, bool | int | float | str | bytes):
            return value
        if isinstance(value, np.ndarray | np.generic):
            return _array(value)
        if callable(value) and not isinstance(value, Mapping):
            return self._function(value, object, path)
        if isinstance(value, list | tuple):
            return self._items(value, as_interface, object, path, deep)
        if isinstance(value, OrderedDict) and not as_interface:
            pairs = [[key, one] for key, one in value.items()]
            return {"_rtype": "orderedmap", "_rvalue": self.encode(pairs, deep=deep + 1)}
        if isinstance(value, Mapping):
            return self._map(value, as_interface, object, path, deep)
        return self._other(value, deep)

    def _other(self, value: Any, deep: int) -> Any:
        if isinstance(value, BaseException):
            return {"_rtype": "error", "_rvalue": str(value) or type(value).__name__}
        if isinstance(value, memoryview | bytearray):
            return {"_rtype": "memoryview", "_rvalue": bytes(value)}
        if isinstance(value, set | frozenset):
            return {"_rtype": "set", "_rvalue": self.encode(list(value), deep=deep + 1)}
        if isinstance(value, io.IOBase):
            methods = {n: getattr(value, n) for n in _IO_METHODS if hasattr(value, n)}
            return self.encode(methods | {"_rintf": True}, deep=deep)
        if getattr(value, "_rintf", False):
            public = {name: getattr(value, name) for name in dir(value) if _is_public(name)}
            return self.encode(public | {"_rintf": value._rintf}, deep=deep)
        raise TypeError(
            f"a {type(value).__name__} cannot be sent: send a map of functions with _rintf=True"
        )

    def _function(self, value: Callable[..., Any], object: str, path: str) -> dict[str, Any]:
        target = self._book.target
        if object:
            return {"_rtype": "interface", "_rtarget_id": target, "_rintf": object, "_rvalue": path}
        number = self._book.put(value)
        name = getattr(value, "__name__", number)
        return {"_rtype": "callback", "_rtarget_id": target, "_rname": name, "_rvalue": number}

    def _items(
        self, value: Iterable[Any], as_interface: bool, object: str, path: str, deep: int
    ) -> list[Any]:
        if as_interface and not object:
            value = list(value)
            object = self._book.keep(value, "")
        return [
            self.encode(
                one,
                as_interface=as_interface,
                object=object,
                path=f"{path}.{place}" if path else str(place),
                deep=deep + 1,
            )
            for place, one in enumerate(value)
        ]

    def _map(
        self, value: Mapping[Any, Any], as_interface: bool, object: str, path: str, deep: int
    ) -> dict[str, Any]:
        own = value.get("_rintf")
        if "_rtype" in value and not own:
            return dict(value)  # it is encoded
        if not (as_interface or own):
            return {_key(k): self.encode(one, deep=deep + 1) for k, one in value.items()}
        if not object:
            object, path = self._book.keep(value, own if isinstance(own, str) else ""), ""
        found = {
            _key(key): self.encode(
                one,
                as_interface=True,
                object=object,
                path=f"{path}.{key}" if path else str(key),
                deep=deep + 1,
            )
            for key, one in value.items()
            if _is_public(_key(key))
        }
        if "_rtype" in value:
            found["_rtype"] = value["_rtype"]
        if any(callable(one) for one in value.values()):
            found["_rintf"] = object
        return found


class _Decoder:
    def __init__(self, function: Callable[[Reference], Any]) -> None:
        self._make = function

    def decode(self, value: Any, deep: int) -> Any:
        if deep > DEEPEST:
            raise ProtocolError(f"A value is nested deeper than {DEEPEST}.")
        if isinstance(value, list | tuple):
            return [self.decode(one, deep + 1) for one in value]
        if isinstance(value, memoryview | bytearray):
            return bytes(value)
        if not isinstance(value, dict):
            return value
        kind = value.get("_rtype")
        if isinstance(kind, str) and kind in _KINDS:
            return getattr(self, f"_{kind}")(value, deep)
        return {str(key): self.decode(one, deep + 1) for key, one in value.items()}

    def _callback(self, value: dict[str, Any], deep: int) -> Any:
        number = value.get("_rvalue")
        if isinstance(number, bool) or not isinstance(number, str | int):
            raise ProtocolError("A callback has no number.")
        return self._make(Reference(_text(value, "_rtarget_id"), callback=number))

    def _interface(self, value: dict[str, Any], deep: int) -> Any:
        name, object = _text(value, "_rvalue"), _text(value, "_rintf")
        if not name or not object:
            raise ProtocolError("A function has no name, or no object.")
        return self._make(Reference(_text(value, "_rtarget_id"), object, name))

    def _ndarray(self, value: dict[str, Any], deep: int) -> Any:
        shape = value.get("_rshape")
        if not isinstance(shape, list | tuple) or len(shape) > _MOST_AXES:
            raise ProtocolError("An array has no shape.")
        if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape):
            raise ProtocolError("An array has a shape of no whole numbers.")
        flat = _flat(value)
        if math.prod(shape) != flat.size:
            raise ProtocolError("An array has more or fewer values than its shape says.")
        return flat.reshape(tuple(shape))

    def _typedarray(self, value: dict[str, Any], deep: int) -> Any:
        return _flat(value)

    def _memoryview(self, value: dict[str, Any], deep: int) -> Any:
        return memoryview(_bytes(value.get("_rvalue")))

    def _blob(self, value: dict[str, Any], deep: int) -> Any:
        content = value.get("_rvalue")
        return io.StringIO(content) if isinstance(content, str) else io.BytesIO(_bytes(content))

    def _error(self, value: dict[str, Any], deep: int) -> Any:
        return RemoteError(str(value.get("_rvalue"))[:LONGEST_NAME])

    def _set(self, value: dict[str, Any], deep: int) -> Any:
        items = self._listed(value, deep)
        try:
            return set(items)
        except TypeError:  # of what Python has no sets of
            return items

    def _orderedmap(self, value: dict[str, Any], deep: int) -> Any:
        items = self._listed(value, deep)
        try:
            if all(isinstance(one, list) and len(one) == 2 for one in items):
                return OrderedDict((key, one) for key, one in items)
            return OrderedDict.fromkeys(items)  # imjoy-rpc in Python sends the keys alone
        except TypeError:
            return items

    def _listed(self, value: dict[str, Any], deep: int) -> list[Any]:
        items = value.get("_rvalue")
        if not isinstance(items, list | tuple):
            raise ProtocolError("A set or a map has no list of what is in it.")
        return [self.decode(one, deep + 1) for one in items]


_KINDS = {
    *("callback", "interface", "ndarray", "typedarray", "memoryview", "blob", "error", "set"),
    "orderedmap",
}


def _array(value: np.ndarray[Any, Any] | np.generic) -> dict[str, Any]:
    plain = np.ascontiguousarray(value)
    if plain.dtype.hasobject or plain.dtype.names:
        raise TypeError(f"an array of {plain.dtype} cannot be sent")
    if plain.dtype.byteorder == ">":
        plain = plain.astype(plain.dtype.newbyteorder("<"))
    return {
        "_rtype": "ndarray",
        "_rvalue": plain.tobytes(),
        "_rshape": list(np.shape(value)),
        "_rdtype": str(plain.dtype),
    }


def _flat(value: dict[str, Any]) -> np.ndarray[Any, Any]:
    name = value.get("_rdtype")
    if not isinstance(name, str) or not _DTYPE.fullmatch(name):
        raise ProtocolError(f"An array has no type that is known: {name!r:.40}.")
    content = value.get("_rvalue")
    if isinstance(content, list):
        content = b"".join(_bytes(one) for one in content)
    try:
        return np.frombuffer(_bytes(content), dtype=np.dtype(name))
    except (ValueError, TypeError) as error:
        raise ProtocolError(f"An array of {name} cannot be read: {error}.") from None


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise ProtocolError("Bytes were expected.")
    return bytes(value)


def _text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str | int) or isinstance(found, bool):
        return ""
    text = str(found) if not isinstance(found, int) or abs(found) < 2**63 else ""
    if len(text) > LONGEST_NAME:
        raise ProtocolError("A name is far too long.")
    return text


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a map with a key of type {type(key).__name__} cannot be sent")
    return key


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name in KEPT_MAGIC
