"""Scenes in 3D, for the stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.layers.utils.plane import ClippingPlane  # type: ignore[import-untyped]
from qtpy.QtWidgets import QApplication

import opsin.napari
from opsin.images.image import Image
from opsin.images.source import Array
from tests.napari_plugin.pyramids import RANDOM, Slow, kept

SURFACE = (327684.0, 376112.0, 359318.0)
"""A place on the surface of the Mandelbulb."""


def balls(side: int) -> Array:
    """Blurred balls of all sizes in the dark: uint8 cubed."""
    z, y, x = np.mgrid[:side, :side, :side].astype(np.float32)
    volume = np.zeros((side,) * 3, np.float32)
    for _ in range(24):
        c, r = RANDOM.random(3) * side, 3 + RANDOM.random() * side / 9
        far = np.sqrt((z - c[0]) ** 2 + (y - c[1]) ** 2 + (x - c[2]) ** 2)
        volume = np.maximum(volume, (1 - far / r).clip(0, 1))
    return (volume * 250).astype(np.uint8)


def halved(array: Array, count: int) -> list[Array]:
    """Levels of means of 2 x 2 x 2 voxels along the last three axes."""
    levels = [array]
    for _ in range(count - 1):
        z, y, x = (n // 2 for n in levels[-1].shape[-3:])
        blocks = levels[-1].reshape(*array.shape[:-3], z, 2, y, 2, x, 2)
        levels.append(blocks.mean((-5, -3, -1)).astype(array.dtype))
    return levels


def volume_of(levels: list[Any], **named: Any) -> Image:
    """Such levels as an image, each where it lies."""
    more = levels[0].ndim - 3
    return kept(
        levels,
        axes="tzyx"[-levels[0].ndim :],
        scale=[[1.0] * more + [2.0**n] * 3 for n in range(len(levels))],
        translation=[[0.0] * more + [(2.0**n - 1) / 2] * 3 for n in range(len(levels))],
        chunks=(*(1,) * more, 32, 32, 32),
        **named,
    )


@contextmanager
def askew(viewer: Any) -> Iterator[None]:
    """The viewer in 3D, with a camera askew; then as it was."""
    camera = viewer.scene.camera
    place = camera.zoom, camera.center, viewer.dims.point
    viewer.dims.ndisplay = 3
    camera.angles = (10, 25, 60)
    try:
        yield
    finally:
        viewer.dims.ndisplay = 2
        camera.angles = (0, 0, 0)
        camera.zoom, camera.center, viewer.dims.point = place


def shot(viewer: Any) -> Array:
    """What the canvas shows at rest."""
    assert opsin.napari.settle(viewer)
    picture: Array = viewer.screenshot(canvas_only=True, flash=False)
    return picture


def plane_of(viewer: Any, layer: Any) -> Array:
    """What a layer draws in 2D, at its finest level."""
    viewer.scene.camera.zoom, viewer.scene.camera.center = 2, (0, 30, 30)
    assert opsin.napari.settle(viewer)
    assert layer.data_level == 0
    shown: Array = layer.data[0].feed.shown.picture
    assert shown.std() > 0
    return shown


def detail_of(layer: Any) -> Any:
    """The detail of a layer."""
    return layer.data[0].member.detail


def block_is_right(layer: Any) -> int:
    """The detail holds the pixels of its level at its place. The level."""
    detail = detail_of(layer)
    block, image = detail.block, layer.data[0].feed.layer.image
    part = tuple(slice(a, b) for a, b in zip(block.start, block.stop, strict=True))
    assert np.array_equal(detail.made.data, image.read(block.level, part))
    first = layer.data_to_world(np.zeros(layer.ndim))
    step = [image.levels[block.level].scale[a] for a in range(layer.ndim)]
    origin = [image.levels[block.level].translation[a] for a in range(layer.ndim)]
    voxel = np.array([3.0] * layer.ndim)
    place = np.array(origin) + step * (voxel + block.start)
    assert np.allclose(detail.made.data_to_world(voxel), layer.data_to_world(place)), first
    return int(block.level)


def like_eager(viewer: Any, renderings: list[str]) -> dict[str, Any]:
    """The picture at rest against that of the finest level alone; once, of the coarsest."""
    levels = halved(balls(64), 3)
    found: dict[str, Any] = {}
    (ours,) = opsin.napari.add(viewer, volume_of(levels))
    flat = plane_of(viewer, ours)
    ours.rendering, ours.iso_threshold = renderings[0], 60
    with askew(viewer):
        viewer.scene.camera.zoom, viewer.scene.camera.center = 0.8, (32, 32, 32)
        for rendering in renderings:
            ours.rendering, ours.iso_threshold = rendering, 60
            own = shot(viewer)
            level = block_is_right(ours)
            ours.visible = False
            assert opsin.napari.settle(viewer)
            others = []
            coarse = [(levels[-1], 4)] if rendering == "mip" else []
            for array, scale in ((levels[0], 1), *coarse):
                eager = viewer.add_image(
                    array,
                    scale=[scale] * 3,
                    translate=[(scale - 1) / 2] * 3,
                    contrast_limits=ours.contrast_limits,
                )
                eager.rendering, eager.iso_threshold = rendering, 60
                others.append(shot(viewer))
                viewer.layers.remove(eager)
            ours.visible = True
            off = [float(np.abs(own.astype(int) - one).mean()) for one in others]
            found[rendering] = {"level": level, "off": off, "std": float(own[..., :3].std())}
    found["names"] = [layer.name for layer in viewer.layers]
    found["planes"] = len(ours.experimental_clipping_planes)
    found["flat"] = bool(np.array_equal(flat, plane_of(viewer, ours)))
    return found


def follows(viewer: Any) -> dict[str, Any]:
    """A slow source: what is drawn at once, and what the detail does when the camera moves."""
    levels = halved(balls(128), 4)
    slow = [Slow(level, 0.01) for level in levels]
    (layer,) = opsin.napari.add(viewer, volume_of(slow))
    seen: dict[str, Any] = {"levels": [], "lit": [], "right": []}
    with askew(viewer):
        detail = detail_of(layer)
        camera = viewer.scene.camera
        camera.center = (64, 64, 64)
        for zoom, center in ((0.2, 64), (0.45, 64), (0.45, 20), (1.3, 30)):
            camera.zoom, camera.center = zoom, (center,) * 3
            turns, end = [], time.monotonic() + 20
            lit = 255
            while not detail.settled and time.monotonic() < end:
                turn = time.perf_counter()
                QApplication.processEvents()
                turns.append(time.perf_counter() - turn)
                picture = viewer.screenshot(canvas_only=True, flash=False)
                lit = min(lit, int(picture[..., 0].max()))
            seen["lit"].append(lit)
            assert opsin.napari.settle(viewer)
            seen["levels"].append(block_is_right(layer) if detail.block else 3)
        seen["most"] = max(
            b - a for a, b in zip(detail.block.start, detail.block.stop, strict=True)
        )
    return seen


def together(viewer: Any) -> dict[str, Any]:
    """What is done with the layer is done with its detail, and the other way round."""
    levels = halved(balls(64), 3)
    (layer,) = opsin.napari.add(viewer, volume_of(levels))
    seen: dict[str, Any] = {}
    with askew(viewer):
        viewer.scene.camera.zoom, viewer.scene.camera.center = 0.8, (32, 32, 32)
        first = shot(viewer)
        made = detail_of(layer).made
        seen["order"] = [one.name for one in viewer.layers]
        seen["active"] = viewer.layers.selection.active is layer
        layer.colormap, layer.contrast_limits, layer.gamma = "magma", (10, 200), 0.8
        layer.opacity, layer.blending, layer.rendering = 0.6, "additive", "average"
        seen["same"] = all(
            bool(np.all(getattr(made, name) == getattr(layer, name)))
            for name in ("contrast_limits", "gamma", "opacity", "blending", "rendering")
        )
        seen["colours"] = made.colormap.name
        made.contrast_limits = (0, 255)
        seen["back"] = list(layer.contrast_limits)
        shot(viewer)
        plane = ClippingPlane(position=(7.5, 7.5, 7.5), normal=(1, 0, 0))  # in coarse voxels
        layer.experimental_clipping_planes.append(plane)
        lit = [float((shot(viewer)[..., :3].max(-1) > 0).sum())]
        (cut,) = made.experimental_clipping_planes
        seen["cut"] = bool(np.allclose(cut.position, (31.5, 31.5, 31.5)))
        made.experimental_clipping_planes.clear()
        lit.append(float((shot(viewer)[..., :3].max(-1) > 0).sum()))
        seen["cut away"] = bool(lit[0] < 0.8 * lit[1])
        layer.experimental_clipping_planes.remove(plane)
        seen["uncut"] = len(made.experimental_clipping_planes) == 0
        layer.scale, layer.rotate = (2, 1, 0.5), (10, 20, 30)
        shot(viewer)
        block_is_right(layer)
        layer.visible = False
        seen["hidden"] = bool(shot(viewer)[..., :3].std() == 0)
        layer.visible = True
        seen["shown"] = bool(shot(viewer)[..., :3].std() > 1)
        made.visible = False  # by the user: the coarse layer takes its place
        seen["coarse"] = bool(shot(viewer)[..., :3].std() > 1)
        made.visible = True
        shot(viewer)
        seen["again"] = detail_of(layer).block is not None
        viewer.layers.remove(made)
        seen["alone"] = bool(shot(viewer)[..., :3].std() > 1)
        seen["planes"] = len(layer.experimental_clipping_planes)
        viewer.dims.ndisplay = 2
        viewer.dims.ndisplay = 3
        shot(viewer)
        seen["new"] = detail_of(layer).block is not None
        viewer.layers.remove(layer)
        seen["left"] = len(viewer.layers)
        viewer.layers.append(layer)
        seen["returned"] = bool(
            shot(viewer)[..., :3].std() > 1 and detail_of(layer).block is not None
        )
    assert first.std() > 5
    return seen


def in_time(viewer: Any) -> dict[str, Any]:
    """Labels and t: each time point is another volume, whichever axes are shown."""
    cubes = np.zeros((3, 48, 48, 48), np.int32)
    for t in range(3):
        cubes[t, 8 : 24 + 8 * t, 8:40, 8:40] = 5 + t
    image = volume_of([cubes, cubes[:, ::2, ::2, ::2]], kind="labels")
    (layer,) = opsin.napari.add(viewer, image)
    seen: dict[str, Any] = {"values": [], "orders": []}
    with askew(viewer):
        camera = viewer.scene.camera
        camera.zoom, camera.center = 0.8, (24, 24, 24)
        for t in (0, 1, 2, 1):
            viewer.dims.set_point(0, t)
            assert opsin.napari.settle(viewer)
            level = block_is_right(layer)
            seen["values"].append([level, int(detail_of(layer).made.data.max())])
        lit = float(np.mean(shot(viewer)[..., :3].max(-1) > 0))
        for order in ((0, 3, 1, 2), (1, 0, 2, 3)):
            viewer.dims.order = order
            viewer.dims.set_point(order[0], 1 if order[0] == 0 else 20)
            assert opsin.napari.settle(viewer)
            block = detail_of(layer).block
            seen["orders"].append(None if block is None else list(block.shape))
            if block is not None:
                block_is_right(layer)
        viewer.dims.order = (0, 1, 2, 3)
    seen["lit"] = lit
    return seen


def bulb(viewer: Any) -> dict[str, Any]:
    """The Mandelbulb, zoomed in by far: level by level finer, and never more than the budget."""
    from opsin.napari.loading import Loading

    budget = 24 << 20
    (layer,) = opsin.napari.add(viewer, "synthetic:mandelbulb", memory=budget, voxels=2**19)
    seen: dict[str, Any] = {"levels": [], "std": [], "budget": budget}
    with askew(viewer):
        cache = Loading._only.loader.cache  # type: ignore[union-attr]
        camera = viewer.scene.camera
        layer.rendering = "translucent"
        camera.center = SURFACE
        start = camera.zoom
        for deeper in (8, 256, 4096):
            camera.zoom = start * deeper
            shot(viewer)
            seen["levels"].append(block_is_right(layer))
            seen["std"].append(float(detail_of(layer).made.data.std()))
            seen["voxels"] = int(np.prod(detail_of(layer).block.shape))
        seen["peak"] = cache.peak
    return seen


def stack(viewer: Any) -> dict[str, Any]:
    """A stack of one level: in 3D it has more, of which the coarsest is small."""
    array = np.zeros((40, 200, 200), np.uint8)
    array[10:35, 20:150, 20:110] = 200
    (layer,) = opsin.napari.add(viewer, kept(array, axes="zyx", chunks=(1, 200, 200)))
    seen: dict[str, Any] = {"flat": [list(one.shape) for one in layer.data]}
    before = plane_of(viewer, layer)
    with askew(viewer):
        viewer.scene.camera.zoom, viewer.scene.camera.center = 0.8, (20, 100, 100)
        picture = shot(viewer)
        seen["lit"] = float((picture[..., 0] > 100).mean())
        seen["deep"] = [list(one.shape) for one in layer.data]
        seen["level"] = block_is_right(layer)
        assert np.array_equal(np.asarray(layer.data[0]), array)
    after = plane_of(viewer, layer)
    seen["again"] = [list(one.shape) for one in layer.data]
    seen["equal"] = bool(np.array_equal(before, after))
    viewer.dims.ndisplay = 3
    viewer.layers.remove(layer)
    seen["gone"] = [list(one.shape) for one in layer.data]
    return seen
