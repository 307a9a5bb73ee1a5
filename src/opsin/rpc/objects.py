"""Objects: what of ours the other side may call, by which names, and what it holds. Pure."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from opsin.errors import ProtocolError, UsageError
from opsin.rpc.codec import FUNCTION, ITERABLE, THING, ObjectInfo

ROOT = 0
"""Number of the root service."""
MOST_OBJECTS = 2**20
LONGEST_DOC = 2000

T = TypeVar("T")

_MARK = "_opsin_by_reference"
FORWARD = "_opsin_forward"
"""A class with a method of this name passes calls on: it gets the path and gives what to call."""
_FUNCTIONS = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    functools.partial,
)


class Marked:
    """A value that `by_reference` was asked to send by reference."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def by_reference(value: T) -> T:
    """Send this by reference: as a decorator of a class, all its objects; else this one value.

    The other side can then call every public method. Functions, generators and asynchronous
    iterators need no mark.
    """
    if isinstance(value, type):
        setattr(value, _MARK, True)
        return value
    return Marked(value)  # type: ignore[return-value] # a stand-in, which only a packer looks into


def kind_of(value: Any) -> int | None:
    """The kind of object that a value is; None for what does not go by reference."""
    if isinstance(value, Marked) or getattr(type(value), _MARK, False):
        return THING
    if isinstance(value, _FUNCTIONS):
        return FUNCTION
    if isinstance(value, types.GeneratorType) or hasattr(type(value), "__anext__"):
        return ITERABLE
    return None


def resolve(target: Any, kind: int, path: str) -> Callable[..., Any]:
    """What a call of `path` on an object calls. The empty path is the object itself.

    Every step but the last must be an object that is marked, or a dict: functions, modules, arrays
    and the like have public names that were never meant for others.

    Raises:
        AttributeError: there is no such public method.
    """
    if (forward := getattr(type(target), FORWARD, None)) is not None:
        return forward(target, path)  # type: ignore[no-any-return]
    parts = path.split(".") if path else []
    found = target
    for number, part in enumerate(parts):
        if number:  # the first is what was asked of the object itself
            is_thing = isinstance(found, dict) or getattr(type(found), _MARK, False)
            kind = THING if is_thing else FUNCTION
        public = kind == THING and part.isidentifier() and not part.startswith("_")
        if public:
            found = found.get(part) if isinstance(found, dict) else getattr(found, part, None)
        if not public or found is None:
            where = ".".join([_name(target), *parts[:number]])
            raise AttributeError(f"{where} has no public method {part!r}.")
    if isinstance(found, (type, types.ModuleType)) or not callable(found):
        raise AttributeError(f"{'.'.join([_name(target), *parts])} cannot be called.")
    return found  # type: ignore[no-any-return]


class _Entry:
    __slots__ = ("count", "kind", "pins", "target")

    def __init__(self, target: Any, kind: int, count: int) -> None:
        self.target = target
        self.kind = kind
        self.count = count
        self.pins = 0


class ObjectTable:
    """Our objects that the other side holds. An object leaves when no count and no pin is left."""

    def __init__(self, root: Any = None) -> None:
        self._entries: dict[int, _Entry] = {}
        self._numbers: dict[int, int] = {}  # id() of an object in the table → its number
        self._last = ROOT
        self.root = root

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def root(self) -> Any:
        """The root service; None if there is none."""
        entry = self._entries.get(ROOT)
        return None if entry is None else entry.target

    @root.setter
    def root(self, service: Any) -> None:
        self._entries.pop(ROOT, None)
        if service is not None:
            kind = FUNCTION if isinstance(service, _FUNCTIONS) else THING
            self._entries[ROOT] = _Entry(service, kind, 1)

    def send(self, value: Any, kind: int, like: ObjectInfo | None = None) -> ObjectInfo:
        """Count that `value` is sent once more, and describe it, or say of it what `like` says.

        Raises:
            UsageError: the other side holds too many objects.
        """
        if isinstance(value, Marked):
            value = value.value
        number = self._numbers.get(id(value))
        if number is not None:
            self._entries[number].count += 1
        else:
            if len(self._entries) >= MOST_OBJECTS:
                raise UsageError(
                    f"More than {MOST_OBJECTS} objects are held by the other side of a link."
                )
            self._last += 1
            number = self._last
            self._entries[number] = _Entry(value, kind, 1)
            self._numbers[id(value)] = number
        if like is not None:
            return ObjectInfo(number, kind, like.name, like.doc, like.methods)
        return describe(value, kind, number)

    def get(self, number: int) -> tuple[Any, int]:
        """The object of that number and its kind.

        Raises:
            ProtocolError: the other side holds no such object.
        """
        entry = self._entries.get(number)
        if entry is None:
            raise ProtocolError(f"There is no object {number}: it was never sent, or is released.")
        return entry.target, entry.kind

    def pin(self, number: int) -> None:
        """Keep an object until `unpin`: a call on it is open."""
        self._entries[number].pins += 1

    def unpin(self, number: int) -> None:
        """Undo one `pin`."""
        entry = self._entries.get(number)
        if entry is not None:
            entry.pins -= 1
            self._forget_if_unused(number, entry)

    def release(self, objects: Iterable[tuple[int, int]]) -> None:
        """The other side let go of these, so many times each.

        Raises:
            ProtocolError: it had not been sent them that often.
        """
        for number, count in objects:
            entry = self._entries.get(number)
            if number == ROOT or entry is None or entry.count < count:
                raise ProtocolError(f"Object {number} was released more often than it was sent.")
            entry.count -= count
            self._forget_if_unused(number, entry)

    def clear(self) -> None:
        """Forget everything: the session is over."""
        self._entries.clear()
        self._numbers.clear()

    def _forget_if_unused(self, number: int, entry: _Entry) -> None:
        if not entry.count and not entry.pins:
            del self._entries[number]
            self._numbers.pop(id(entry.target), None)


def describe(value: Any, kind: int, number: int) -> ObjectInfo:
    """What the other side is told of an object."""
    if kind == THING:
        doc, methods = _public(type(value))  # type: ignore[arg-type] # a class is hashable
        return ObjectInfo(number, kind, _name(value), doc, methods)
    return ObjectInfo(number, kind, _name(value), _doc(value) if kind == FUNCTION else None)


@functools.lru_cache(maxsize=512)
def _public(cls: Any) -> tuple[str | None, tuple[str, ...]]:
    names = (name for name in dir(cls) if not name.startswith("_"))
    return _doc(cls), tuple(name for name in names if callable(getattr(cls, name, None)))


def _doc(value: Any) -> str | None:
    doc = value.func.__doc__ if isinstance(value, functools.partial) else value.__doc__
    return inspect.cleandoc(doc)[:LONGEST_DOC] if isinstance(doc, str) and doc else None


def _name(value: Any) -> str:
    name = getattr(value, "__name__", None)
    return name if isinstance(name, str) else type(value).__name__
