"""Values: what an ImJoy plugin in Python gives and gets, and how that is carried.

How is said in protocol/IMJOY.md ("Values"). Both directions make new containers and leave what they
are given as it is; arrays are not copied.
"""

from __future__ import annotations

import inspect
import io
import types
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from opsin.rpc.codec import is_lazy_class
from opsin.rpc.lazy_source import register_arrays
from opsin.rpc.remote import Caller

DEEPEST = 60
"""What is nested deeper is refused; the RPC carries 64."""
KEYWORDS = "_rkwargs"
"""The mark of a last argument that holds keyword arguments."""
FILE_METHODS = (
    *("close", "fileno", "flush", "isatty", "read", "readable", "readline", "readlines", "seek"),
    *("seekable", "tell", "truncate", "writable", "write", "writelines"),
)
KEPT_PRIVATE = ("__enter__", "__exit__")

Wrap = Callable[[Callable[..., Any]], Any]
Unwrap = Callable[[Caller], Any]


class DotDict(dict[str, Any]):
    """A dict whose entries are attributes, too; one that is not there is None, as in ImJoy."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]


class NamedBytes(io.BytesIO):
    """The content of a file that was handed over.

    Attributes:
        name: of the file; '' if it has none.
        path: what the plugin that gave it calls its place.
        mime: such as `image/png`.
    """

    def __init__(self, content: bytes, name: str = "", path: str = "", mime: str = "") -> None:
        super().__init__(content)
        self.name = name
        self.path = path
        self.mime = mime


@dataclass(frozen=True, slots=True)
class Codec:
    """How a plugin's own kind of value travels (`api.registerCodec`)."""

    name: str
    type: type | None = None
    encoder: Callable[[Any], Any] | None = None
    decoder: Callable[[Any], Any] | None = None


class Values:
    """Both directions of one plugin's values.

    Args:
        wrap: makes what the other side can call of a function of the plugin.
        unwrap: makes what the plugin can call of a function of the other side.
    """

    def __init__(self, wrap: Wrap, unwrap: Unwrap) -> None:
        self._wrap = wrap
        self._unwrap = unwrap
        self._codecs: dict[str, Codec] = {}
        register_arrays()

    def register(self, codec: Codec) -> None:
        """Let a codec encode values of its type, and decode those of its name."""
        self._codecs[codec.name] = codec

    # ------------------------------------------------------------------ out

    def encode(self, value: Any) -> Any:
        """A value of the plugin, carried.

        Raises:
            TypeError: it cannot be.
            ValueError: it is nested too deep, or contains itself.
        """
        return self._encoded(value, 0)

    def interface(self, exported: Any) -> dict[str, Any]:
        """What a plugin exports: the public members of an object, or the entries of a dict.

        Raises:
            TypeError: it is neither, or holds what cannot be sent.
        """
        if isinstance(exported, Mapping):
            found = {str(name): value for name, value in exported.items()}
        elif inspect.isclass(exported):
            raise TypeError("export() takes an object of the class: export(ImJoyPlugin()).")
        elif exported is None or isinstance(exported, (str, int, float, list, tuple)):
            raise TypeError(f"export() takes an object or a dict, not {exported!r:.60}.")
        else:
            found = members_of(exported)
        public = {name: value for name, value in found.items() if is_public(name)}
        return {name: self._encoded(value, 1) for name, value in public.items()}

    def _encoded(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return value
        if depth > DEEPEST:
            raise ValueError("A value is nested too deep to be sent, or contains itself.")
        if (by_codec := self._by_codec(value, depth)) is not None:
            return by_codec
        if isinstance(value, (np.ndarray, np.generic)):
            return np.asarray(value)
        if is_lazy_class(type(value)):
            return value  # the RPC lets it be read in parts
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple)):
            return [self._encoded(one, depth + 1) for one in value]
        if isinstance(value, (set, frozenset)):
            return {"_rtype": "set", "_rvalue": [self._encoded(one, depth + 1) for one in value]}
        if isinstance(value, (bytearray, memoryview)):
            return {"_rtype": "memoryview", "_rvalue": bytes(value)}
        if isinstance(value, BaseException):
            return {"_rtype": "error", "_rvalue": str(value) or type(value).__name__}
        if isinstance(value, io.IOBase):
            return self._file(value)
        if isinstance(value, Caller) or isinstance(getattr(value, "remote", None), Caller):
            return value if isinstance(value, Caller) else value.remote
        if is_function(value):
            return self._wrap(value)
        return self._object(value, depth)

    def _by_codec(self, value: Any, depth: int) -> Any:
        for codec in self._codecs.values():
            if codec.encoder is None or codec.type is None or not isinstance(value, codec.type):
                continue
            made = codec.encoder(value)
            if isinstance(made, Mapping):
                carried = {str(key): self._encoded(one, depth + 1) for key, one in made.items()}
                return {"_rtype": codec.name, **carried}
            return {"_rtype": codec.name, "_rvalue": self._encoded(made, depth + 1)}
        return None

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        if type(value) is OrderedDict:
            pairs = [[self._encoded(one, depth + 2) for one in pair] for pair in value.items()]
            return {"_rtype": "orderedmap", "_rvalue": pairs}
        return {str(key): self._encoded(one, depth + 1) for key, one in value.items()}

    def _file(self, file: io.IOBase) -> dict[str, Any]:
        methods = {name: getattr(file, name, None) for name in FILE_METHODS}
        carried = {name: self._wrap(method) for name, method in methods.items() if method}
        return {"_rtype": "iostream", "_rintf": True, "name": getattr(file, "name", ""), **carried}

    def _object(self, value: Any, depth: int) -> Any:
        if hasattr(type(value), "__array__"):  # a tensor of torch or TensorFlow, an xarray …
            return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        public = {name: one for name, one in members_of(value).items() if is_public(name)}
        if not public:
            raise TypeError(f"A value of type {type(value).__name__} cannot be sent.")
        carried = {name: self._encoded(one, depth + 1) for name, one in public.items()}
        return {"_rintf": True, **carried}

    # ------------------------------------------------------------------ in

    def decode(self, value: Any) -> Any:
        """A value that was carried, as the plugin gets it."""
        if isinstance(value, dict):
            return self._decoded_map(value)
        if isinstance(value, list):
            return [self.decode(one) for one in value]
        if isinstance(value, Caller):
            return self._unwrap(value)
        return value

    def _decoded_map(self, value: dict[str, Any]) -> Any:
        kind, inner = value.get("_rtype"), value.get("_rvalue")
        if kind is None:
            return DotDict({key: self.decode(one) for key, one in value.items()})
        codec = self._codecs.get(kind) if isinstance(kind, str) else None
        if codec is not None and codec.decoder is not None:
            return codec.decoder(DotDict({key: self.decode(one) for key, one in value.items()}))
        if kind == "typedarray" and isinstance(inner, bytes):
            return np.frombuffer(inner, value.get("_rdtype", "uint8"))
        if kind == "ndarray" and isinstance(inner, bytes):
            flat = np.frombuffer(inner, value.get("_rdtype", "uint8"))
            return flat.reshape(tuple(value.get("_rshape", ())))
        if kind == "memoryview" and isinstance(inner, bytes):
            return memoryview(inner)
        if kind in ("blob", "file") and isinstance(inner, (bytes, str)):
            content = inner.encode() if isinstance(inner, str) else inner
            named = {"name": "_rname", "path": "_rpath", "mime": "_rmime"}
            said = {ours: str(value.get(key) or "") for ours, key in named.items()}
            return NamedBytes(content, **said)
        if kind == "error":
            return Exception(str(inner))
        if kind == "set" and isinstance(inner, list):
            return {one if one.__hash__ else repr(one) for one in map(self.decode, inner)}
        if kind == "orderedmap" and isinstance(inner, list):
            return OrderedDict((self.decode(key), self.decode(one)) for key, one in inner)
        return DotDict({key: self.decode(one) for key, one in value.items()})

    def arguments(self, given: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """What a function of the plugin is called with: positional arguments, and keywords."""
        args, keywords = list(given), dict[str, Any]()
        if args and isinstance(args[-1], dict) and args[-1].get(KEYWORDS):
            keywords = {key: self.decode(one) for key, one in args.pop().items() if key != KEYWORDS}
        return [self.decode(one) for one in args], keywords


def is_public(name: str) -> bool:
    """Whether others may use what an object has under this name."""
    return not name.startswith("_") or name in KEPT_PRIVATE


def is_function(value: Any) -> bool:
    """Whether a value is called, and not looked into."""
    return isinstance(
        value,
        (types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.LambdaType),
    ) or (callable(value) and not inspect.isclass(value) and not members_of(value))


def members_of(value: Any) -> dict[str, Any]:
    """The public functions of an object, and what it holds that is plain."""
    found: dict[str, Any] = {}
    for name in dir(value):
        if not is_public(name) or isinstance(getattr(type(value), name, None), property):
            continue
        member = getattr(value, name, None)
        is_method = inspect.isroutine(member)
        is_own = name in getattr(value, "__dict__", ())
        plain = (bool, int, float, str, bytes, list, dict, tuple, np.ndarray, type(None))
        if is_method or (is_own and (isinstance(member, plain) or callable(member))):
            found[name] = member
    return found
