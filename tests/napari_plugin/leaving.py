"""A program with a napari that runs a long job, and then leaves in the way that it is told."""

from __future__ import annotations

import atexit
import os
import sys
import time
from pathlib import Path
from typing import Any

import napari  # type: ignore[import-untyped]
import numpy as np
import psutil  # type: ignore[import-untyped]
import tifffile
from qtpy.QtWidgets import QApplication

import opsin.napari
from opsin.napari.jobs import jobs_of
from opsin.napari.region_choosers import WHOLE
from opsin.napari.viewer_job import ViewerJob


def main(plugin: str, how: str) -> None:
    """Say which processes there are, once the job runs; then wait, or close the window."""
    viewer = napari.Viewer(show=True)
    viewer.add_image(np.ones((40, 50), np.uint8), name="one")
    operation = "steady" if how == "folder" else "slow"
    form = opsin.napari.add_plugin(viewer, Path(plugin)).choose(operation)
    form.regions.region.value = WHOLE
    form.run_button.native.click()
    job = form.cards[0].job
    if how == "folder":
        job = on_folder(viewer, job, Path(plugin).with_name("images"))
    while not job.share:
        QApplication.processEvents()
        time.sleep(0.01)
    print(*(one.pid for one in psutil.Process().children(recursive=True)), flush=True)
    if how == "killed":
        time.sleep(60)
    viewer.close()
    if how == "stays":  # as in a notebook, where the program goes on without the window
        end = time.monotonic() + 20
        while not job.was_cancelled and time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.01)
        while job.job is not None and not job.job.has_ended and time.monotonic() < end:
            time.sleep(0.01)
        print(job.job and job.job.state, flush=True)
    # All that ends with a program, without taking down Qt and software GL, which crashed here once.
    atexit._run_exitfuncs()
    os._exit(0)


def on_folder(viewer: Any, job: ViewerJob, folder: Path) -> ViewerJob:
    """What a job did, on three images."""
    while not job.has_ended:
        QApplication.processEvents()
    folder.mkdir()
    for number in range(3):
        tifffile.imwrite(folder / f"{number}.tif", np.ones((40, 50), np.uint8))
    window = viewer.window._qt_window
    return jobs_of(viewer).run_on_folder(folder, folder.with_name("out"), window)


if __name__ == "__main__":
    main(*sys.argv[1:])
