"""Services: what plugins of a desk offer to one another, by type and name."""

from __future__ import annotations

import secrets
from typing import Any

from opsin.errors import UsageError

OPERATOR = ("operator", "@operator")
OF_OPERATORS = ("ui", "inputs", "outputs", "run")
"""What every operator has, if only null."""
NEEDED = {"@transformation": "transform", "@model": "predict"}
"""Types that ImJoy defines, with the function that each has."""


class Services:
    """Those that are registered, in their order. A service is a map, with functions in it."""

    def __init__(self) -> None:
        self._services: dict[str, dict[str, Any]] = {}

    def register(self, service: dict[str, Any], provider: str, provider_id: str) -> str:
        """Offer a service, and give its id. An operator of the same name is replaced.

        Raises:
            UsageError: it has no type or no name.
        """
        kind, name = service.get("type"), service.get("name")
        if not kind or not name or not isinstance(kind, str):
            raise UsageError("A service says its type and its name.")
        _check(kind, service)
        id = str(name) if kind in OPERATOR else str(service.get("id") or secrets.token_hex(8))
        kind = "@operator" if kind in OPERATOR else kind
        own = {"id": id, "type": kind, "provider": provider, "providerId": provider_id}
        empty = dict.fromkeys(OF_OPERATORS) if kind == "@operator" else {}
        self._services[id] = {"_rintf": True, **empty, **service, **own}
        return id

    def unregister(self, which: Any, provider_id: str) -> bool:
        """Take back one of a plugin's services, by its id or map, or all of them (None)."""
        if which is None:
            self.forget(provider_id)
            return True
        id = which
        if isinstance(which, dict):
            is_operator = which.get("type") in (*OPERATOR, None)
            id = which.get("name") if is_operator and not which.get("id") else which.get("id")
        found = self._services.get(str(id))
        if found is not None and found["providerId"] == provider_id:
            del self._services[str(id)]
        return True

    def forget(self, provider_id: str) -> None:
        """A plugin has ended."""
        kept = self._services.items()
        self._services = {id: one for id, one in kept if one["providerId"] != provider_id}

    def find(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        """All that have every entry of `query`."""
        return [
            one
            for one in self._services.values()
            if all(key in one and one[key] == value for key, value in query.items())
        ]


def _check(kind: str, service: dict[str, Any]) -> None:
    """Types that begin with `@` are defined, and not everybody's own."""
    if not kind.startswith("@") or kind in OPERATOR:
        return
    if kind not in NEEDED:
        raise UsageError(f"There is no type {kind:.60} of services: leave the @ out of your own.")
    if not callable(service.get(NEEDED[kind])):
        raise UsageError(f"A service of the type {kind} has a function {NEEDED[kind]}.")
