"""Activation: what napari calls when somebody first uses Opsin, and for its docks."""

from __future__ import annotations

from typing import Any

from opsin.errors import OpsinError


def activate(_: Any) -> None:
    """Put the user's plugins into napari's menus, where there is a window."""
    from napari import current_viewer  # type: ignore[import-untyped]
    from napari.utils.notifications import show_warning  # type: ignore[import-untyped]

    if current_viewer() is None:
        return
    from opsin.napari.plugin_menu import fill
    from opsin.napari.service import offer_quietly

    offer_quietly()
    try:
        fill()
    except OpsinError as error:
        show_warning(str(error))


def plugins() -> Any:
    """The dock with all plugins."""
    from napari import current_viewer

    from opsin.napari.plugin_menu import fill
    from opsin.napari.plugin_panel import PluginPanel

    fill()
    return PluginPanel(current_viewer())


def loader() -> Any:
    """The dock with the loader's numbers, its knobs, the debugger and all jobs."""
    from napari import current_viewer

    from opsin.napari.loader_panel import LoaderPanel

    return LoaderPanel(current_viewer())
