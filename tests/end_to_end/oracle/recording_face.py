"""Recording face: a page that runs frames and shows windows, and is answered for in all else."""

from __future__ import annotations

from typing import Any

from opsin.host.imjoy.face import About, Face, Tell
from tests.end_to_end.oracle.described import described, made

SIZES = ("w", "h")


class RecordingFace:
    """Answers what a case has answers for.

    Args:
        page: runs what can run in a page alone.
    """

    def __init__(self, page: Face) -> None:
        self._page = page
        self._answers: dict[str, list[Any]] = {}
        self.events: list[dict[str, Any]] = []

    def begin(self, answers: dict[str, list[Any]]) -> None:
        """Begin a record."""
        self._answers = {name: list(given) for name, given in answers.items()}
        self.events = []

    async def alert(self, about: About, message: dict[str, Any]) -> None:
        """It was read."""

    async def confirm(self, about: About, message: dict[str, Any]) -> bool:
        return bool(self._answer("confirm", False))

    async def prompt(self, about: About, message: dict[str, Any]) -> str | None:
        answer: str | None = self._answer("prompt", None)
        return answer

    async def form(self, about: About, form: dict[str, Any]) -> dict[str, Any] | None:
        fields = form["schema"]["properties"]
        self.events.append(
            {"form": {name: described(one.get("default")) for name, one in fields.items()}}
        )
        values: dict[str, Any] | None = self._answer("showDialog", None)
        return values

    async def show_message(self, about: About, text: str, seconds: float) -> None:
        """It was read."""

    async def show_status(self, about: About, text: str) -> None:
        """It was read."""

    async def show_progress(self, about: About, fraction: float | None) -> None:
        """It was seen."""

    async def log(self, about: About, line: dict[str, Any]) -> None:
        """Nobody looks."""

    async def choose_files(self, about: About, asked: dict[str, Any]) -> list[Any] | None:
        chosen: list[Any] | None = self._answer("showFileDialog", None)
        return chosen

    async def save_file(self, about: About, name: str, content: bytes, mime: str) -> None:
        """It was kept."""

    async def open_url(self, about: About, address: str) -> None:
        """It was opened."""

    async def start(self, frame: dict[str, Any], api: Any, tell: Tell) -> dict[str, Any]:
        if frame["window"] is not None:
            self._opened(frame["window"], frame["name"])
        return await self._page.start(frame, api, tell)

    async def built_in(self, window: dict[str, Any], tell: Tell) -> dict[str, Any]:
        self._opened(window, window["type"], data=described(window["data"]))
        return await self._page.built_in(window, tell)

    def _opened(self, window: dict[str, Any], type: str, **more: Any) -> None:
        places = {key: window.get(key) for key in SIZES}
        how = {key: bool(window.get(key)) for key in ("dialog", "fullscreen", "standalone")}
        opens = {"name": window["title"], "type": type, **places, **how, **more}
        self.events.append({"opens": opens})

    def _answer(self, name: str, otherwise: Any) -> Any:
        given = self._answers.get(name)
        return made(given.pop(0)) if given else otherwise
