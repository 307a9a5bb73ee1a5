"""Document: a manifest's file as plain values, whichever of npe2's three ways it is written in."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from opsin.errors import PluginError
from opsin.plugins import plain_yaml

SUFFIXES = (".json", ".toml", ".yaml", ".yml")


def load(content: bytes, suffix: str, source: str) -> dict[str, Any]:
    """What a manifest says.

    Raises:
        PluginError: it cannot be understood.
    """
    try:
        text = content.decode("utf-8-sig")
        value = _parsed(text, suffix)
    except (ValueError, RecursionError, ImportError) as error:
        raise PluginError(f"{source} cannot be read as a manifest: {_short(error)}.") from error
    if suffix == ".toml" and isinstance(value, dict) and "contributions" not in value:
        tools = value.get("tool")
        value = tools.get("npe2") if isinstance(tools, dict) else None
    if not isinstance(value, dict) or not isinstance(value.get("contributions"), dict):
        raise PluginError(f"{source} is no manifest of a napari plugin: it has no contributions.")
    return value


def _parsed(text: str, suffix: str) -> Any:
    if suffix == ".json":
        return json.loads(text)
    if suffix == ".toml":
        return tomllib.loads(text)
    return plain_yaml.load(text)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
