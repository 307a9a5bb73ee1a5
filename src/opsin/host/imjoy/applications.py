"""Applications: programs of the web that join as windows of ImJoy, had from npm and served here.

Their pages are made to be used from a site of their own. Here a plugin names the package that holds
the page (`"base_frame": "npm:itk-vtk-viewer@14.51.0/dist/index.html"`), which is fetched once.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from opsin.plugins.npm_mirrors import npm_file

SCHEME = "npm:"
_PLACE = re.compile(r"npm:((?:@[\w.-]+/)?[\w.-]+)(?:@([\w.^~-]+))?/(.+)")


@dataclass(frozen=True, slots=True)
class Application:
    """A program that is known by its name.

    Attributes:
        name: by which it is added, and of its plugin.
        package, version, page: of npm, and the page in it.
        description: of the plugin.
        sites: what the addresses begin with at which others have it.
        inputs: the arrays that it takes, as it calls them.
    """

    name: str
    package: str
    version: str
    page: str
    description: str
    sites: tuple[str, ...]
    inputs: tuple[str, ...] = ("image",)

    @property
    def place(self) -> str:
        """The address of its page, as plugins name it."""
        return f"{SCHEME}{self.package}@{self.version}/{self.page}"

    def plugin(self) -> str:
        """The file of the plugin that it is."""
        entries = {
            "name": self.name,
            "type": "rpc-window",
            "api_version": "0.1.8",
            "version": self.version,
            "description": self.description,
            "icon": "image",
            "inputs": {name: {"type": "object", "ndarray": {}} for name in self.inputs},
            "defaults": {"w": 30, "h": 20},
            "base_frame": self.place,
        }
        return f'<config lang="json">\n{json.dumps(entries, indent=2)}\n</config>\n'


KNOWN = (
    Application(
        "itk-vtk-viewer",
        "itk-vtk-viewer",
        "14.51.0",
        "dist/index.html",
        "Images, volumes, meshes and point sets in 2D and 3D",
        (
            "https://kitware.github.io/itk-vtk-viewer/app",
            "https://oeway.github.io/itk-vtk-viewer",
            "https://itk-vtk-viewer.on.fleek.co",
        ),
        ("image", "labelImage"),
    ),
)


def application(name: str) -> Application | None:
    """The application that is called so, or has this page; None: there is none."""
    for one in KNOWN:
        if name == one.name or name.startswith(one.sites):
            return one
    return None


def place_of(page: str) -> tuple[str, str, str] | None:
    """Package, version and file of npm that hold the page at an address; None: it is elsewhere."""
    known = application(page)
    return parse_place(known.place if known else page)


def is_own_frame(page: str) -> bool:
    """Whether an address is that of ImJoy's own frame, for which Opsin has its own."""
    return not page or "lib.imjoy.io/default_base_frame" in page


def is_served(page: str) -> bool:
    """Whether the page at an address comes from here, so that it needs no network."""
    return is_own_frame(page) or place_of(page) is not None or npm_file(page) is not None


def parse_place(address: str) -> tuple[str, str, str] | None:
    """Package, version and file of an address that begins with `npm:`; None: it is none."""
    found = _PLACE.fullmatch(address)
    if found is None or ".." in found[3].split("/"):
        return None
    return found[1], found[2] or "", found[3]
