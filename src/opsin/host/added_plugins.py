"""Added plugins: files, and plugins of napari from PyPI, each in an environment of its own.

A file in the workspace names the manifest, which lies in the environment. So the plugin is at hand
wherever the workspace is, by the address that it would have if it were installed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from opsin.errors import PluginError, UsageError
from opsin.host.registry import Registered, read_registered
from opsin.host.workspace import NAMES_MANIFEST, Workspace
from opsin.plugins.address import NAPARI
from opsin.plugins.formats import read_plugin
from opsin.plugins.imjoy_uri import SUFFIX
from opsin.plugins.installed import installed
from opsin.workers.environment import lacking, prepare
from opsin.workers.kept_environments import keep_for, keep_no_more, kept

NEEDS = "napari"
"""What such a plugin is run with, whether it asks for it or not."""


async def add_from_index(
    workspace: Workspace, name: str, output: Callable[[str], None]
) -> Registered:
    """Install a plugin of napari into an environment, and know it from now on.

    Args:
        name: of the package, as pip understands it; it may begin with `napari:`.
        output: gets what the installer prints.

    Raises:
        EnvironmentFailed: it cannot be installed.
        PluginError: it is no plugin of napari.
        UsageError: that is no name.
    """
    try:
        requirement = Requirement(name.removeprefix(NAPARI))
    except InvalidRequirement as error:
        raise UsageError(
            f"{name!r} is no package of PyPI: write it like napari-skimage."
        ) from error
    if lacking((str(requirement),)) is None:
        for one in installed():
            if _plain(one.name) == _plain(requirement.name):
                return read_registered(one.source)
        raise PluginError(_no_plugin(requirement.name))
    environment = await prepare(
        (str(requirement), NEEDS), folder=workspace.environments, output=output
    )
    home = environment.home
    for folder in sorted(home.glob("lib/python*/site-packages")):
        for one in installed(folder):
            if _plain(one.name) == _plain(requirement.name):
                found = read_registered(one.manifest)
                workspace.keep_manifest(_plain(one.name), one.manifest)
                keep_for(home, _plain(one.name))
                return found
    raise PluginError(_no_plugin(requirement.name))


def add_file(workspace: Workspace, path: Path) -> Registered:
    """Know a plugin's file from now on, as if it was dropped onto a window: a copy is kept.

    Raises:
        PluginError: it is no plugin, or cannot be kept.
    """
    if path.suffix.lower() not in (".py", ".pyi"):
        raise PluginError(
            f"{path} is no plugin that can be added: that is a Python file (.py, .pyi)."
        )
    read_plugin(path)
    return read_registered(workspace.keep_plugin(path.name, path.read_text(encoding="utf-8-sig")))


def remove_added(workspace: Workspace, name: str) -> None:
    """Forget a plugin that was added, or whose file was dropped onto a window.

    Args:
        name: of the package, or of the file.

    Raises:
        UsageError: there is none of that name, or the disk does not let go of it.
    """
    plain = _plain(name.removeprefix(NAPARI))
    for keeper in (*workspace.kept_files(), *workspace.kept_manifests()):
        is_file = keeper.name == name or keeper.name == f"{name}{SUFFIX}"
        if is_file or (keeper.stem == plain and keeper.suffix == NAMES_MANIFEST):
            _forget(workspace, keeper)
            return
    known = [path.stem for path in workspace.kept_manifests()]
    known += [path.name for path in workspace.kept_files()]
    raise UsageError(
        f"No plugin called {name} was added here: there is {', '.join(known) or 'none'}."
    )


def forget_kept(workspace: Workspace, path: Path) -> None:
    """Have the plugin at a path not be there the next time. Does nothing if it is not kept.

    Raises:
        UsageError: the disk does not let go of it.
    """
    keeper = workspace.keeper_of(path)
    if keeper is not None:
        _forget(workspace, keeper)


def _forget(workspace: Workspace, keeper: Path) -> None:
    """Of a file that was dropped, it goes; of a plugin from PyPI, what names it.

    The environment of such a plugin goes when nobody has used it for long.
    """
    if keeper.suffix == NAMES_MANIFEST:
        for one in kept(workspace.environments, sizes=False):
            if keeper.stem in one.kept_for:
                keep_no_more(one.home, keeper.stem)
    try:
        keeper.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{keeper} cannot be removed: {error.strerror or error}.") from error


def _no_plugin(name: str) -> str:
    return f"{name} is installed, but it is no plugin of napari (npe2)."


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
