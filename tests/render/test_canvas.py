"""A canvas without a screen, over a real loader: what it loads, holds and lets go of."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import numpy as np
import pytest

from opsin.chunks.camera import Camera, fit
from opsin.chunks.loader import Loader
from opsin.chunks.policy import EXPLORE
from opsin.chunks.volume_brick import SIDE
from opsin.chunks.volume_camera import fit_volume, looking
from opsin.errors import BudgetExceeded, Corrupt
from opsin.images.layer import Layer, layers_of
from opsin.images.source import Array
from opsin.render.canvas import Canvas, Picture
from opsin.render.held_slices import HeldSlices
from opsin.render.held_volumes import HeldVolumes
from opsin.render.slices import render
from opsin.render.volume import Projection
from tests.chunks.pyramid import PyramidSource, pyramid
from tests.chunks.volumes import volume

PATIENCE = 30.0


def ready(layer: Layer) -> Layer:
    return replace(layer, contrast=(0.0, 250.0))


def source_of(layer: Layer) -> PyramidSource:
    source = layer.image.source
    assert isinstance(source, PyramidSource)
    return source


async def settle(canvas: Canvas[object, object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not canvas.settled:
            await canvas.changed()


def volumes(layers: list[Layer], bricks: int = 500, room: int = 2**28) -> HeldVolumes:
    return HeldVolumes(layers, room, Projection(), replace(EXPLORE, bricks=bricks))


@pytest.mark.parametrize("chunk", [(1, 100, 130), (64, 64, 64), (40, 200, 30)])
def test_every_chunk_is_loaded_once_whatever_its_shape(chunk: tuple[int, int, int]) -> None:
    layer = ready(volume((130, 200, 190), levels=2))
    levels = tuple(replace(level, chunks=chunk) for level in layer.image.levels)
    layer = replace(
        layer, image=replace(layer.image, levels=levels, source=PyramidSource(levels, "uint8"))
    )
    largest = math.prod(chunk)

    async def run() -> None:
        loader = Loader(largest * 3)
        canvas = Canvas(loader, held := volumes([layer]))
        canvas.look(fit_volume([layer], (200, 200)))
        await settle(canvas)  # type: ignore[arg-type]
        assert held.plan.targets == {0: 0}
        assert canvas.counts == (len(held.here), len(held.here))
        assert loader.cache.peak <= loader.cache.budget
        source = source_of(layer)
        assert set(source.finished.values()) == {1}
        assert len(source.finished) == sum(math.prod(level.grid) for level in levels)
        canvas.close()
        await loader.close()
        assert not source.closed

    asyncio.run(run())


def test_what_is_held_is_what_the_source_has() -> None:
    layer = ready(volume((100, 150, 70), levels=2, chunk=48))

    async def run() -> None:
        loader = Loader(2**24)
        held = volumes([layer])
        canvas = Canvas(loader, held)
        canvas.look(fit_volume([layer], (300, 300)))
        await settle(canvas)  # type: ignore[arg-type]
        slots = held._slots[0]
        for brick, slot in slots.places.items():
            box = [
                slice(at * SIDE, min((at + 1) * SIDE, n))
                for at, n in zip(brick[3:], layer.image.levels[brick.level].shape, strict=True)
            ]
            want = layer.image.read(brick.level, box)
            z, y, x = want.shape
            np.testing.assert_array_equal(slots.voxels[slot, :z, :y, :x], want)
        assert held.frame()().shape == (300, 300, 3)
        canvas.close()
        await loader.close()

    # `read` runs a loop of its own.
    asyncio.run(run())


def test_looking_elsewhere_keeps_what_fits_and_never_holds_too_much() -> None:
    layer = ready(volume((2048, 2048, 2048), levels=6))
    brick_bytes = SIDE**3

    async def run() -> None:
        loader = Loader(2**22)
        room = 60 * brick_bytes
        held = volumes([layer], 1000, room)
        canvas = Canvas(loader, held)
        rng = np.random.default_rng(3)
        fitting = fit_volume([layer], (100, 100), perspective=40)
        for number in range(8):
            turned = looking(*rng.uniform(-90, 90, 2))
            center = tuple(rng.uniform(500, 1500, 3))
            camera = replace(fitting, orientation=turned, center=center, zoom=fitting.zoom * 3)
            before = set(held.here)
            canvas.look(camera)
            wanted = {want.brick for want in held.plan.wants}
            assert before & wanted <= held.here
            if number % 2:
                await settle(canvas)  # type: ignore[arg-type]
                assert wanted <= held.here
            else:
                await canvas.changed(1)  # and away again
            assert len(held.here) <= 60
            assert sum(slots.nbytes for slots in held._slots.values()) <= room
            assert loader.cache.peak <= 2**22
        again = sum(source_of(layer).finished.values())
        canvas.look(camera)
        await settle(canvas)  # type: ignore[arg-type]
        assert sum(source_of(layer).finished.values()) == again
        canvas.close()
        await loader.close()

    asyncio.run(run())


def test_layers_that_come_and_go_share_one_bound() -> None:
    near = ready(volume((512, 512, 512), levels=4))
    far = replace(ready(volume((512, 512, 512), levels=4)), name="far")
    far = replace(
        far,
        image=replace(
            far.image,
            levels=tuple(
                replace(level, translation=(0.0, 0.0, 5000.0 + level.translation[2]))
                for level in far.image.levels
            ),
        ),
    )

    async def run() -> None:
        loader = Loader(2**22)
        room = 40 * SIDE**3
        held = volumes([near, far], 1000, room)
        canvas = Canvas(loader, held)
        for layer in (near, far, near, far):
            canvas.look(fit_volume([layer], (400, 400)))
            assert len(held.plan.wants) > 30
            await settle(canvas)  # type: ignore[arg-type]
            assert sum(slots.nbytes for slots in held._slots.values()) <= room
        canvas.close()
        await loader.close()

    asyncio.run(run())


def test_what_cannot_be_read_is_named_and_all_else_is_there() -> None:
    layer = ready(volume((128, 128, 128), levels=2))
    source = source_of(layer)
    source.corrupt.add((0, (1, 0, 1)))

    async def run() -> None:
        loader = Loader(2**22)
        held = volumes([layer])
        canvas = Canvas(loader, held)
        camera = fit_volume([layer], (128, 128))
        for _ in range(2):  # it is not asked for again
            canvas.look(camera)
            await settle(canvas)  # type: ignore[arg-type]
            assert [brick[3:] for brick in canvas.failures] == [(1, 0, 1)]
            assert all(isinstance(error, Corrupt) for error in canvas.failures.values())
            assert canvas.counts == (9, 8)
            assert canvas.covered
        assert held.frame()().any()
        canvas.close()
        await loader.close()

    asyncio.run(run())


def test_a_frame_does_not_change_when_more_comes() -> None:
    layer = ready(volume((128, 128, 128), levels=2))
    source = source_of(layer)

    async def run() -> None:
        loader = Loader(2**22)
        held = volumes([layer])
        canvas = Canvas(loader, held)
        canvas.look(fit_volume([layer], (128, 128)))
        while not canvas.covered:
            await canvas.changed()
        frame = canvas.frame()
        first = frame()
        await settle(canvas)  # type: ignore[arg-type]
        assert source.finished
        np.testing.assert_array_equal(frame(), first)
        assert (canvas.frame()() != first).any()
        canvas.close()
        await loader.close()

    asyncio.run(run())


def test_no_room_for_a_single_brick() -> None:
    with pytest.raises(BudgetExceeded, match="more --memory"):
        volumes([ready(volume((10, 10, 10), dtype="float32"))], room=2**19)


@pytest.mark.parametrize(
    ("axes", "kind"),
    [
        *((axes, "image") for axes in ("yx", "zyx", "yxc", "xy", "cyx")),
        *((axes, "labels") for axes in ("yx", "zyx", "xy")),
    ],
)
def test_slices_end_as_sharp_as_they_are_drawn_at_once(axes: str, kind: str) -> None:
    sizes = {"y": 1500, "x": 1100, "z": 3, "c": 3}
    image, source = pyramid(
        tuple(sizes[name] for name in axes), axes=axes, levels=4, chunk=200, kind=kind,  # type: ignore[arg-type]
        dtype="uint8", rgb=axes == "yxc",
    )  # fmt: skip
    layers = [ready(layer) for layer in layers_of(image)]
    view = fit(layers, (300, 200))
    cameras = [view, replace(view, zoom=3.0), replace(view, zoom=0.4, center=(0.0, 1000.0))]

    def read(layer: Layer, level: int, start: tuple[int, ...], stop: tuple[int, ...]) -> Array:
        box = [slice(a, b) for a, b in zip(start, stop, strict=True)]
        return layer.image.read(level, box)

    async def run(camera: Camera) -> Picture:
        loader = Loader(2**22)
        canvas = Canvas(loader, HeldSlices(layers, 2**26, EXPLORE))
        canvas.look(camera)
        while not canvas.covered:
            await canvas.changed()
        first = canvas.frame()()
        await settle(canvas)  # type: ignore[arg-type]
        last = canvas.frame()()
        assert (first.max(axis=-1) > 0).mean() >= 0.9 * (last.max(axis=-1) > 0).mean()
        canvas.close()
        await loader.close()
        return last

    for camera in cameras:
        np.testing.assert_array_equal(asyncio.run(run(camera)), render(layers, camera, read))
    assert set(source.finished.values()) >= {1}


def test_slices_hold_no_more_than_there_is_room_for() -> None:
    image, _ = pyramid((4096, 4096), levels=4, dtype="uint8")
    layer = ready(layers_of(image)[0])
    room = 12 * 2**18

    async def run() -> None:
        loader = Loader(2**22)
        held = HeldSlices([layer], room, EXPLORE)
        canvas = Canvas(loader, held)
        for place in (500.0, 3500.0, 2000.0):
            canvas.look(Camera((place, place), 1.0, (700, 700)))
            await settle(canvas)  # type: ignore[arg-type]
            assert sum(values.nbytes for values in held.here.values()) <= room
        canvas.close()
        await loader.close()

    asyncio.run(run())
