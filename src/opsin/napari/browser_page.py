"""Browser page: a plugin that needs a browser, in a page of `opsin view` beside napari.

That is a program of its own, which shows the layers that were chosen. It ends with napari, or when
the plugin is opened anew.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from opsin.errors import UsageError
from opsin.images.write import write_image
from opsin.napari.given import Given, given

_PROGRAM = """
import os, shutil, signal, sys, threading
from opsin.cli import main

def follow():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=follow, daemon=True).start()
folder = sys.argv.pop(1)
try:
    status = main()
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(status)
"""
"""See `program`. Standard input ends also when napari was killed."""
SHOWN = "Ctrl-C stops it"
"""What it says when it is there."""
ENDING = 5.0
"""Seconds that it is given to end."""


class BrowserPage:
    """A page for one plugin. All is called on the thread of the window.

    Args:
        plugin: its file.
        told: is called with a sentence when the page is there, or could not be; on any thread.
    """

    def __init__(self, plugin: Path, told: Callable[[str], None]) -> None:
        self._plugin = plugin
        self._told = told
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self._is_closed = False
        atexit.register(self.close)

    def open(self, layers: Sequence[Any]) -> None:
        """Open it in the user's browser, with these layers of napari.

        Layers that came from no file, or were changed, are written for it first.

        Raises:
            UsageError: there are none, or one cannot be shown there.
        """
        if not layers:
            raise UsageError("Open an image first: the page shows it beside the plugin.")
        sources: list[str | Given] = []
        for layer in layers:
            path = layer.source.path
            sources.append(str(path) if path else given(layer))
        self._folder = tempfile.TemporaryDirectory(prefix="opsin-page-")
        arguments = (sources, Path(self._folder.name))
        threading.Thread(target=self._begin, args=arguments, name="page", daemon=True).start()

    def close(self) -> None:
        """End it. Idempotent."""
        atexit.unregister(self.close)
        self._is_closed = True
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
        if self._folder is not None:
            self._folder.cleanup()

    def _begin(self, sources: Sequence[str | Given], folder: Path) -> None:
        name = self._plugin.name
        try:
            addresses = [self._address(one, folder / str(n)) for n, one in enumerate(sources)]
            shown = dict.fromkeys(addresses)  # a file can be several layers
            command = [*program(folder), "view", *shown, "--plugin", str(self._plugin)]
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        except Exception as error:
            self._told(f"{name} could not be opened in the browser: {error}")
            return
        self._process = process
        if self._is_closed:
            self.close()
        lines: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:  # to the end: nobody else reads what it says
            lines = [*lines, line][-5:]
            if SHOWN in line:
                self._told(f"{name} is in the browser: choose it in the list of plugins there.")
        if process.wait() > 0 and not self._is_closed:
            self._told(f"{name} could not be opened in the browser: {''.join(lines).strip()}")

    def _address(self, source: str | Given, folder: Path) -> str:
        if isinstance(source, str):
            return source
        with_name = folder / f"{_plain(source.layer.name)}.ome.zarr"
        folder.mkdir()
        try:
            write_image(source.layer.image, with_name)
        finally:
            with suppress(Exception):
                source.close()
        return str(with_name)


def program(folder: Path) -> list[str]:
    """`opsin`, which ends when its standard input does, and removes a folder then."""
    return [sys.executable, "-c", _PROGRAM, str(folder)]


def _plain(name: str) -> str:
    """A name as a file may have it."""
    return "".join(one if one.isalnum() or one in "-_ " else "_" for one in name)[:60] or "image"
