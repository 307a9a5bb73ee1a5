"""Seen: what a window of a plugin shows."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Frame

_BODY = """() => {
    const body = document.body.cloneNode(true);
    for (const one of body.querySelectorAll("script, style, link")) one.remove();
    return { html: body.innerHTML.replace(/\\s+/g, " ").trim(),
             text: document.body.innerText.replace(/\\s+/g, " ").trim() };
}"""


def seen(frame: Frame) -> dict[str, Any]:
    """The text and the elements in a frame."""
    found: dict[str, Any] = frame.evaluate(_BODY)
    return found
