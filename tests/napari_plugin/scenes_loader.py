"""Scenes with the dock of the loader, for the stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QApplication

import opsin.napari
from opsin.images.source import Array
from opsin.napari.debugger import COLOURS
from opsin.napari.loader_look import LoaderLook
from opsin.napari.loader_panel import LoaderPanel
from opsin.napari.loading import Loading
from opsin.napari.quality import QUALITY
from tests.napari_plugin.pyramids import Slow, by_mean, image_of, kept, picture
from tests.napari_plugin.scenes_manifest import known
from tests.napari_plugin.scenes_plugins import form_of, run, tidy, until


@contextmanager
def dock(viewer: Any, manifest: str) -> Iterator[LoaderPanel]:
    """The panel, through napari's own door; afterwards all is as before."""
    known(manifest)
    _, panel = viewer.window.add_plugin_dock_widget("opsin", "Loader")
    memory = Loading.memory()
    try:
        yield panel
    finally:
        QUALITY.coarser = 0
        Loading.set_memory(memory)
        Loading._memory = None
        tidy(viewer)
        assert not Loading.frozen


def seen(panel: LoaderPanel) -> LoaderLook:
    """What the panel shows of now."""
    for _ in range(2):  # an answer may be to a question of before
        panel.last = None
        until(lambda: panel.last is not None, 10)
    assert panel.last is not None
    return panel.last


def written(folder: str, levels: list[Array]) -> Path:
    """A pyramid of raw chunks of 128 × 128, as OME-Zarr."""
    import zarr

    path = Path(folder) / "pyramid.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    datasets: list[Any] = []
    for number, level in enumerate(levels):
        group.create_array(str(number), data=level, chunks=(128, 128), compressors=None)
        scale = {"type": "scale", "scale": [2.0**number] * 2}
        move = {"type": "translation", "translation": [(2.0**number - 1) / 2] * 2}
        datasets.append({"path": str(number), "coordinateTransformations": [scale, move]})
    axes = [{"name": name, "type": "space"} for name in "yx"]
    described: list[Any] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    group.attrs["multiscales"] = described
    return path


def numbers(viewer: Any, manifest: str, folder: str) -> dict[str, Any]:
    """The numbers against what is known of the file and of what napari draws."""
    path = written(folder, by_mean(picture(1024, 1024), 4))
    with dock(viewer, manifest) as panel:
        until(lambda: "No layer" in panel.state.text(), 10)
        (layer,) = opsin.napari.add(viewer, str(path))
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 500, 520), 1.0
        assert opsin.napari.settle(viewer)
        panel.outlined.setChecked(True)
        before = seen(panel)
        until(lambda: panel.debugger.count > 0, 10)
        low, high = layer.corner_pixels
        level = layer.data_level
        spans = [range(a // 128, b // 128 + 1) for a, b in zip(low, high, strict=True)]
        touched = len(spans[0]) * len(spans[1])
        lines = viewer.layers["Opsin: chunks"]
        found: dict[str, Any] = {
            "touched": touched,
            "outlined": sum(one.level == level for one in before.outlines[0]),
            "whence": sorted({one.whence for one in before.outlines[0]}),
            "used": before.used,
            "read": before.read,
            "counts": [before.hits, before.misses, before.requests, before.waiting],
            "levels": [list(before.levels), level],
            "texts": [panel.rows["memory"].text(), panel.state.text()],
            "lines": [len(lines.data), 4 * panel.debugger.count],
            "colour": [round(255 * float(one)) for one in lines.edge_color[0][:3]],
            "disk": [int(COLOURS["disk"][n : n + 2], 16) for n in (1, 3, 5)],
            "selected": [one.name for one in viewer.layers.selection],
            "budget": [before.budget, Loading.memory()],
        }
        # Edges of what is outlined at the finest level: all chunks that are drawn, and no more.
        own = [one for one in before.outlines[0] if one.level == level]
        edges = [min(one.low for one in own), max(one.high for one in own)]
        found["edges"] = [[list(map(float, one)) for one in edges]]
        found["true"] = [
            [
                [one.start * 128 * 2**level - 0.5 for one in spans],
                [min(one.stop * 128 * 2**level, 1024) - 0.5 for one in spans],
            ]
        ]
        for y in (900, 500):
            viewer.scene.camera.center = (0, y, 520)
            viewer.screenshot(flash=False)  # it is drawn now
            assert opsin.napari.settle(viewer)
        after = seen(panel)
        found["again"] = [after.hits - before.hits, after.misses - before.misses]
        panel.outlined.setChecked(False)
        found["left"] = [one.name for one in viewer.layers]
    return found


def solid(viewer: Any, manifest: str) -> dict[str, Any]:
    """In 3D the chunks of the block are outlined as boxes; in 2D again those of the plane."""
    fine = picture(96, 96, 96)
    halved = fine.astype(float).reshape(48, 2, 48, 2, 48, 2).mean((1, 3, 5)).astype(np.uint16)
    image = kept([fine, halved], axes="zyx", chunks=(48, 48, 48))
    with dock(viewer, manifest) as panel:
        opsin.napari.add(viewer, image)
        viewer.dims.ndisplay = 3
        viewer.scene.camera.zoom = 4.0
        panel.outlined.setChecked(True)
        assert opsin.napari.settle(viewer)
        look = seen(panel)
        until(lambda: "Opsin: chunks" in viewer.layers, 10)
        lines = viewer.layers["Opsin: chunks"]
        until(lambda: len(lines.data) == 12 * panel.debugger.count > 0, 10)
        found = {
            "levels": list(look.levels),
            "fine": sum(one.level == 0 for one in look.outlines[0]),
            "sides": lines.ndim,
        }
        viewer.dims.ndisplay = 2
        assert opsin.napari.settle(viewer)
        until(lambda: viewer.layers["Opsin: chunks"].ndim == 2, 10)
        found["flat"] = len(viewer.layers["Opsin: chunks"].data) % 4
    return found


def knobs(viewer: Any, manifest: str) -> dict[str, Any]:
    """Memory and quality: they do what they say, and pictures stay right."""
    levels = by_mean(picture(3000, 3000).astype(np.float32), 4)
    with dock(viewer, manifest) as panel:
        (layer,) = opsin.napari.add(viewer, image_of([Slow(one, 0.0) for one in levels]))
        for y, x in np.ndindex(4, 4):
            center = (0, 300 + 800 * y, 300 + 800 * x)
            viewer.scene.camera.center, viewer.scene.camera.zoom = center, 0.6
            assert opsin.napari.settle(viewer)
        before = seen(panel)
        panel.memory.setValue(16)
        after = seen(panel)
        panel.setFixedWidth(panel.width())  # whatever it says, the canvas keeps its size
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 1500, 1500), 0.7
        assert opsin.napari.settle(viewer)
        sharp = viewer.screenshot(canvas_only=True, flash=False)
        drawn = layer.data_level
        panel.quality.setValue(2)
        assert QUALITY.coarser == 2
        assert opsin.napari.settle(viewer)
        coarse = viewer.screenshot(canvas_only=True, flash=False)
        told = seen(panel).levels
        limits = layer.contrast_limits
        panel.quality.setValue(0)
        viewer.layers.clear()
        # What the coarser level has at the places of the finer ones, eagerly.
        true = [
            levels[min(n + 2, 3)].repeat(4, 0).repeat(4, 1)[: one.shape[0], : one.shape[1]]
            for n, one in enumerate(levels[:2])
        ]
        viewer.add_image([*true, *levels[2:]], multiscale=True, contrast_limits=limits)
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 1500, 1500), 0.7
        QApplication.processEvents()
        reference = viewer.screenshot(canvas_only=True, flash=False)
    return {
        "used": [before.used, after.used],
        "budget": [after.budget, 16 << 20],
        "levels": [list(told), drawn],
        "sharper": float(np.abs(sharp.astype(int) - coarse).mean()),
        "equal": bool((np.abs(coarse.astype(int) - reference) > 0).mean() < 0.001),
    }


def frozen(viewer: Any, manifest: str) -> dict[str, Any]:
    """While it is frozen nothing is read; then it goes on."""
    slow = [Slow(one, 0.0) for one in by_mean(picture(2048, 2048), 4)]
    with dock(viewer, manifest) as panel:
        (layer,) = opsin.napari.add(viewer, image_of(slow))
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 1000, 1000), 0.4
        assert opsin.napari.settle(viewer)
        panel.frozen.setChecked(True)
        assert opsin.napari.settle(viewer)
        asked = sum(one.asked for one in slow)
        viewer.scene.camera.zoom = 2.0
        until(lambda: layer.data_level == 0)
        assert opsin.napari.settle(viewer)
        seen(panel)
        state = panel.state.text()
        more = sum(one.asked for one in slow) - asked
        coarse = viewer.screenshot(canvas_only=True, flash=False)
        panel.frozen.setChecked(False)
        assert opsin.napari.settle(viewer)
        fine = viewer.screenshot(canvas_only=True, flash=False)
        return {
            "more": more,
            "state": state,
            "std": float(coarse[..., :3].std()),
            "sharper": float(np.abs(fine.astype(int) - coarse).mean()),
            "then": sum(one.asked for one in slow) - asked,
        }


def failed(viewer: Any, manifest: str) -> dict[str, Any]:
    """What cannot be read is marked, counted, and tried again on request."""

    class Broken(Slow):
        broken = True

        def __getitem__(self, key: Any) -> Array:
            if self.broken and key[0].start == 0:
                raise OSError("The disk is on fire.")
            return super().__getitem__(key)

    levels = by_mean(picture(512, 512), 2)
    broken = Broken(levels[0], 0.0)
    with dock(viewer, manifest) as panel:
        opsin.napari.add(viewer, image_of([broken, levels[1]]))
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 255, 255), 1.2
        assert opsin.napari.settle(viewer)
        panel.outlined.setChecked(True)
        look = seen(panel)
        until(lambda: panel.debugger.count > 0, 10)
        said = panel.failed.text()
        shown = panel.retry.isVisible()
        states = sorted(one.whence for one in look.outlines[0] if one.level == 0)
        broken.broken = False
        panel.retry.click()
        until(lambda: seen(panel).failed == 0, 10)
        tidy(viewer)  # with its cross, while chunks are outlined
        until(lambda: len(viewer.layers) == 1, 10)
        return {"said": said, "shown": shown, "states": states}


def jobs(viewer: Any, manifest: str, plugin: str) -> dict[str, Any]:
    """All jobs of the viewer stand there, and go when they are cleared."""
    with dock(viewer, manifest) as panel:
        panel.jobs.clear.click()
        viewer.add_image(picture(40, 50), name="one")
        job = run(form_of(viewer, plugin, "doubled"))
        cards = [(card.job is job, card.said.text()) for card in panel.jobs.cards.values()]
        panel.jobs.clear.click()
        return {"cards": cards, "left": len(panel.jobs.cards)}
