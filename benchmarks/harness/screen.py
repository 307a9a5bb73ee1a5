"""Screen: an X server that nobody else uses, drawing in software."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.bound import bound

SCREEN = ("-screen", "0", "1600x1200x24", "+extension", "GLX", "+render", "-noreset")


@contextmanager
def screen() -> Iterator[str]:
    """Its name, such as `:99`. It is killed with this process, however that ends."""
    command = bound(["Xvfb", "-displayfd", "1", *SCREEN])
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        number = server.stdout.readline().strip()
        assert number, "Xvfb did not start"
        try:
            yield f":{number}"
        finally:
            server.terminate()


def desktop(display: str, folder: Path) -> dict[str, str]:
    """The environment of a napari on a screen, with all that it keeps in a folder."""
    return {
        **os.environ,
        "DISPLAY": display,
        "QT_API": "pyqt6",
        "QT_QPA_PLATFORM": "xcb",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "NAPARI_CONFIG": str(folder / "settings.yaml"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_RUNTIME_DIR": str(folder),
        "OPSIN_DATA": str(folder / "data"),
    }
