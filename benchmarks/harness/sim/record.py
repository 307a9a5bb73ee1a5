"""Record: what neuroglancer and viv, in a real browser, ask a store for along the tours.

    python -m harness.sim.record [TOUR ...] [--peer neuroglancer|viv]

run in benchmarks/. Each recording goes to tours/recorded/TOUR.PEER.json; the models of those
viewers are compared with it (see `likeness`). The viewers come from locks in peers/, Chromium from
here. Where other programs use the computer too, what they take shows in the recording.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.chromium import browser
from harness.environments import npm_folder_of, python_of
from harness.sim.link import Conditions
from harness.sim.paths import Path as Tour
from harness.sim.paths import paths
from harness.sim.recording import RECORDED, Recording
from harness.sim.store_server import StoreServer

PAGES = Path(__file__).parent / "pages"
TOURS = ("look_around", "wander", "slices")
CONDITIONS = Conditions(latency=0.15, bandwidth=20e6, connections=6)
"""Chromium has at most six connections to one server."""
AFTER = 4.0
"""Seconds that a tour is followed beyond its end."""
LONGEST = 120.0
"""Seconds that a recording may take."""
START_PAGE = """<!doctype html><title>Start</title><script>
setTimeout(() => { location.href = "{address}"; }, 1000);
</script>"""
PAGE = "/v/tour/"
"""Neuroglancer's client looks for a token there; with a state after `#` it asks for no other."""
VIV_PAGE = b'<!doctype html><title>viv</title><body><script src="/viv.js"></script>'


def neuroglancer() -> tuple[dict[str, Path], dict[str, bytes]]:
    """Folders and pages of neuroglancer's client, which its wheel brings."""
    python = python_of("neuroglancer")
    if python is None:
        raise SystemExit("There is no neuroglancer here.")
    say = "import neuroglancer, pathlib; print(pathlib.Path(neuroglancer.__file__).parent)"
    package = Path(subprocess.check_output([python, "-c", say], text=True).strip())
    client = package / "static" / "client"
    page = (client / "index.html").read_text()
    page = page.replace("<head>", '<head><base href="/client/">')
    page = page.replace(
        "</head>", '<script type="module" src="/pages/neuroglancer.js"></script></head>'
    )
    return {"/client/": client, "/pages/": PAGES}, {PAGE: page.encode()}


def viv() -> tuple[dict[str, Path], dict[str, bytes]]:
    """A page with viv, built from its packages."""
    folder = npm_folder_of("viv")
    if folder is None:
        raise SystemExit("There is no viv here.")
    built = folder / "viv.js"
    command = ["node_modules/.bin/esbuild", str(PAGES / "viv.js"), "--bundle", f"--outfile={built}"]
    environment = {"NODE_PATH": str(folder / "node_modules"), "PATH": _path()}
    subprocess.run([*command, "--log-level=error"], cwd=folder, env=environment, check=True)
    return {}, {PAGE: VIV_PAGE, "/viv.js": built.read_bytes()}


def _path() -> str:
    return f"{Path(sys.executable).parent}:/usr/bin:/bin"


PEERS = {"neuroglancer": neuroglancer, "viv": viv}


async def record(
    tour: Tour, peer: str, folders: Mapping[str, Path], pages: Mapping[str, bytes]
) -> Recording:
    """Open a browser, let the peer follow the tour, and gather the log."""
    described = json.dumps(_describe(tour)).encode()
    server = StoreServer(tour.shape, CONDITIONS, folders, {**pages, "/tour.json": described})
    address = await server.start()
    width, height = tour.moments[0].camera.size
    with browser(f"{address}{PAGE}#!%7B%7D", START_PAGE, (width, height + 143)):
        async with asyncio.timeout(LONGEST):
            report = await server.reported
    await server.close()
    if "error" in report:
        raise SystemExit(f"{peer} on {tour.name}: {report['error']}")
    return Recording.of(tour.name, peer, CONDITIONS, report, server.log)


def _describe(tour: Tour) -> dict[str, Any]:
    hidden = [name for name in tour.shape.axes if name not in "yx"]
    moments = [
        [m.time, *m.camera.center, m.camera.zoom, [m.camera.position[name] for name in hidden]]
        for m in tour.moments
    ]
    return {
        "canvas": tour.moments[0].camera.size,
        "axes": list(tour.shape.axes),
        "moments": moments,
        "end": tour.end,
        "after": AFTER,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Record what other viewers ask a store for")
    parser.add_argument("tours", nargs="*", default=TOURS, metavar="TOUR")
    parser.add_argument("--peer", choices=sorted(PEERS), action="append")
    options = parser.parse_args()
    known = paths()
    for peer in options.peer or sorted(PEERS):
        folders, pages = PEERS[peer]()
        for name in options.tours:
            recording = asyncio.run(record(known[name], peer, folders, pages))
            RECORDED.mkdir(exist_ok=True)
            recording.write()
            print(f"{name} {peer}: {len(recording.requests)} requests, canvas {recording.canvas}")


if __name__ == "__main__":
    main()
