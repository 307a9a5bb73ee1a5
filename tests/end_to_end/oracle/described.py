"""Described: values that Opsin carries, as JSON says them.

`tests/peers/imjoy/oracle/described.mjs` does the same for those of imjoy-core.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

DEEPEST = 12
_BYTES = ("typedarray", "memoryview", "blob", "file")


def described(value: Any, depth: int = 0) -> Any:
    """What there is of a value."""

    def inner(one: Any) -> Any:
        return described(one, depth + 1)

    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):
        return _number(value)
    if depth > DEEPEST:
        return {"deeper": True}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bytes": list(bytes(value))}
    if isinstance(value, (list, tuple)):
        return [inner(one) for one in value]
    if isinstance(value, np.ndarray):
        numbers = [_number(one) for one in value.ravel().tolist()]
        return {"ndarray": value.dtype.name, "shape": list(value.shape), "values": numbers}
    if isinstance(value, BaseException):
        return {"error": str(value)}
    if isinstance(value, dict):
        written = _typed(value, inner)
        if written is not None:
            return written
        return {key: inner(one) for key, one in sorted(value.items()) if key != "_rintf"}
    if callable(value):
        return {"function": True}
    return {"browser": type(value).__name__}


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        words = {"inf": "Infinity", "-inf": "-Infinity"}
        return {"number": words.get(str(value), "NaN")}
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if is_whole else value


def _typed(value: dict[str, Any], inner: Callable[[Any], Any]) -> Any:
    content = value.get("_rvalue")
    match value.get("_rtype"):
        case "typedarray":
            numbers = np.frombuffer(content or b"", value["_rdtype"])
            return {
                "typedarray": value["_rdtype"],
                "values": [_number(x) for x in numbers.tolist()],
            }
        case "memoryview":
            return {"memoryview": list(content or b"")}
        case "blob" | "file" as kind:
            about = {"blob": True} if kind == "blob" else {"file": value.get("_rname")}
            text = content.decode() if isinstance(content, bytes) else content
            return {**about, "mime": value.get("_rmime"), "text": text}
        case "error":
            return {"error": content}
        case "set":
            return {"set": [inner(one) for one in content or []]}
        case "orderedmap":
            return {"map": [[inner(one) for one in entry] for entry in content or []]}
        case "date":
            return {"date": content}
    return None


def made(value: Any) -> Any:
    """A value of a case, carried: JSON, in which `{"$": kind, …}` stands for what JSON has not."""
    if isinstance(value, list):
        return [made(one) for one in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("$")
    if kind is None:
        return {key: made(one) for key, one in value.items()}
    values, text = value.get("values"), value.get("text")
    match kind:
        case "bytes":
            return bytes(values or [])
        case "memoryview":
            return {"_rtype": kind, "_rvalue": bytes(values or [])}
        case "blob":
            return {"_rtype": kind, "_rvalue": str(text).encode(), "_rmime": value["mime"]}
        case "file":
            name = value["name"]
            about = {"_rname": name, "_rmime": value["mime"], "_rpath": name}
            return {"_rtype": kind, "_rvalue": str(text).encode(), **about}
        case "error" | "date":
            return {"_rtype": kind, "_rvalue": text if kind == "error" else values}
        case "set":
            return {"_rtype": "set", "_rvalue": made(values)}
        case "map":
            return {"_rtype": "orderedmap", "_rvalue": made(values)}
    array = np.array(values, kind)
    if "shape" in value:
        return array.reshape(value["shape"])
    return {"_rtype": "typedarray", "_rvalue": array.tobytes(), "_rdtype": kind}
