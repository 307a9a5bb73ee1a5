"""Errors on their way over a link: `[type, message, traceback, cause?]` (protocol/RPC.md). Pure."""

from __future__ import annotations

import builtins
import traceback
from types import TracebackType

from opsin import errors
from opsin.errors import RemoteError
from opsin.rpc.messages import DEEPEST_CAUSE, ErrorParts

LONGEST_TEXT = 2**13
"""Letters of a message or a traceback; the middle of longer ones is left out, so that an error
with all its causes fits a header."""

KNOWN: dict[str, type[Exception]] = {
    name: getattr(builtins, name)
    for name in (
        *("TypeError", "ValueError", "KeyError", "IndexError", "AttributeError", "LookupError"),
        *("ArithmeticError", "ZeroDivisionError", "OverflowError", "AssertionError"),
        *("OSError", "FileNotFoundError", "FileExistsError", "PermissionError"),
        *("IsADirectoryError", "NotADirectoryError", "TimeoutError", "EOFError"),
        *("RuntimeError", "NotImplementedError", "RecursionError", "MemoryError", "NameError"),
        *("ImportError", "ModuleNotFoundError", "FloatingPointError", "BufferError"),
    )
} | {
    name: cls
    for name, cls in vars(errors).items()
    if isinstance(cls, type) and issubclass(cls, errors.OpsinError)
}
"""Errors that are raised as themselves: each can be made of a message alone."""

_REMOTE_TRACEBACK = "On the other side:\n"


class _Unnamed(RemoteError):
    """A RemoteError that knows the name which its error has over there."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}" if message else name)
        self.name = name
        self.message = message


_Unnamed.__name__ = _Unnamed.__qualname__ = "RemoteError"
_Unnamed.__module__ = RemoteError.__module__


def error_parts(error: BaseException, depth: int = 0) -> ErrorParts:
    """An error as it travels. Its traceback begins where this package calls what failed."""
    name = type(error).__name__
    if isinstance(error, _Unnamed):
        name = error.name  # one that came from further away keeps its name
    parts = (name, _cut(_message(error)), _cut(_traceback(error)))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None or depth >= DEEPEST_CAUSE:
        return parts
    return (*parts, error_parts(cause, depth + 1))


def error_from(parts: ErrorParts) -> Exception:
    """The error to raise for one that came. (`messages.check_error` has looked at its parts.)"""
    name, message, *rest = parts
    cls = KNOWN.get(name)
    error = _Unnamed(name, message) if cls is None else cls(message)
    if rest and rest[0]:
        error.add_note(_REMOTE_TRACEBACK + rest[0])
    if len(rest) > 1 and rest[1] is not None:
        error.__cause__ = error_from(rest[1])
    return error


def _message(error: BaseException) -> str:
    if isinstance(error, _Unnamed):
        return error.message
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])  # its own text is the repr of this
    try:
        return str(error)
    except Exception as broken:
        return f"(its message cannot be shown: {type(broken).__name__})"


def _traceback(error: BaseException) -> str:
    frames = error.__traceback__
    while frames is not None and _is_ours(frames):
        frames = frames.tb_next
    try:
        text = "".join(traceback.format_tb(frames))
    except Exception:
        text = ""
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    if not text and notes:  # it only passes through here
        notes[0] = notes[0].removeprefix(_REMOTE_TRACEBACK)
    return text + "\n".join(notes)


def _is_ours(step: TracebackType) -> bool:
    """Whether a frame only passes calls on: one of this package, or one that says so of itself."""
    frame = step.tb_frame
    if "__tracebackhide__" in frame.f_locals:
        return True
    return str(frame.f_globals.get("__name__")).startswith("opsin.rpc.")


def _cut(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        half = LONGEST_TEXT // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} letters …\n{text[-half:]}"
    return text.encode(errors="replace").decode()
