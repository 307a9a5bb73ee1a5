"""ImJoy console: a plugin of ImJoy in a terminal, which answers its questions."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from opsin.console import layer_of, sorted_words, until_signal
from opsin.errors import OpsinError, RemoteError, UsageError
from opsin.host.host import Host
from opsin.host.imjoy.api import shown
from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.face import About
from opsin.host.imjoy.given_images import give_images
from opsin.host.imjoy.pictures import Place, pictures, write_images
from opsin.host.imjoy.unattended import Unattended, chosen_file
from opsin.host.permissions import from_words as permissions_from
from opsin.host.run_limits import within
from opsin.host.selection import Given, Whole
from opsin.host.workspace import Workspace
from opsin.images.readers import open_image
from opsin.plugins.manifest import Operation, Scalar
from opsin.plugins.parameters import complete, from_words
from opsin.workers.supervision import Supervision

Say = Callable[[str], None]
_YES = ("y", "yes", "j", "ja", "o", "oui")


def run_plugin(
    source: str,
    words: Sequence[str],
    *,
    level: int,
    channel: str | None,
    axes: str,
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
        words: images that it takes, values of its form as `name=value`, and files as `name=path`.
        level, channel, axes: what it gets of its images, one plane or volume.
        folder: where files go that it gives to its user, and images that it returns.
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
    given = _Given(words, level, channel, axes)
    work = _run(source, given, face, folder, allow, granted, say, complain)
    return asyncio.run(until_signal(work))


@dataclass(frozen=True, slots=True)
class _Given:
    """What a run is given: see `run_plugin`."""

    words: Sequence[str]
    level: int
    channel: str | None
    axes: str

    async def taken(
        self, operation: Operation, opened: ExitStack
    ) -> tuple[dict[str, Scalar], dict[str, Any], Place | None]:
        """The values of its form, its data, and where its images lie, which `opened` closes.

        Raises:
            OpsinError: it does not take that.
        """
        files = {one.name for one in operation.files}
        paths, settings = sorted_words(operation, [w for w in self.words if _name(w) not in files])
        values = dict(complete(operation, from_words(operation, settings)))
        data: dict[str, Any] = {}
        for word in self.words:
            if _name(word) in files:
                data[_name(word)] = await asyncio.to_thread(_file, word.partition("=")[2])
        if not paths:
            if (self.level, self.channel, self.axes) != (0, None, ""):
                raise UsageError("--level, --channel and --axes are about images: name one.")
            return values, data, None
        layers: dict[str, Given] = {}
        for name, path in paths.items():
            image = opened.enter_context(await asyncio.to_thread(open_image, path))
            layers[name] = layer_of(image, self.channel)
        images, place = await give_images(layers, Whole(self.level), self.axes)
        return values, {**images, **data}, place


async def _run(
    source: str,
    given: _Given,
    face: Unattended,
    folder: Path | None,
    allow: Sequence[str],
    granted: Supervision,
    say: Say,
    complain: Say,
) -> int:
    with ExitStack() as opened:
        async with (
            Host(Workspace(), front_end="command line", supervision=granted) as host,
            Desk(host, face) as desk,
        ):
            path, tag = _tagged(source)
            file, registered = await desk.shelf.read(path, tag)
            (operation,) = file.plugin.operations
            values, data, place = await given.taken(operation, opened)
            if allow:
                host.agreements.give(registered, permissions_from(file.plugin, allow))
            try:
                async with within(granted):
                    context = {"config": values, "data": data}
                    result = await desk.run(path, context, file.config.tag)
            except Exception as error:
                if isinstance(error, OpsinError) and not isinstance(error, RemoteError):
                    complain(str(error).partition("\n")[0])
                else:  # where it was raised stands in the log, which was shown
                    complain(f"{file.name} failed with {type(error).__name__}: {error}")
                return 1
            images, result = pictures(result, file.name, place)
            if images and folder is None:
                told = ", ".join(one.name for one in images)
                complain(
                    f"{file.name} gives images ({told}), which are not kept: -o FOLDER keeps them."
                )
            elif images and folder is not None:
                for written in await write_images(images, folder):
                    say(str(written))
            if result is not None and result != {}:
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


def _name(word: str) -> str:
    return word.partition("=")[0]


def _file(path: str) -> dict[str, Any]:
    """A file as it travels to a plugin (protocol/IMJOY.md, "Values").

    Raises:
        UsageError: it cannot be read.
    """
    try:
        content = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from None
    mime = mimetypes.guess_type(path)[0] or ""
    name = Path(path).name
    return {"_rtype": "file", "_rvalue": content, "_rname": name, "_rmime": mime, "_rpath": name}


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
