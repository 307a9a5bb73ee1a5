"""Stages: which functions of a plugin have come to an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Stages:
    """What the plugins that run have done, by their names."""

    def __init__(self) -> None:
        self._done: dict[str, set[str]] = {}

    def forget(self) -> None:
        """Begin anew."""
        self._done.clear()

    def done(self, name: str) -> set[str]:
        """Of `loaded`, `setup`, `run`: what the plugin of that name has done."""
        return self._done.get(name, set())

    def watched(self, name: str, interface: dict[str, Any]) -> dict[str, Any]:
        """The same functions, which are noted when they have ended well."""
        done = self._done.setdefault(name, set())
        done.add("loaded")
        return {
            key: self._noted(one, done, key) if key in ("setup", "run") and callable(one) else one
            for key, one in interface.items()
        }

    def _noted(self, function: Callable[..., Any], done: set[str], key: str) -> Any:
        async def call(*args: Any) -> Any:
            result = await function(*args)
            done.add(key)
            return result

        return call
