"""Viewers: how each of them is opened on a tour, by the name it has in the figures."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.bound import bound
from harness.environments import npm_folder_of, python_of
from harness.view.store import IMAGE, PAGES, Store

NEUROGLANCER = "/v/tour/"
"""Its client looks for a token there; with a state after `#` it asks for no other."""
PROBE = '<script src="/view/probe.js"></script>'


@dataclass(frozen=True)
class Viewer:
    """What the store has to serve for a viewer, and what its page is called, in a `with`."""

    open: Callable[[Store], Iterator[str]]
    folders: dict[str, Path] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)

    def opened(self, store: Store) -> AbstractContextManager[str]:
        """Ready to be looked at; gives the address of the page."""
        return contextmanager(self.open)(store)


def opsin() -> Viewer:
    """The app, bare, from a server of its own beside the browser."""
    return Viewer(_opsin_page)


def _opsin_page(store: Store) -> Iterator[str]:
    server = Path(__file__).with_name("opsin_server.py")
    process = subprocess.Popen(
        bound([sys.executable, server, f"{store.address}/{IMAGE}", store.address]),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"(http://127\.0\.0\.1:\d+/)(\?token=\S+)", line):
                yield f"{found[1]}led{found[2]}&bare&clear=ff00ff&navigated=NAVIGATED"
                break
        else:
            raise SystemExit("Opsin's server ended before it said where it is.")
    finally:
        process.terminate()
        process.wait()


def neuroglancer() -> Viewer | None:
    """The client that its wheel brings."""
    python = python_of("neuroglancer")
    if python is None:
        return None
    say = "import neuroglancer, pathlib; print(pathlib.Path(neuroglancer.__file__).parent)"
    package = Path(subprocess.check_output([python, "-c", say], text=True).strip())
    client = package / "static" / "client"
    page = (client / "index.html").read_text()
    page = page.replace("<head>", f'<head><base href="/client/">{PROBE}')
    script = '<script type="module" src="/view/neuroglancer.js"></script></head>'
    page = page.replace("</head>", script)

    def address(store: Store) -> Iterator[str]:
        yield f"{store.address}{NEUROGLANCER}?navigated=NAVIGATED#!%7B%7D"

    return Viewer(address, {"/client/": client}, {NEUROGLANCER: page.encode()})


def viv() -> Viewer | None:
    """A page of a few lines, built from its packages."""
    folder = npm_folder_of("viv")
    if folder is None:
        return None
    built = folder / "view.js"
    page = str(PAGES / "viv.js")
    command = ["node_modules/.bin/esbuild", page, "--bundle", f"--outfile={built}"]
    subprocess.run(
        [*command, "--format=esm", "--external:/view/*", "--minify", "--log-level=error"],
        cwd=folder,
        env={
            "NODE_PATH": str(folder / "node_modules"),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        },
        check=True,
    )
    page = f'<!doctype html><title>viv</title>{PROBE}<body><script type="module" src="/viv.js">'

    def address(store: Store) -> Iterator[str]:
        yield f"{store.address}/viv/?navigated=NAVIGATED"

    pages = {"/viv/": f"{page}</script>".encode(), "/viv.js": built.read_bytes()}
    return Viewer(address, {}, pages)


VIEWERS: dict[str, Callable[[], Viewer | None]] = {
    "opsin": opsin,
    "neuroglancer": neuroglancer,
    "viv": viv,
}
