"""Formats: what plugins are written in.

A module or package put here is found; nothing else changes. Each has, at its top level,

* `recognises(path: Path) -> bool`: whether the file is one of its own, by name or first bytes;
* `read(path: Path, source: str) -> Plugin`: the manifest; runs no code of the plugin;
* `READS: str`: what it reads, for messages (`"Python files (.py)"`).

Formats are asked in the order of their names; the first that recognises a file reads it.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Protocol, cast

from opsin.errors import PluginError
from opsin.plugins.address import NAPARI
from opsin.plugins.installed import place_of
from opsin.plugins.manifest import Plugin


class Format(Protocol):
    """What a module of this package offers."""

    READS: str

    def recognises(self, path: Path) -> bool:
        """Whether this is the format of the file at `path`."""

    def read(self, path: Path, source: str) -> Plugin:
        """The manifest of the plugin at `path`, which the user calls `source`."""


def read_plugin(path: str | Path) -> Plugin:
    """The manifest of the plugin in a file, or of an installed one by its address (`napari:NAME`).

    None of the plugin's code is run.

    Raises:
        PluginError: there is no such file, or it is not a plugin; the message says where and why.
    """
    place = place_of(path) if str(path).startswith(NAPARI) else Path(path)
    if "\0" in str(path):
        raise PluginError("A path has no zero bytes.")
    try:
        if not place.exists():
            raise PluginError(f"There is no plugin at {path}.")
        if not place.is_file():
            raise PluginError(f"{path} is not a file: name the plugin's file.")
        for form in formats():
            if form.recognises(place):
                return form.read(place, str(path))
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror or error}.") from error
    kinds = ", ".join(form.READS for form in formats())
    raise PluginError(f"{path} is no plugin that Opsin understands. It reads {kinds}.")


def formats() -> tuple[Format, ...]:
    """All formats, in the order in which they are asked."""
    modules = (
        importlib.import_module(f"{__name__}.{info.name}")
        for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name)
    )
    return tuple(cast(Format, module) for module in modules if hasattr(module, "recognises"))
