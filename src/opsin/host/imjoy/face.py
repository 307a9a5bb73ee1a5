"""Face: who sits in front of a desk: a page, napari, a terminal, or nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

Carried = Any
"""A value as protocol/IMJOY.md carries it."""
About = dict[str, Any]
"""`{id, name}` of the plugin that asks."""
Tell = Callable[[str, dict[str, Any]], Awaitable[None]]
"""How a face tells of what happens to a frame or window: an event and its details."""


class Face(Protocol):
    """What the host asks of whoever is there; the table in protocol/IMJOY.md says what each means.

    What cannot be done is a `UsageError` that says where it can be.
    """

    async def alert(self, about: About, message: dict[str, Any]) -> None:
        """Show `{title, content}`; returns when it was read."""

    async def confirm(self, about: About, message: dict[str, Any]) -> bool:
        """Ask `{title, content}`."""

    async def prompt(self, about: About, message: dict[str, Any]) -> str | None:
        """Ask `{title, content, placeholder, value}` for a text; None: cancelled."""

    async def form(self, about: About, form: dict[str, Any]) -> dict[str, Any] | None:
        """Have `{title, text, schema}` filled in; None: cancelled."""

    async def show_message(self, about: About, text: str, seconds: float) -> None:
        """A notice that goes away."""

    async def show_status(self, about: About, text: str) -> None:
        """What the plugin does now."""

    async def show_progress(self, about: About, fraction: float | None) -> None:
        """How far it is, from 0 to 1; None: nothing goes on."""

    async def log(self, about: About, line: dict[str, Any]) -> None:
        """A line of its log: `{time, level, text, image?}`."""

    async def choose_files(self, about: About, asked: dict[str, Any]) -> list[Any] | None:
        """Choose files or folders: `{type, mode, title, root}`; None: cancelled."""

    async def save_file(self, about: About, name: str, content: bytes, mime: str) -> None:
        """Keep a file where the user wants it."""

    async def open_url(self, about: About, address: str) -> None:
        """Show an address to the user, in a tab of its own."""

    async def start(
        self, frame: dict[str, Any], api: Callable[..., Any], tell: Tell
    ) -> dict[str, Any]:
        """Run a frame; gives `Started`."""

    async def built_in(self, window: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Open a window of Opsin's own; gives `Started`."""
