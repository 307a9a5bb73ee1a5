"""A plain headless Chromium, which nothing listens to. It draws in software.

It ends with the benchmark, also with one that is killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from harness.bound import bound
from harness.demo import scratch

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
WINDOW = (640, 743)
"""Of which the browser leaves 640 × 600 to the page."""


@contextmanager
def browser(address: str, start_page: str, window: tuple[int, int] = WINDOW) -> Iterator[None]:
    """A fresh Chromium with `start_page`, HTML in which `{address}` says where it goes."""
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if program is None:
        raise SystemExit(f"None of {', '.join(BROWSERS)} is installed here.")
    with scratch() as profile:
        start = profile / "start.html"
        start.write_text(start_page.replace("{address}", address))
        size = f"--window-size={window[0]},{window[1]}"
        process = subprocess.Popen(
            bound([program, *FLAGS, size, f"--user-data-dir={profile}", start.as_uri()]),
            env={**os.environ, "TMPDIR": str(profile)},  # it leaves a folder with a socket there
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait()
            with suppress(ProcessLookupError):  # none of its children writes into the profile
                os.killpg(process.pid, signal.SIGKILL)
