"""Trusted: the plugins that the user lets run in napari's own process. It is forgotten at its end.

A plugin is meant as it is: when its file changes, it runs in a process of its own again.
"""

from __future__ import annotations

from opsin.errors import UsageError
from opsin.host.in_process import check_in_process
from opsin.host.registry import Registered

_trusted: set[tuple[str, str]] = set()
"""Id and digest of each."""


def is_trusted(registered: Registered) -> bool:
    """Whether a plugin runs in this process."""
    plugin = registered.plugin
    return plugin is not None and (registered.id, plugin.digest) in _trusted


def trust(registered: Registered) -> None:
    """Have a plugin run in this process from now on.

    Raises:
        UsageError: it cannot, for example as a package is missing here.
    """
    plugin = registered.plugin
    if plugin is None:
        raise UsageError(registered.error or f"{registered.path} is no plugin.")
    for operation in plugin.operations:
        check_in_process(plugin, operation)
    _trusted.add((registered.id, plugin.digest))


def trust_no_more(registered: Registered) -> None:
    """Have it run in a process of its own again. Does nothing if it does."""
    if registered.plugin is not None:
        _trusted.discard((registered.id, registered.plugin.digest))
