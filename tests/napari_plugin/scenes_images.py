"""Scenes with images, for the stage."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from qtpy.QtWidgets import QApplication

import opsin.napari
from opsin.images.source import Array
from tests.napari_plugin.pyramids import (
    Slow,
    as_napari_draws,
    by_mean,
    by_stride,
    image_of,
    kept,
    picture,
)

VIEWS = ((0.2, 0.5, 0.5), (0.45, 0.3, 0.6), (3.1, 0.9, 0.95))
"""Zoom, and the middle of the view as shares of the sides."""


def shots(viewer: Any, layer: Any) -> list[tuple[int, Array]]:
    """The level that is drawn and a screenshot, for a few views."""
    found = []
    for zoom, y, x in VIEWS:
        height, width = layer.level_shapes[0][-2:]
        viewer.scene.camera.center = (0, y * height, x * width)
        viewer.scene.camera.zoom = zoom
        assert opsin.napari.settle(viewer)
        found.append((layer.data_level, viewer.screenshot(canvas_only=True, flash=False)))
    return found


def pyramid(viewer: Any, stride: bool, shape: tuple[int, int]) -> list[int]:
    """At rest every picture is that of the same levels opened eagerly. The levels drawn."""
    levels = (by_stride if stride else by_mean)(picture(*shape), 4)
    (ours,) = opsin.napari.add(viewer, image_of(levels, stride))
    limits, own = ours.contrast_limits, shots(viewer, ours)
    viewer.layers.clear()
    theirs = viewer.add_image(
        as_napari_draws(levels, stride), multiscale=True, contrast_limits=limits
    )
    reference = shots(viewer, theirs)
    for (level, picture_), (other_level, other) in zip(own, reference, strict=True):
        assert level == other_level
        assert picture_[..., :3].std() > 20, "nothing is drawn"
        assert np.array_equal(picture_, other)
    return [level for level, _ in own]


def exactly_raw(viewer: Any) -> None:
    """Means of even sizes lie where napari draws them: nothing is resampled."""
    levels = by_mean(picture(1024, 2048), 3)
    (ours,) = opsin.napari.add(viewer, image_of(levels))
    for number, level in enumerate(levels):
        assert np.array_equal(np.asarray(ours.data[number]), level)


def slow(viewer: Any) -> dict[str, Any]:
    """A source that takes its time: what is drawn at once, what at rest, and how often."""
    levels = by_mean(picture(2048, 2048), 4)
    slow = [Slow(level, 0.08) for level in levels]
    (layer,) = opsin.napari.add(viewer, image_of(slow))
    opsin.napari.settle(viewer)
    redraws = []
    layer.events.set_data.connect(lambda _: redraws.append(time.perf_counter()))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 900, 1100), 1.0
    began, turns = time.perf_counter(), []
    first: Array | None = None
    while not redraws or time.perf_counter() < began + 5:
        turn = time.perf_counter()
        QApplication.processEvents()
        turns.append(time.perf_counter() - turn)
        if redraws and first is None:
            first = viewer.screenshot(canvas_only=True, flash=False)
        if first is not None and opsin.napari.settle(viewer, 0.001):
            break
        time.sleep(0.002)
    assert opsin.napari.settle(viewer)
    last = viewer.screenshot(canvas_only=True, flash=False)
    limits = layer.contrast_limits
    viewer.layers.clear()
    eager = viewer.add_image(levels, multiscale=True, contrast_limits=limits)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 900, 1100), 1.0
    opsin.napari.settle(viewer)
    true = viewer.screenshot(canvas_only=True, flash=False)
    assert eager.data_level == 0
    assert first is not None
    return {
        "first_off": float(np.abs(first.astype(int) - true.astype(int)).mean()),
        "first_differs": not np.array_equal(first, true),
        "exact": bool(np.array_equal(last, true)),
        "redraws": len(redraws),
        "longest": max(turns),
        "asked": [one.asked for one in slow],
    }


def stack(viewer: Any) -> dict[str, Any]:
    """Planes of a stack whose levels are halved along z too: the right one at each step."""
    depth = 9
    fine: Array = np.repeat(np.arange(depth, dtype=np.uint8) * 5 + 50, 600 * 600)
    fine = fine.reshape(depth, 600, 600)
    coarse = np.repeat(np.arange(5, dtype=np.uint8) * 11 + 101, 300 * 300).reshape(5, 300, 300)
    image = kept(
        [fine, coarse],
        axes="zyx",
        scale=[[2.0, 0.5, 0.5], [4.0, 1.0, 1.0]],
        translation=[[10.0, 0, 0], [11.0, 0.25, 0.25]],
        units=("micrometer",) * 3,
    )
    (layer,) = opsin.napari.add(viewer, image)
    found: dict[str, Any] = {"levels": {}}
    for zoom in (0.5, 4.0):
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 150, 150), zoom
        values = []
        for z in range(depth):
            viewer.dims.set_point(0, 10.0 + 2.0 * z)
            assert opsin.napari.settle(viewer)
            values.append(int(layer.get_value((10.0 + 2.0 * z, 150, 150), world=True)[1]))
        found["levels"][layer.data_level] = values
    found["thumbnail"] = int(layer.thumbnail[..., 0].max())
    found["units"] = [str(unit) for unit in layer.units]
    found["scale"], found["translate"] = list(layer.scale), list(layer.translate)
    found["labels"] = list(layer.axis_labels)
    found["extent"] = layer.extent.world.tolist()
    return found


def channels(viewer: Any) -> dict[str, Any]:
    """An image of two channels, t and z; and one of colours. At rest as opened eagerly."""
    levels = by_mean(picture(3, 2, 4, 700, 600), 2)
    image = kept(
        levels,
        axes="tczyx",
        name="cells",
        scale=[[1.0, 1, 2, 0.5, 0.5], [1, 1, 2, 1, 1]],
        translation=[[0.0] * 5, [0, 0, 0, 0.25, 0.25]],
        units=("second", None, "micrometer", "micrometer", "micrometer"),
    )
    layers = opsin.napari.add(viewer, image)
    told = [
        (one.name, one.colormap.name, one.blending, [str(unit) for unit in one.units])
        for one in layers
    ]
    viewer.dims.set_point((0, 1), (2.0, 6.0))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 170, 150), 4.0
    assert opsin.napari.settle(viewer)
    own = viewer.screenshot(canvas_only=True, flash=False)
    limits = [one.contrast_limits for one in layers]
    viewer.layers.clear()
    for number, colour in enumerate(("cyan", "magenta")):
        viewer.add_image(
            [level[:, number] for level in levels],
            multiscale=True,
            colormap=colour,
            blending="additive",
            contrast_limits=limits[number],
            scale=(1, 2, 0.5, 0.5),
            units=("second", "micrometer", "micrometer", "micrometer"),
        )
    viewer.dims.set_point((0, 1), (2.0, 6.0))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 170, 150), 4.0
    opsin.napari.settle(viewer)
    reference = viewer.screenshot(canvas_only=True, flash=False)
    return {"told": told, "equal": bool(np.array_equal(own, reference)), "std": float(own.std())}


def colours(viewer: Any) -> list[int]:
    """RGB, with levels. The levels drawn."""
    rgb = (picture(900, 1100)[..., np.newaxis] // np.array([160, 220, 300])).astype(np.uint8)
    levels = [rgb, rgb[::2, ::2], rgb[::4, ::4]]
    image = kept(
        levels, axes="yxc", rgb=True, translation=[[0.0] * 3, [0.5, 0.5, 0], [1.5, 1.5, 0]]
    )
    (ours,) = opsin.napari.add(viewer, image)
    assert ours.rgb
    own = shots(viewer, ours)
    viewer.layers.clear()
    reference = shots(viewer, viewer.add_image(levels, multiscale=True, rgb=True))
    for (level, picture_), (other_level, other) in zip(own, reference, strict=True):
        assert level == other_level
        assert picture_.std() > 20
        assert np.array_equal(picture_, other)
    return [level for level, _ in own]


def whole(viewer: Any) -> None:
    """What others read of a layer is complete, however slow its source is."""
    levels = by_mean(picture(2, 900, 900), 3)
    (layer,) = opsin.napari.add(viewer, image_of([Slow(one, 0.02) for one in levels]))
    viewer.scene.camera.zoom = 5.0
    QApplication.processEvents()
    assert np.array_equal(np.asarray(layer.data[0]), levels[0])
    assert np.array_equal(np.asarray(layer.data[0][1]), levels[0][1])
    assert np.array_equal(np.asarray(layer.data[1][:, 17:90, ::-3]), levels[1][:, 17:90, ::-3])
    assert np.array_equal(layer.data[1][0, [3, 5, 8]], levels[1][0, [3, 5, 8]])
    assert np.array_equal(layer.metadata["opsin"].read(0, (1,)), levels[0][1])


def memory(viewer: Any) -> dict[str, Any]:
    """Two layers under a small budget, which holds, and is never enough for both."""
    from opsin.napari.loading import Loading

    levels = by_mean(picture(12, 768, 768), 2)
    budget = 3 << 20
    for _ in range(2):
        opsin.napari.add(viewer, image_of([Slow(one, 0.0) for one in levels]), memory=budget)
    cache = Loading._only.loader.cache  # type: ignore[union-attr]
    viewer.scene.camera.zoom = 1.0
    right = []
    for z in (*range(0, 12, 2), 0, 6):
        viewer.dims.set_point(0, z)
        assert opsin.napari.settle(viewer)
        for layer in viewer.layers:
            level, value = layer.get_value((z, 383, 380), world=True)
            right.append(level == 0 and value == levels[0][z, 383, 380])
    return {"peak": cache.peak, "budget": budget, "right": all(right)}


def hidden(viewer: Any) -> dict[str, Any]:
    """A hidden layer reads nothing; one that was taken away works when it comes back."""
    levels = by_mean(picture(6, 512, 512), 2)
    slow = [Slow(one, 0.0) for one in levels]
    (layer,) = opsin.napari.add(viewer, image_of(slow))
    assert opsin.napari.settle(viewer)
    layer.visible = False
    before = sum(one.asked for one in slow)
    for z in range(6):
        viewer.dims.set_point(0, z)
        opsin.napari.settle(viewer)
    while_hidden = sum(one.asked for one in slow) - before
    layer.visible = True
    assert opsin.napari.settle(viewer)
    shown = viewer.screenshot(canvas_only=True, flash=False)
    viewer.layers.remove(layer)
    viewer.layers.append(layer)
    viewer.dims.set_point(0, 5)
    assert opsin.napari.settle(viewer)
    again = viewer.screenshot(canvas_only=True, flash=False)
    return {
        "asked": while_hidden,
        "std": float(shown.std()),
        "equal": bool(np.array_equal(shown, again)),
    }


def revisits(viewer: Any) -> list[int]:
    """How often a source is asked on the way through a stack, and on the way back."""
    levels = by_mean(picture(10, 512, 512), 2)
    slow = [Slow(one, 0.0) for one in levels]
    opsin.napari.add(viewer, image_of(slow))
    viewer.scene.camera.zoom = 2.0
    asked = []
    for path in (range(10), reversed(range(10))):
        before = sum(one.asked for one in slow)
        for z in path:
            viewer.dims.set_point(0, z)
            assert opsin.napari.settle(viewer)
        asked.append(sum(one.asked for one in slow) - before)
    return asked


def broken(viewer: Any) -> dict[str, Any]:
    """A part that cannot be read is shown coarsely, and said once."""
    from napari.utils.notifications import notification_manager  # type: ignore[import-untyped]

    class Broken(Slow):
        def __getitem__(self, key: Any) -> Array:
            if key[0].start == 0:
                raise OSError("The disk is on fire.")
            return super().__getitem__(key)

    levels = by_mean(picture(512, 512), 2)
    said: list[str] = []
    notification_manager.notification_ready.connect(lambda event: said.append(str(event.message)))
    (layer,) = opsin.napari.add(viewer, image_of([Broken(levels[0], 0.0), levels[1]]))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 255, 255), 1.2
    assert opsin.napari.settle(viewer)
    values = [int(layer.get_value((y, 300))[1]) for y in (100, 400)]
    return {
        "said": said,
        "values": values,
        "true": [int(levels[1][50, 150]), int(levels[0][400, 300])],
    }


def in_threads(viewer: Any) -> bool:
    """With napari's own slicing in threads, the picture at rest is the same."""
    from napari.settings import get_settings  # type: ignore[import-untyped]

    levels = by_mean(picture(3, 1024, 1024), 3)
    pictures = []
    for other in (False, True):
        get_settings().experimental.async_ = other
        opsin.napari.add(viewer, image_of([Slow(one, 0.01) for one in levels]))
        viewer.dims.set_point(0, 2)
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 500, 400), 0.9
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            opsin.napari.settle(viewer)
        pictures.append(viewer.screenshot(canvas_only=True, flash=False))
        viewer.layers.clear()
    get_settings().experimental.async_ = False
    return bool(np.array_equal(*pictures) and pictures[0].std() > 20)


def labels(viewer: Any, name: str, stride: bool) -> dict[str, Any]:
    """Labels at rest as opened eagerly, of any dtype; ids are never mixed."""
    dtype = np.dtype(name)
    cells = picture(701, 640) // 6000
    fine = (cells * (np.arange(640) // 40 + 1)).astype(dtype)
    if dtype.itemsize == 8:
        fine = fine * np.array(1 << 40, dtype)
    levels = by_stride(fine, 3)
    if not stride:  # as our writer picks: the pixel near the middle of a block
        levels = [fine[:: 1 << n, :: 1 << n] for n in range(3)]
    image = image_of(levels, stride, kind="labels")
    (ours,) = opsin.napari.add(viewer, image)
    own = shots(viewer, ours)
    value = ours.get_value((631, 600))
    kind = type(ours).__name__
    viewer.layers.clear()
    drawn = as_napari_draws(levels, stride)
    theirs = viewer.add_labels(
        [one.view(np.uint8) if name == "bool" else one for one in drawn], opacity=0.7
    )
    reference = shots(viewer, theirs)
    equal = [bool(np.array_equal(a, b)) for (_, a), (_, b) in zip(own, reference, strict=True)]
    return {
        "kind": kind,
        "equal": equal,
        "levels": [level for level, _ in own],
        "std": float(own[-1][1].std()),
        "value": int(value[1]),
        "true": int(fine[631, 600]),
    }


def small_labels(viewer: Any) -> bool:
    """Labels of one level, in a stack. They cannot be painted on: there is no place for that."""
    stack = (picture(4, 90, 80) // 4000).astype(np.int32)
    (layer,) = opsin.napari.add(viewer, kept(stack, axes="zyx", kind="labels"))
    right = []
    for z in range(4):
        viewer.dims.set_point(0, z)
        assert opsin.napari.settle(viewer)
        right.append(layer.get_value((z, 40, 50)) == stack[z, 40, 50])
    return all(right) and not layer.editable
