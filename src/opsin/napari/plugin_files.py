"""Plugin files: what of the files that are dropped on napari is a plugin, and where it is kept."""

from __future__ import annotations

from pathlib import Path

from opsin.errors import OpsinError, PluginError
from opsin.host.host_thread import HostThread
from opsin.host.registry import Registered
from opsin.plugins.formats import read_plugin
from opsin.plugins.manifest import Plugin

LARGEST = 2**18
"""Bytes of a plugin's file."""


def is_plugin(path: Path) -> bool:
    """Whether a file is a plugin, or wants to be one. It is not run."""
    try:
        if not path.name.lower().endswith((".py", ".imjoy.html")) or path.stat().st_size > LARGEST:
            return False
        if read_plugin(path).operations:
            return True
        text = path.read_bytes()
    except OpsinError:
        text = path.read_bytes()
    except OSError:
        return False
    return b"opsin.types" in text or b"[tool.opsin]" in text


def keep(path: Path) -> Registered:
    """Copy a plugin's file into the user's workspace.

    Raises:
        PluginError: it is no plugin, or cannot be kept.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise PluginError(f"{path.name} is too large for a plugin (256 KiB at most).")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeError:
        raise PluginError(f"{path.name} is no text: save it as UTF-8.") from None
    read_plugin(path)
    host = HostThread.shared().host
    return host.registry.add(host.workspace.keep_plugin(path.name, text))


def usable(registered: Registered) -> Plugin:
    """A plugin that has operations.

    Raises:
        PluginError: it cannot be used, or has none.
    """
    if registered.plugin is None:
        raise PluginError(registered.error or f"{registered.path} is no plugin.")
    if not registered.plugin.operations:
        raise PluginError(
            f"{registered.path.name} has no operation: annotate what its functions take and give."
        )
    return registered.plugin
