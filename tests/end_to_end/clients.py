"""Pages of other viewers, from a server of another origin: what reads Opsin's OME-Zarr there."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

from harness.environments import npm_folder_of

WEB = Path(__file__).parents[2] / "web"
NODE = f"{Path(sys.executable).parent}:/usr/bin:/bin"
NEUROGLANCER = "/v/test/"
"""Its client looks for a token there; with a state behind `#` it asks for no other."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def build_viv(folder: Path) -> bool:
    """Build the page with viv into a folder; False if its packages cannot be had here.

    They are those of the benchmarks: with them the web app's would be twice as many.
    """
    packages = npm_folder_of("viv")
    if packages is None:
        return False
    page = Path(__file__).with_name("viv_page.js")
    command = [str(packages / "node_modules/.bin/esbuild"), str(page), "--bundle"]
    subprocess.run(
        [*command, "--format=esm", f"--outfile={folder / 'viv_page.js'}", "--log-level=error"],
        cwd=packages,
        env={"PATH": NODE, "NODE_PATH": str(packages / "node_modules")},
        check=True,
    )
    script = "<body><script type='module' src='viv_page.js'></script>"
    (folder / "viv.html").write_text(f"<!doctype html><title>viv</title>{script}")
    return True


def viv_address(pages: str, **what: Any) -> str:
    """Where viv shows a plane of an image."""
    return f"{pages}/viv.html#{quote(json.dumps(what))}"


@contextmanager
def pages(folder: Path) -> Iterator[str]:
    """Serve a folder; gives the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def build_zarrita(folder: Path) -> None:
    """Build the page with zarrita into a folder, with the bundler of Vite."""
    command = [str(WEB / "node_modules/.bin/rolldown"), "tests/zarrita_page.ts"]
    subprocess.run(
        [*command, "--dir", str(folder), "--format", "esm"],
        cwd=WEB,
        env={"PATH": NODE},
        check=True,
        capture_output=True,
    )
    script = "<script type='module' src='zarrita_page.js'></script>"
    (folder / "zarrita.html").write_text(f"<!doctype html><title>zarrita</title>{script}")


def place_neuroglancer(folder: Path) -> None:
    """Put neuroglancer's own client, which its wheel brings, into a folder."""
    found = importlib.util.find_spec("neuroglancer")  # its Python is not needed
    assert found is not None
    assert found.submodule_search_locations is not None
    client = Path(found.submodule_search_locations[0]) / "static" / "client"
    (folder / "client").symlink_to(client)
    page = folder.joinpath(*NEUROGLANCER.strip("/").split("/"))
    page.mkdir(parents=True)
    text = (client / "index.html").read_text()
    (page / "index.html").write_text(text.replace("<head>", '<head><base href="/client/">'))


def neuroglancer_address(
    pages: str, layer: Mapping[str, Any], names: str, position: list[float], scale: float = 1
) -> str:
    """Where neuroglancer shows nothing but a plane of one layer, one voxel per pixel."""
    state = {
        "dimensions": {name: [1, ""] for name in names},
        "displayDimensions": ["x", "y", *(name for name in names if name == "z")],
        "position": position,
        "crossSectionScale": scale,
        "layers": [{"name": "image", **layer}],
        "layout": "xy",
        "crossSectionBackgroundColor": "#000000",
        "showScaleBar": False,
        "showDefaultAnnotations": False,
        "showAxisLines": False,
    }
    return f"{pages}{NEUROGLANCER}#!{quote(json.dumps(state))}"
