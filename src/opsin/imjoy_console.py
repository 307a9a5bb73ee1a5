"""ImJoy console: a plugin of ImJoy in a terminal, which answers its questions."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from opsin.console import until_signal
from opsin.errors import OpsinError, RemoteError, UsageError
from opsin.host.host import Host
from opsin.host.imjoy.api import shown
from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.face import About
from opsin.host.imjoy.unattended import Unattended, chosen_file
from opsin.host.permissions import from_words as permissions_from
from opsin.host.run_limits import within
from opsin.host.workspace import Workspace
from opsin.plugins.parameters import complete, from_words
from opsin.workers.supervision import Supervision

Say = Callable[[str], None]
_YES = ("y", "yes", "j", "ja", "o", "oui")


def run_plugin(
    source: str,
    words: Sequence[str],
    *,
    folder: Path | None,
    answers: Sequence[str],
    allow: Sequence[str],
    time_limit: float | None,
    memory_limit: int | None,
    say: Say,
    complain: Say,
) -> int:
    """Load a plugin of ImJoy, run it once, and end it; returns the exit status.

    Args:
        source: its file, an address, or an ImJoy URI.
        words: values of its form, as `name=value`.
        folder: where files go that it gives to its user.
        answers: to its questions, as `QUESTION=ANSWER`, or one for all.
        allow: what it may in this run.
        time_limit, memory_limit: seconds and bytes of the run; None: what `OPSIN_LIMITS` says.

    Raises:
        OpsinError: it cannot be run so.
    """
    granted = Supervision.given().but(time=time_limit, memory=memory_limit)
    if folder is not None:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is no folder: files of the plugin are to go there.")
        folder.mkdir(parents=True, exist_ok=True)
    is_asked = sys.stdin.isatty() and sys.stderr.isatty()
    kind = Terminal if is_asked else Unattended
    face = kind(complain, _answers(answers), folder)
    return asyncio.run(until_signal(_run(source, words, face, allow, granted, say, complain)))


async def _run(
    source: str,
    words: Sequence[str],
    face: Unattended,
    allow: Sequence[str],
    granted: Supervision,
    say: Say,
    complain: Say,
) -> int:
    async with (
        Host(Workspace(), front_end="command line", supervision=granted) as host,
        Desk(host, face) as desk,
    ):
        path, tag = _tagged(source)
        file, registered = await desk.shelf.read(path, tag)
        (operation,) = file.plugin.operations
        values = complete(operation, from_words(operation, words))
        if allow:
            host.agreements.give(registered, permissions_from(file.plugin, allow))
        try:
            async with within(granted):
                result = await desk.run(path, {"config": dict(values)}, file.config.tag)
        except Exception as error:
            if isinstance(error, OpsinError) and not isinstance(error, RemoteError):
                complain(str(error).partition("\n")[0])
            else:  # where it was raised stands in the log, which was shown
                complain(f"{file.name} failed with {type(error).__name__}: {error}")
            return 1
        if result is not None:
            say(result if isinstance(result, str) else _pretty(result))
    return 0


class Terminal(Unattended):
    """Asks whoever sits at the terminal, if no answer was given before."""

    async def confirm(self, about: About, message: dict[str, Any]) -> bool:
        if self.knows(message):
            return await super().confirm(about, message)
        answer = await _asked(f"{about['name']}: {_line(message)} [y/N] ")
        return answer.strip().lower() in _YES

    async def prompt(self, about: About, message: dict[str, Any]) -> str | None:
        if self.knows(message):
            return await super().prompt(about, message)
        value = str(message.get("value") or "")
        answer = await _asked(f"{about['name']}: {_line(message)}{f' [{value}]' * bool(value)} ")
        return answer or value

    async def form(self, about: About, form: dict[str, Any]) -> dict[str, Any] | None:
        values: dict[str, Any] = {}
        for name, field in form["schema"]["properties"].items():
            default = field.get("default")
            told = f" [{shown(default)}]" if default is not None else ""
            answer = await _asked(f"{form['title']}: {field.get('title') or name}{told} ")
            values[name] = _value(answer, field) if answer else default
        return values

    async def choose_files(self, about: About, asked: dict[str, Any]) -> list[Any] | None:
        if self.knows({"content": asked["title"]}):
            return await super().choose_files(about, asked)
        answer = await _asked(f"{about['name']}: {asked['title']} (a path) ")
        return [chosen_file(Path(answer))] if answer.strip() else None


def _tagged(source: str) -> tuple[str, str]:
    """A file and its tag, as in `denoise.imjoy.html@GPU`; of anything else, that is left to it."""
    path, at, tag = source.rpartition("@")
    return (
        (path, tag) if at and path.endswith(".imjoy.html") and "://" not in path else (source, "")
    )


def _answers(given: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in given:
        question, equals, answer = word.partition("=")
        found |= {question: answer} if equals else {"*": word}
    return found


async def _asked(words: str) -> str:
    """What is typed; the end of input is an empty answer."""

    def ask() -> str:
        try:
            return Console(stderr=True, highlight=False).input(words, markup=False)
        except EOFError:
            return ""

    return await asyncio.to_thread(ask)


def _value(text: str, field: dict[str, Any]) -> Any:
    kind = field["type"][0] if isinstance(field["type"], list) else field["type"]
    try:
        if kind in ("number", "integer"):
            return float(text) if kind == "number" else int(text)
    except ValueError:
        raise UsageError(f"{text!r} is no {kind}.") from None
    return text.strip().lower() in (*_YES, "true", "1") if kind == "boolean" else text


def _line(message: dict[str, Any]) -> str:
    return " ".join(str(message.get(key) or "") for key in ("title", "content")).strip()


def _pretty(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value, indent=2, ensure_ascii=False, default=shown)
    return shown(value)
