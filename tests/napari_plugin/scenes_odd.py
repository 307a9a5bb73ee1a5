"""Scenes in odd circumstances: units, turned axes, thick slices, sources that stall."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtWidgets import QApplication

import opsin.napari
from opsin.images.source import Array
from tests.napari_plugin.pyramids import Slow, as_napari_draws, by_mean, image_of, kept, picture


def pictures(viewer: Any, looks: list[Callable[[], None]]) -> list[Array]:
    """What the canvas shows at rest, after each."""
    found = []
    for look in looks:
        look()
        assert opsin.napari.settle(viewer)
        found.append(viewer.screenshot(canvas_only=True, flash=False))
    return found


def compared(
    viewer: Any, levels: list[Array], looks: list[Callable[[], None]], set_up: Callable[[Any], None]
) -> dict[str, Any]:
    """Ours and the same levels opened eagerly, looked at in the same ways."""
    layer: Any
    (layer,) = opsin.napari.add(viewer, image_of(levels))
    limits = layer.contrast_limits
    set_up(layer)
    pictures(viewer, looks[:2])  # napari's controls may make the window larger
    own = pictures(viewer, looks)
    viewer.layers.clear()
    drawn = as_napari_draws(levels, stride=False)
    set_up(viewer.add_image(drawn, multiscale=True, contrast_limits=limits))
    pictures(viewer, looks[:2])
    others = pictures(viewer, looks)
    return {
        "equal": [bool(np.array_equal(a, b)) for a, b in zip(own, others, strict=True)],
        "sizes": [one.shape == other.shape for one, other in zip(own, others, strict=True)],
        "std": [float(one[..., :3].std()) for one in own],
    }


def turned(viewer: Any) -> dict[str, Any]:
    """Axes in another order."""
    levels = by_mean(picture(40, 300, 420), 3)

    def in_order(*order: int) -> Callable[[], None]:
        def look() -> None:
            viewer.dims.order = order
            viewer.reset_view()
            viewer.dims.set_point(order[0], 17)

        return look

    looks = [in_order(0, 1, 2), in_order(1, 0, 2), in_order(2, 0, 1), in_order(0, 2, 1)]
    return compared(viewer, levels, looks, lambda _: None)


def thick(viewer: Any) -> dict[str, Any]:
    """Slices that several planes are put together in."""
    levels = by_mean(picture(12, 300, 420), 3)

    def with_thickness(planes: float, z: int, zoom: float) -> Callable[[], None]:
        def look() -> None:
            viewer.dims.thickness = (planes, 0, 0)
            viewer.dims.set_point(0, z)
            viewer.scene.camera.zoom, viewer.scene.camera.center = zoom, (0, 150, 200)

        return look

    def project(layer: Any) -> None:
        layer.projection_mode = "max"

    looks = [with_thickness(*one) for one in ((4, 5, 0.3), (4, 5, 2), (6, 1, 2), (0, 7, 0.6))]
    try:
        return compared(viewer, levels, looks, project)
    finally:
        viewer.dims.thickness = (0,) * viewer.dims.ndim


def units(viewer: Any) -> dict[str, Any]:
    """Layers in other units than the viewer: each shows the plane that lies there."""
    stacks, layers = [], []
    for unit, size, more in (("millimeter", 0.002, 0), ("micrometer", 2.0, 100)):
        stack: Array = np.repeat(np.arange(6, dtype=np.uint8) * 5 + 20 + more, 64 * 64)
        stack = stack.reshape(6, 64, 64)
        stacks.append(stack)
        image = kept(
            [stack, stack[:, ::2, ::2]],
            axes="zyx",
            scale=[[size] * 3, [size, 2 * size, 2 * size]],
            translation=[[0.0] * 3, [0.0, size / 2, size / 2]],
            units=(unit,) * 3,
        )
        layers += opsin.napari.add(viewer, image)
    unit = str(viewer.layers.extent.units[0])
    seen: list[list[int]] = []
    for plane in range(6):
        place = plane * (0.002 if unit == "millimeter" else 2.0)
        viewer.dims.set_point(0, place)
        assert opsin.napari.settle(viewer)
        seen.append(
            [int(layer.data[layer.data_level].feed.shown.picture.max()) for layer in layers]
        )
    viewer.dims.ndisplay = 3
    viewer.scene.camera.zoom *= 3
    assert opsin.napari.settle(viewer)
    blocks = [layer.data[0].member.detail.block for layer in layers]
    return {
        "seen": seen,
        "true": [[int(stack[plane].max()) for stack in stacks] for plane in range(6)],
        "blocks": [None if block is None else list(block.shape) for block in blocks],
    }


def stalls(viewer: Any) -> dict[str, Any]:
    """A source of which a level does not answer: the window goes on, and the layer can go."""
    levels = by_mean(picture(2, 512, 512), 3)
    slow = [Slow(levels[0], 3.0), Slow(levels[1], 0.0), Slow(levels[2], 0.0)]
    (layer,) = opsin.napari.add(viewer, image_of(slow))
    assert opsin.napari.settle(viewer)
    turns = []
    viewer.scene.camera.zoom, viewer.scene.camera.center = 2.0, (0, 250, 250)
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        turn = time.perf_counter()
        QApplication.processEvents()
        turns.append(time.perf_counter() - turn)
    shown = viewer.screenshot(canvas_only=True, flash=False)
    began = time.perf_counter()
    viewer.layers.remove(layer)
    QApplication.processEvents()
    gone = time.perf_counter() - began
    viewer.layers.append(layer)
    viewer.scene.camera.zoom, viewer.scene.camera.center = 2.0, (0, 250, 250)
    for one in slow:
        one.seconds = 0.0
    assert opsin.napari.settle(viewer)
    value = layer.get_value((viewer.dims.point[0], 250, 250), world=True)
    return {
        "longest": max(turns),
        "coarse": float(shown[..., :3].std()),
        "gone": gone,
        "value": [int(value[0]), int(value[1])],
        "true": int(levels[0][int(viewer.dims.point[0]), 250, 250]),
    }
