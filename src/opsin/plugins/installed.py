"""Installed: the plugins of napari in a Python, found by what their packages say; none is imported.

A package that is a plugin of napari (npe2) has an entry point of the group `napari.manifest`, which
names the file of its manifest. A plugin is called as its package: `napari:napari-skimage`.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from opsin.errors import PluginError
from opsin.plugins.address import NAPARI

GROUP = "napari.manifest"
OURS = ("opsin",)
"""Plugins that bring Opsin into napari are not brought back."""
ITS_OWN = ("napari", "napari-console", "napari-svg")
"""Plugins that come with napari itself."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin: its package, and the file that describes it. `here`: in this Python."""

    name: str
    version: str
    manifest: Path
    here: bool = True

    @property
    def source(self) -> str:
        """Its address."""
        return f"{NAPARI}{re.sub(r'[-_.]+', '-', self.name).lower()}"

    @property
    def requirement(self) -> str:
        """What pip installs to have it."""
        return f"{self.name}=={self.version}"


def installed(folder: Path | None = None) -> list[Installed]:
    """All plugins of this Python, or of the packages in a folder, in the order of their names."""
    if folder is None:
        distributions = metadata.distributions()
    else:
        distributions = metadata.distributions(path=[str(folder)])
    found: dict[str, Installed] = {}
    for one in distributions:
        for plugin in _of(one, here=folder is None):
            found.setdefault(plugin.name, plugin)
    return [found[name] for name in sorted(found) if name not in OURS]


def find(name: str) -> Installed:
    """The plugin of that name in this Python, however its dashes and capitals are written.

    Raises:
        PluginError: there is none.
    """
    plugins = installed()
    for one in plugins:
        if _plain(one.name) == _plain(name):
            return one
    has = ", ".join(one.name for one in plugins) or "none"
    raise PluginError(
        f"The plugin {name} of napari is not installed here: install it with `pip install {name}`. "
        f"There is {has}."
    )


def place_of(source: str | Path) -> Path:
    """The file of a plugin that is called by its path, or by the address of an installed one.

    Raises:
        PluginError: it is not installed.
    """
    text = str(source)
    if text.startswith(NAPARI):
        return find(text.removeprefix(NAPARI).strip()).manifest
    return Path(source).absolute()


def owner(manifest: Path) -> Installed | None:
    """The package that a manifest belongs to, wherever that is installed."""
    places = [None, *(one for one in manifest.parents[:6] if any(one.glob("*.dist-info")))]
    plugins = (plugin for place in places for plugin in installed(place))
    return next((one for one in plugins if one.manifest == manifest), None)


def _of(distribution: metadata.Distribution, here: bool) -> Iterator[Installed]:
    try:
        if GROUP not in (distribution.read_text("entry_points.txt") or ""):
            return  # nearly all: parsing takes time
        points = list(distribution.entry_points.select(group=GROUP))
        name = distribution.metadata["Name"]
        version = distribution.version
    except Exception:  # what lies beside packages may be anything
        return
    for point in points:
        package, _, file = point.value.partition(":")
        path = _file(distribution, package.strip(), file.strip())
        if path is not None and name:
            yield Installed(name, version or "0", path, here)


def _file(distribution: metadata.Distribution, package: str, file: str) -> Path | None:
    """A file beside the modules of a package."""
    if not re.fullmatch(r"\w+(\.\w+)*", package) or not file or ".." in Path(file).parts:
        return None
    top, *inner = package.split(".")
    folders = [Path(str(distribution.locate_file(top)))]
    if not folders[0].is_dir():  # it is installed as a link to where it is written
        with suppress(Exception):  # finders of others
            spec = importlib.util.find_spec(top)
            folders = list(map(Path, (spec and spec.submodule_search_locations) or ()))
    for folder in folders:
        path = folder.joinpath(*inner, file)
        if path.is_file():
            return path.absolute()
    return None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
