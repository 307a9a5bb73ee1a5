"""npm mirrors: which file of which package of npm an address on the web stands for. Pure.

Public mirrors serve the packages of npm; so do, for some packages, the sites of those who make
them. What they serve is had from npm itself, whose packages can be verified and kept whole, with
the fonts and modules that lie beside a script.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

Field: TypeAlias = Literal["unpkg", "jsdelivr", "module", "style"]

NAME = re.compile(r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-zA-Z0-9~-][a-zA-Z0-9._~-]*")
LONGEST = 4096

CDNJS = {
    "bokeh": ("@bokeh/bokehjs",),
    "BrowserFS": ("browserfs",),
    "Chart.js": ("chart.js",),
    "angular.js": ("angular",),
    "babel-standalone": ("@babel/standalone", "babel-standalone"),
    "crypto-js": ("crypto-js",),
    "dat-gui": ("dat.gui",),
    "echarts": ("echarts",),
    "font-awesome": ("font-awesome", "@fortawesome/fontawesome-free"),
    "highlight.js": ("@highlightjs/cdn-assets", "highlight.js"),
    "FileSaver.js": ("file-saver",),
    "handlebars.js": ("handlebars",),
    "leaflet.draw": ("leaflet-draw",),
    "lodash.js": ("lodash",),
    "moment.js": ("moment",),
    "noUiSlider": ("nouislider",),
    "numeric": ("numeric",),
    "PapaParse": ("papaparse",),
    "plotly.js": ("plotly.js-dist-min", "plotly.js-dist", "plotly.js"),
    "popper.js": ("popper.js", "@popperjs/core"),
    "react": ("react",),
    "require.js": ("requirejs",),
    "select2": ("select2",),
    "socket.io": ("socket.io-client",),
    "spectre.css": ("spectre.css",),
    "tensorflow": ("@tensorflow/tfjs",),
    "three.js": ("three",),
    "twitter-bootstrap": ("bootstrap",),
    "underscore.js": ("underscore",),
    "upng-js": ("upng-js",),
    "vue-router": ("vue-router",),
    "openlayers": ("openlayers", "ol"),
    "ol3": ("openlayers",),
    "bootstrap-slider": ("bootstrap-slider",),
    "jqueryui": ("jquery-ui-dist", "jquery-ui"),
    "toastr.js": ("toastr",),
    "pixi.js": ("pixi.js",),
    "p5.js": ("p5",),
    "ace": ("ace-builds",),
    "codemirror": ("codemirror",),
    "mathjs": ("mathjs",),
    "mathjax": ("mathjax",),
    "KaTeX": ("katex",),
    "viz.js": ("viz.js",),
    "vis": ("vis",),
}
"""Libraries of cdnjs whose packages are called otherwise, or are several."""
_GITHUB = {
    "photopea/utif.js": "utif",
    "photopea/uzip.js": "uzip",
    "photopea/upng.js": "upng-js",
    "jquery/jquery-dist": "jquery",
    "mrdoob/three.js": "three",
    "eligrey/filesaver.js": "file-saver",
    "stuk/jszip": "jszip",
    "oeway/itk-vtk-viewer": "itk-vtk-viewer",
    "imjoy-team/imjoy-rpc": "imjoy-rpc",
    "imjoy-team/imjoy-core": "imjoy-core",
}
"""Repositories whose files lie in a package of npm, too."""


@dataclass(frozen=True, slots=True)
class NpmFile:
    """A file of a package.

    Attributes:
        packages: names of packages; the first that holds the file is it.
        version: a range, or a tag; '' for the latest.
        path: in the package, '' for the one that its `entry` names.
        entry: what in its `package.json` names its file.
        anywhere: the file may lie in another folder of the package, such as `dist`.
    """

    packages: tuple[str, ...]
    version: str = ""
    path: str = ""
    entry: Field = "jsdelivr"
    anywhere: bool = False


def npm_file(address: str) -> NpmFile | None:
    """The file that an address stands for; None: it is none that npm has."""
    if len(address) > LONGEST:
        return None
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    path = unquote(parts.path).strip("/")
    if parts.scheme not in ("http", "https") or re.search(r"[\x00-\x1f\\]", path):
        return None
    if {"", ".", ".."} & set(path.split("/")):
        return None
    read = _HOSTS.get(host)
    found = read(path) if read else _own_site(host, path)
    if found is None or not all(NAME.fullmatch(name) for name in found.packages):
        return None
    return found


def _of_package(path: str, entry: Field) -> NpmFile | None:
    """`NAME@VERSION/PATH`, as jsDelivr and unpkg write it."""
    found = re.match(r"((?:@[^/@]+/)?[^/@]+)(?:@([^/]*))?(?:/(.*))?$", path)
    if found is None:
        return None
    file = found[3] or ""
    if file == "+esm" or file.endswith("/+esm"):
        file, entry = file.removesuffix("+esm").rstrip("/"), "module"
    return NpmFile((found[1],), found[2] or "", file, entry)


def _jsdelivr(path: str) -> NpmFile | None:
    kind, _, rest = path.partition("/")
    if kind == "npm":
        return _of_package(rest, "jsdelivr")
    if kind == "gh":
        return _of_github(rest)
    return None


def _of_github(path: str) -> NpmFile | None:
    """`USER/REPO@VERSION/PATH`. Commits are of no use: npm does not know them."""
    found = re.match(r"([^/@]+/[^/@]+)(?:@([^/]*))?/(.+)$", path)
    package = _GITHUB.get(found[1].lower()) if found else None
    if found is None or package is None:
        return None
    version = (found[2] or "").removeprefix("v")
    version = version if re.fullmatch(r"\d+(\.\d+)*", version) else ""
    return NpmFile((package,), version, found[3], anywhere=True)


def _unpkg(path: str) -> NpmFile | None:
    return _of_package(path, "unpkg")


def _cdnjs(path: str) -> NpmFile | None:
    found = re.match(r"ajax/libs/([^/]+)/([^/]+)/(.+)$", path)
    if found is None:
        return None
    name, version = found[1], found[2]
    known = CDNJS.get(name, (name, name.lower(), name.lower().removesuffix(".js")))
    if name == "three.js" and (release := re.fullmatch(r"r(\d+)", version)):
        version = f"0.{release[1]}"
    return NpmFile(tuple(dict.fromkeys(known)), version, found[3], anywhere=True)


def _googleapis(path: str) -> NpmFile | None:
    found = re.match(r"ajax/libs/([^/]+)/([^/]+)/(.+)$", path)
    if found is None:
        return None
    names = {"threejs": "three", "jqueryui": "jquery-ui-dist", "d3js": "d3"}
    version = found[2].removeprefix("r") if found[1] == "threejs" else found[2]
    version = f"0.{version}" if found[1] == "threejs" else version
    return NpmFile((names.get(found[1], found[1]),), version, found[3], anywhere=True)


def _modules(path: str) -> NpmFile | None:
    """esm.sh and skypack: `NAME@VERSION`, perhaps with a path."""
    path = re.sub(r"^(?:v\d+|stable|pin)/", "", path)
    return _of_package(path, "module")


def _bootstrap(path: str) -> NpmFile | None:
    found = re.match(r"(?:npm/)?(bootstrap|font-awesome|bootswatch)/([^/]+)/(.+)$", path)
    return NpmFile((found[1],), found[2], found[3], anywhere=True) if found else None


def _imjoy(path: str) -> NpmFile | None:
    """What ImJoy's own site served to plugins, and its libraries."""
    name = path.rpartition("/")[2]
    if path.startswith("spectre.css/"):
        return NpmFile(("spectre.css",), "", name, "style", anywhere=True)
    own = re.match(r"(imjoy-(?:rpc|core|loader))(?:[.-]v?(\d+(?:\.\d+)*))?(?:\.min)?\.js$", name)
    if own:
        package = "imjoy-core" if own[1] == "imjoy-loader" else own[1]
        return NpmFile((package,), own[2] or "", f"dist/{own[1]}.min.js", anywhere=True)
    scripts = {"utif.js": "utif", "uzip.js": "uzip", "upng.js": "upng-js", "pako.min.js": "pako"}
    package = scripts.get(name.lower(), "")
    return NpmFile((package,), "", name, anywhere=True) if package else None


_HOSTS: dict[str, Callable[[str], NpmFile | None]] = {
    "cdn.jsdelivr.net": _jsdelivr,
    "fastly.jsdelivr.net": _jsdelivr,
    "unpkg.com": _unpkg,
    "www.unpkg.com": _unpkg,
    "unpkg.io": _unpkg,
    "npmcdn.com": _unpkg,
    "cdnjs.cloudflare.com": _cdnjs,
    "cdnjs.com": _cdnjs,
    "ajax.googleapis.com": _googleapis,
    "esm.sh": _modules,
    "cdn.skypack.dev": _modules,
    "cdn.pika.dev": _modules,
    "maxcdn.bootstrapcdn.com": _bootstrap,
    "stackpath.bootstrapcdn.com": _bootstrap,
    "netdna.bootstrapcdn.com": _bootstrap,
    "static.imjoy.io": _imjoy,
    "lib.imjoy.io": _imjoy,
}

_PLOTLY_LATEST = "1.58.5"
"""What `plotly-latest` is on its makers' site, and stays, as they say there."""
_SITES: tuple[tuple[str, str], ...] = (
    (r"cdn\.plot\.ly/plotly(-[a-z0-9]+)?-v?(\d[\d.]*?|latest)(\.min)?\.js", "plotly.js"),
    (r"code\.jquery\.com/jquery-(\d[\d.]*?)((?:\.slim)?(?:\.min)?)\.js", "jquery"),
    (r"d3js\.org/d3\.v(\d+)((?:\.min)?)\.js", "d3"),
    (r"(?:www\.)?threejs\.org/((?:build|examples)/.+)", "three"),
    (r"use\.fontawesome\.com/releases/v(\d[\d.]*)/((?:css|js)/.+)", "fontawesome"),
    (r"cdn\.materialdesignicons\.com/(\d[\d.]*)/(css/.+)", "mdi"),
)


def _own_site(host: str, path: str) -> NpmFile | None:
    """What a package's makers serve."""
    for pattern, kind in _SITES:
        found = re.fullmatch(pattern, f"{host}/{path}")
        if found is None:
            continue
        match kind:
            case "plotly.js":
                version = _PLOTLY_LATEST if found[2] == "latest" else found[2]
                file = f"plotly{found[1] or ''}{found[3] or ''}.js"
                return NpmFile(
                    (f"plotly.js{found[1] or ''}-dist-min", "plotly.js"),
                    version,
                    f"dist/{file}",
                    anywhere=True,
                )
            case "jquery":
                return NpmFile(("jquery",), found[1], f"dist/jquery{found[2]}.js")
            case "d3":
                return NpmFile(("d3",), found[1], f"dist/d3{found[2]}.js", anywhere=True)
            case "three":
                return NpmFile(("three",), "", found[1])
            case "fontawesome":
                return NpmFile(("@fortawesome/fontawesome-free",), found[1], found[2])
            case _:
                return NpmFile(("@mdi/font",), found[1], found[2])
    return None
