"""ImJoy query: what the address of ImJoy's app asks for behind its question mark. Pure.

    https://imjoy.io/#/app?plugin=USER/REPO:NAME&workspace=w&start=NAME
    https://imjoy.io/lite?plugin=…&config={"sigma":2}

Links to ImJoy's app are understood by Opsin's; what is unknown goes to the plugin as data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote

LONGEST = 2**16
MOST = 200
"""Parameters."""
SANDBOX = "sandbox"
"""The workspace that is empty whenever it is opened."""

Value: TypeAlias = str | list[str | None] | None


@dataclass(frozen=True, slots=True)
class ImjoyQuery:
    """What to do when the app starts; '' for what is not asked.

    Attributes:
        plugin: its URI, or words to search for: `is_search` says so.
        upgrade: install it even if this version is here.
        workspace: to open; `wipe`: it is emptied first.
        repository: to show the plugins of.
        engine, engine_type, spec: where Python plugins would run.
        start: the name of the plugin to run, with `run(context)`.
        workflow: an encoded one.
        quiet: without the menu. expose: the app is called by the page around it.
        open: an image to show (ImageJ.JS).
        config: for the form (the basic app). data: given to `run`: every parameter.
    """

    plugin: str = ""
    upgrade: bool = False
    workspace: str = ""
    repository: str = ""
    engine: str = ""
    engine_type: str = ""
    spec: str = ""
    start: str = ""
    workflow: str = ""
    quiet: bool = False
    expose: bool = False
    open: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def is_search(self) -> bool:
        """Whether `plugin` is no URI, but what to search the list of plugins for."""
        is_address = self.plugin.lower().startswith(("http://", "https://", "www."))
        return bool(self.plugin) and not is_address and not {"/", ":"} <= set(self.plugin)

    @property
    def wipe(self) -> bool:
        """Whether the workspace is emptied first."""
        return self.workspace == SANDBOX

    @property
    def context(self) -> dict[str, Any]:
        """What the plugin that is started is run with."""
        return {"config": self.config, "data": self.data}


def read_query(text: str) -> ImjoyQuery:
    """What an address asks for, or the part of it behind the question mark. Any text will do."""
    values = _values(text[:LONGEST])

    def word(*names: str) -> str:
        for name in names:
            value = values.get(name)
            value = value[0] if isinstance(value, list) else value
            if isinstance(value, str) and value.strip():
                return value.strip()
        return ""

    flags = [flag.strip() for flag in word("flags").split(",")]
    given = _object(word("data"))
    return ImjoyQuery(
        plugin=word("plugin", "p", "run"),
        upgrade=bool(word("upgrade")),
        workspace=word("workspace", "w"),
        repository=word("repo", "r"),
        engine=word("engine"),
        engine_type=word("engineType") or ("binder" if word("binder") else ""),
        spec=word("spec"),
        start=word("start", "s", "run"),
        workflow=word("workflow"),
        quiet="quiet" in flags,
        expose=bool(word("expose")),
        open=word("open"),
        config=_object(word("config")),
        data=given or dict(values),
    )


def _values(text: str) -> dict[str, Value]:
    """The parameters of an address, as Vue's router reads them."""
    _, _, route = text.partition("#")
    place, mark, query = (route if "?" in route else text.partition("#")[0]).partition("?")
    if not mark:
        query = "" if "://" in place else place
    found: dict[str, Value] = {}
    for pair in query.split("&")[:MOST]:
        name, equals, rest = pair.replace("+", " ").partition("=")
        name = unquote(name).strip()
        value = unquote(rest) if equals else None
        if not name:
            continue
        before = found.get(name)
        if name not in found:
            found[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            found[name] = [before, value]
    return found


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
