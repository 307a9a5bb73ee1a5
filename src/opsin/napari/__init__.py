"""napari: Opsin's images as layers of a napari viewer, and its plugins with forms there."""

from __future__ import annotations

from typing import Any


def add(
    viewer: Any, image: Any, *, memory: int | None = None, voxels: int | None = None
) -> list[Any]:
    """Show an image in a napari viewer: see `opsin.napari.layers.add`."""
    from opsin.napari.layers import add as add_now

    return add_now(viewer, image, memory=memory, voxels=voxels)


def add_plugin(viewer: Any, path: Any) -> Any:
    """Show the form of a plugin in a napari viewer.

    Args:
        viewer: a `napari.Viewer`.
        path: of a plugin's file. It is used where it is, and the form follows it when it changes.

    Returns:
        The panel in the dock: `choose(operation)` gives the form of an operation, whose `inputs`
        and `fields` have `value`s, and which starts a job by `run()`.

    Raises:
        PluginError: it is no plugin.
        UsageError: the user's workspace cannot be used.
    """
    from opsin.napari.plugin_menu import add_plugin as add_now

    return add_now(viewer, path)


def connect(which: int | None = None) -> Any:
    """The running napari, for other processes: see `opsin.napari.connection.Napari`."""
    from opsin.napari.connection import Napari

    return Napari(which)


def offer() -> Any:
    """Let other programs find and call this napari: see `opsin.napari.service.offer`.

    That is done by itself as soon as something is opened with Opsin.
    """
    from opsin.napari.service import offer as offer_now

    return offer_now()


def settle(viewer: Any, patience: float = 60.0) -> bool:
    """Wait until the layers of a viewer show all they can: see `opsin.napari.layers.settle`."""
    from opsin.napari.layers import settle as settle_now

    return settle_now(viewer, patience)
