"""napari reader: what the napari plugins that are installed read, by processes of their own.

A reader of `opsin.images.readers`, and the very last resort. The tuples that a plugin gives become
images and labels; what is neither is left out, and named in a warning. napari itself is not needed.
In this process only manifests are read.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from opsin.errors import OpenError, ReadError, Unsupported
from opsin.images.image import Image
from opsin.images.layer_tuple import LayerTuple
from opsin.images.readers.address import Address
from opsin.images.text import shown

READS = "what napari plugins read"
LAST_RESORT = 2

_OURS = "opsin"
"""The plugin that brings Opsin's readers into napari is not asked in turn."""

_MOST_IMAGES = 64


def recognises(address: Address) -> bool:
    """Whether a plugin says in its manifest that it reads files of this name."""
    return address.path is not None and bool(_plugins(address.path))


def open(address: Address) -> tuple[Image, ...]:
    """The images and labels that the first plugin gives that gives something.

    Raises:
        Unsupported: no plugin does, or it gives neither images nor labels.
        OpenError: a plugin fails.
    """
    plugins = {} if address.path is None else _plugins(address.path)
    if not plugins:
        raise Unsupported(f"No napari plugin that is installed reads {address.name}.")
    for plugin, entry in plugins.items():
        tuples = _read(address, plugin, entry)
        if tuples:
            return _images(address, plugin, tuples)
    raise Unsupported(
        f"The napari plugins that say that they read {address.name} ({', '.join(plugins)}) give "
        "nothing of it."
    )


def _plugins(path: Path) -> dict[str, str]:
    """The plugins that say that they read files of this name, and the function of each."""
    others = (one for one in entry_points(group="napari.manifest") if one.name != _OURS)
    if "npe2" not in sys.modules and not any(others):
        return {}  # npe2 takes a second to load
    if find_spec("npe2") is None:
        return {}
    manager = _npe2().PluginManager.instance()
    try:
        manager.discover()
        readers = list(manager.iter_compatible_readers([os.fspath(path)]))
        found = [(str(one.plugin_name), _function(manager, one)) for one in readers]
    except Exception:  # a broken manifest of one of them
        return {}
    plugins: dict[str, str] = {}
    for name, function in found:
        if name != _OURS and function:
            plugins.setdefault(name, function)
    return plugins


def _function(manager: Any, reader: Any) -> str:
    """The function of a reader as `module:name`; the plugin is not imported for that.

    '' of one that was made while napari runs: it is in no module that another process could load.
    """
    commands = manager.get_manifest(reader.plugin_name).contributions.commands or ()
    known = {one.id: one.python_name for one in commands}
    return str(known.get(reader.command) or "")


def _npe2() -> Any:
    with warnings.catch_warnings():
        # It uses names that pydantic has deprecated, about which a user can do nothing.
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("npe2")


def _read(address: Address, plugin: str, entry: str) -> list[dict[str, Any]]:
    """What a plugin gives; nothing if on a closer look it does not read this file."""
    from opsin.workers.napari_reading import read_layers  # it starts a thread

    assert address.path is not None
    try:
        return read_layers(entry, address.path)
    except ReadError as error:
        raise _failed(address, plugin, str(error)) from error


def _failed(address: Address, plugin: str, reason: str) -> OpenError:
    return OpenError(
        f"{address.name} cannot be read by the napari plugin {plugin} ({shown(reason)})."
    )


def _images(address: Address, plugin: str, tuples: Sequence[dict[str, Any]]) -> tuple[Image, ...]:
    """The images among the layers, the first of them with a warning of the others."""
    images: list[Image] = []
    others: dict[str, None] = {}
    for one in tuples:
        data, meta, kind = one["data"], one["meta"], one["kind"]
        if kind not in ("image", "labels"):
            others[kind] = None
        elif data is not None and len(images) < _MOST_IMAGES:
            default = address.stem if len(tuples) == 1 else f"{address.stem} · {len(images) + 1}"
            try:
                images.append(LayerTuple(data, meta, kind, default).image())
            except Exception as error:
                raise _failed(address, plugin, f"{type(error).__name__}: {error}") from error
    if not images:
        kinds = ", ".join(others) or "nothing that can be shown"
        raise Unsupported(
            f"The napari plugin {plugin} gives no image of {address.name}, but {kinds}."
        )
    if others:
        warning = f"The napari plugin {plugin} also gives {', '.join(others)}, which are left out."
        images[0] = replace(images[0], warnings=(*images[0].warnings, warning))
    return tuple(replace(image, format=f"npe2/{plugin}") for image in images)
