"""The program that runs napari: plays scenes, one after the other, in one viewer."""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import threading
import time
import traceback
from typing import Any

import napari  # type: ignore[import-untyped]
from qtpy.QtWidgets import QApplication

from opsin.host.host_thread import HostThread
from tests.napari_plugin.pyramids import OPEN

SIZE = (760, 560)


def main() -> None:
    """Play the scenes that stdin names, until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    QApplication.processEvents()
    gc.collect()
    gc.freeze()  # napari collects garbage whenever a layer goes: this need not be looked at
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = json.dumps({"result": play(viewer, asked["scene"], asked["arguments"])})
        except BaseException:
            answer = json.dumps({"error": traceback.format_exc()})
        answers.write(answer + "\n")
        answers.flush()
    viewer.close()


def play(viewer: Any, scene: str, arguments: dict[str, Any]) -> Any:
    """What a scene returns; afterwards all is as before."""
    module, _, name = scene.partition(":")
    function = getattr(importlib.import_module(f"tests.napari_plugin.{module}"), name)
    try:
        return function(viewer, **arguments)
    finally:
        viewer.layers.clear()
        while OPEN:
            OPEN.pop().close()
        viewer.dims.ndisplay = 2
        viewer.dims.order = (0, 1)
        HostThread.end_shared()
        QApplication.processEvents()
        gc.collect()
        left = threads()
        assert left == [], f"threads are left behind: {left}"


def threads() -> list[str]:
    """Names of threads of ours, once those that are about to end have ended."""
    end = time.monotonic() + 5
    while True:
        left = [one.name for one in threading.enumerate() if one.name.startswith("opsin")]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.02)


if __name__ == "__main__":
    main()
