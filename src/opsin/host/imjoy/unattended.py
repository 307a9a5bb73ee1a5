"""Unattended: the face where nobody sits: batch, and tests of plugins.

What is only shown is written to the log. What is asked gets an answer that was given before, in
order or by the words of the question, or is an error that says which question it was.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from opsin.errors import UsageError
from opsin.host.imjoy.face import About, Tell

WHERE = "open it in the browser: opsin view"


class Unattended:
    """Answers plugins when nobody is there.

    Args:
        say: gets the lines of what is shown.
        answers: to questions, by a part of their words; `*` answers all.
        folder: where files go that are given to the user; without it they are an error.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        answers: Mapping[str, Any] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._say = say
        self._answers = dict(answers or {})
        self._folder = folder

    async def alert(self, about: About, message: dict[str, Any]) -> None:
        self._say(f"{about['name']}: {_words(message)}")

    async def confirm(self, about: About, message: dict[str, Any]) -> bool:
        answer = self._answer(about, message)
        return answer if isinstance(answer, bool) else str(answer).lower() in ("yes", "true", "1")

    async def prompt(self, about: About, message: dict[str, Any]) -> str | None:
        answer = self._answer(about, message)
        return None if answer is None else str(answer)

    async def form(self, about: About, form: dict[str, Any]) -> dict[str, Any] | None:
        fields = form["schema"]["properties"]
        values = {name: field["default"] for name, field in fields.items() if "default" in field}
        given = self._answers.get(form["title"], self._answers.get("*"))
        if isinstance(given, Mapping):
            values |= given
        missing = [name for name in form["schema"]["required"] if name not in values]
        if missing:
            raise self._unanswered(about, f"{form['title']}: {', '.join(missing)}")
        return values

    async def show_message(self, about: About, text: str, seconds: float) -> None:
        self._say(f"{about['name']}: {text}")

    async def show_status(self, about: About, text: str) -> None:
        self._say(f"{about['name']}: {text}")

    async def show_progress(self, about: About, fraction: float | None) -> None:
        """Nobody looks."""

    async def log(self, about: About, line: dict[str, Any]) -> None:
        self._say(line["text"])

    async def choose_files(self, about: About, asked: dict[str, Any]) -> list[Any] | None:
        answer = self._answer(about, {"content": asked["title"]})
        paths = [answer] if isinstance(answer, (str, Path)) else list(answer or ())
        return [chosen_file(Path(one)) for one in paths]

    async def save_file(self, about: About, name: str, content: bytes, mime: str) -> None:
        if self._folder is None:
            raise UsageError(f"{about['name']} gives a file, {name[:80]}: say where it goes.")
        plain = Path(name).name or "file"
        if not Path(plain).suffix:
            plain += mimetypes.guess_extension(mime.partition(";")[0]) or ""
        target = self._folder / plain
        number = 1
        while target.exists():
            number += 1
            target = self._folder / f"{Path(plain).stem}-{number}{Path(plain).suffix}"
        target.write_bytes(content)
        self._say(f"{about['name']} wrote {target}")

    async def open_url(self, about: About, address: str) -> None:
        self._say(f"{about['name']} shows {address}")

    async def start(self, frame: dict[str, Any], api: Any, tell: Tell) -> dict[str, Any]:
        raise UsageError(f"{frame['name']} is a {frame['kind']} and runs in a browser: {WHERE}.")

    async def built_in(self, window: dict[str, Any], tell: Tell) -> dict[str, Any]:
        raise UsageError(f"A window ({window['type']}) needs a browser: {WHERE}.")

    def knows(self, message: dict[str, Any]) -> bool:
        """Whether an answer to this question was given before."""
        words = _words(message).lower()
        return any(part == "*" or part.lower() in words for part in self._answers)

    def _answer(self, about: About, message: dict[str, Any]) -> Any:
        words = _words(message)
        for part, answer in self._answers.items():
            if part == "*" or part.lower() in words.lower():
                return answer
        raise self._unanswered(about, words)

    def _unanswered(self, about: About, words: str) -> UsageError:
        return UsageError(
            f"{about['name']} asks “{words[:200]}”, and nobody is there to answer: give the answer "
            "with --answer."
        )


def chosen_file(path: Path) -> dict[str, str]:
    """A file of this computer, as plugins get one that was chosen."""
    return {"name": path.name, "path": str(path.expanduser().absolute())}


def _words(message: dict[str, Any]) -> str:
    return " ".join(str(message[key]) for key in ("title", "content") if message.get(key))
