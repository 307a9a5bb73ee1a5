"""Snapshot command: a picture of an image, asked for in a terminal."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from opsin.chunks.camera import Camera, fit, slice_index
from opsin.chunks.volume_camera import VolumeCamera, fit_volume, looking
from opsin.errors import UsageError
from opsin.images.image import Image
from opsin.images.layer import Layer, layers_of_all
from opsin.images.points import Points
from opsin.images.points.layer import PointsLayer, sliced
from opsin.images.points.reader import open_points
from opsin.images.readers import open_images
from opsin.render.snapshot import MEMORY, save_png, snapshot

FOR_VOLUMES = ("mode", "rotate", "perspective", "clip", "memory")
"""Options that say nothing of a slice."""


def make_snapshot(
    options: argparse.Namespace,
    *,
    points: bool,
    warn: Callable[[Sequence[Image | Points]], None],
) -> None:
    """Make the picture that `opsin snapshot` is asked for.

    Args:
        options: of the command.
        points: whether there are points at the path, and not images.
        warn: prints what was wrong with images that opened all the same.

    Raises:
        OpsinError: it cannot be made.
    """
    images: tuple[Image | Points, ...]
    layers: tuple[Layer | PointsLayer, ...]
    if points:
        found = open_points(options.path)
        images, layers = (found,), (sliced(PointsLayer(found.name, found), options.position),)
    else:
        images = pixels = open_images(options.path)
        layers = layers_of_all(pixels)
    try:
        warn(images)
        view = _view(options, layers)
        if all(slice_index(layer, 0, view) is None for layer in layers if layer.visible):
            raise UsageError(f"There is nothing at {_said(view.position)}: see `opsin info`.")
        picture = snapshot(
            images[0],
            view,
            level=options.level,
            layers=layers,
            mode=options.mode,
            memory=options.memory or MEMORY,
        )
        save_png(picture, options.out)
    finally:
        for image in images:
            image.close()


def _view(
    options: argparse.Namespace, layers: Sequence[Layer | PointsLayer]
) -> Camera | VolumeCamera:
    """Where to look."""
    view: Camera | VolumeCamera
    if options.volume:
        orientation = looking(*(options.rotate or ()))
        view = fit_volume(layers, options.size, orientation, options.perspective or 0.0)
        if options.clip is not None:
            view = replace(view, clip=options.clip)
    else:
        view = fit(layers, options.size)
        for name in FOR_VOLUMES:
            if getattr(options, name) is not None:
                raise UsageError(f"--{name} is for volumes: give --volume, too.")
    if unknown := options.position.keys() - view.position.keys():
        known = ", ".join(view.position) or "none"
        raise UsageError(f"There is no slider {min(unknown)!r}: this image has {known}.")
    view = replace(view, position={**view.position, **options.position})
    if options.zoom is not None:
        view = replace(view, zoom=options.zoom)
    if options.center is not None:
        if len(options.center) != len(view.center):
            axes = ",".join(view.displayed).upper()
            raise UsageError(f"--center needs {len(view.center)} numbers here: {axes}.")
        view = replace(view, center=options.center)
    return view


def _said(position: Mapping[str, float]) -> str:
    return ", ".join(f"{axis} = {world:g}" for axis, world in position.items())
