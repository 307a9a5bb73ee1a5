"""Reader: what napari opens through Opsin, be it dropped on it or chosen in its menu."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opsin.napari.layers import LayerData

Path = str | Sequence[str]
PLUGINS = (".py", ".imjoy.html")


def get_reader(path: Path) -> Callable[[Path], list[LayerData]] | None:
    """What reads a path, or each of several; None where Opsin knows that it cannot.

    Only names are looked at here: napari asks every plugin, of everything that is opened. Files of
    Python are looked into, which napari might run as a script: some of them are plugins.
    """
    from opsin.napari.plugin_files import is_plugin

    paths = [path] if isinstance(path, str) else list(path)
    if any(one.endswith(PLUGINS) and not is_plugin(FilePath(one)) for one in paths):
        return None
    return read if paths and all(paths) else None


def read(path: Path) -> list[LayerData]:
    """The layers of what is at a path, or of each at several; plugins are kept, and show a form.

    Raises:
        OpenError: something cannot be opened.
        ReadError: its coarsest level cannot be read.
        PluginError: a plugin cannot be used.
    """
    paths = [path] if isinstance(path, str) else list(path)
    plugins = [one for one in paths if one.endswith(PLUGINS)]
    for one in plugins:
        keep_plugin(one)
    layers: list[Any] = [layer for one in paths if one not in plugins for layer in layers_at(one)]
    return layers or [(None,)]  # so says napari that there is none


def keep_plugin(path: str) -> None:
    """Keep a plugin's file in the user's workspace, and show its form in the current viewer."""
    from opsin.napari.plugin_menu import keep_plugin as keep_now

    keep_now(_current_viewer(), FilePath(path))


def layers_at(address: str) -> list[LayerData]:
    """The layers of one address, which load themselves once they are in the current viewer."""
    from opsin.napari.layers import attach, layer_data, members_of

    viewer: Any = _current_viewer()
    if viewer is not None:
        attach(viewer)
    members = members_of(address)
    try:
        if viewer is not None:
            for member in members:
                member.join(viewer)
        return [layer_data(member, viewer) for member in members]
    except BaseException:
        for member in members:
            member.gone()
        raise


def _current_viewer() -> Any:
    """The viewer that has a window and was used last; None without any."""
    from napari import current_viewer  # type: ignore[import-untyped]

    return current_viewer()
