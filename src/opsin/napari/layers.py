"""Layers: images as layers of a napari viewer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet, finalize, proxy

from opsin.chunks.brick import plane_box
from opsin.chunks.camera import Camera, slice_index
from opsin.errors import UsageError
from opsin.images.derived import stored_levels
from opsin.images.image import Image
from opsin.images.layer import Layer, layers_of_all
from opsin.images.memory import image_from_array
from opsin.images.points import Points
from opsin.images.points.layer import PointsLayer
from opsin.images.points.reader import holds_points, open_points
from opsin.images.readers import open_images
from opsin.images.readers.address import Address
from opsin.images.source import Array
from opsin.napari.member import Member
from opsin.napari.points_member import PointsMember, dressed
from opsin.napari.service import offer_quietly
from opsin.napari.volatile_array import VolatileArray
from opsin.render.histogram import auto_contrast
from opsin.workers.offered_readers import offer_readers

QUICK = 64
"""Chunks that a coarsest level is computed from, at most, if it is waited for."""
PREVIEW = 512
"""Rows and columns from the middle of an image that give a contrast where levels are computed."""

CALM = 4
"""Turns of the window's loop, a hundredth of a second each, in which nothing is waited for."""

_ATTACHED: WeakSet[Any] = WeakSet()
"""Viewers whose layers are followed."""

LayerData = tuple[Any, dict[str, Any], str]
"""What napari makes a layer of: data, keyword arguments, type."""


def add(
    viewer: Any, image: Any, *, memory: int | None = None, voxels: int | None = None
) -> list[Any]:
    """Show an image in a napari viewer, coarse at once and sharper as its chunks come.

    Args:
        viewer: a `napari.Viewer`.
        image: a path or address of anything that Opsin reads; an `opsin.images.Image`, or points,
            which stay the caller's to close; or an array, or a list of arrays, fine to coarse.
        memory: budget in bytes of the chunks of all such layers in this process; by default as it
            is, at first a quarter of the computer's memory, at most 2 GiB.
        voxels: of the block that is shown in 3D, at most; by default 2**24, or 64 MiB.

    Returns:
        The layers of napari, one for each channel and for labels that come with the image. The
        image is `layer.metadata["opsin"]`: `read(level, index)` gives pixels as they are stored.

    Raises:
        OpenError: it cannot be opened.
        ReadError: its coarsest level cannot be read.
        UsageError: it cannot be shown, for example as it has no axes y and x.
    """
    if memory is not None and memory <= 0:
        raise UsageError(f"{memory} bytes are no memory budget.")
    if voxels is not None and voxels <= 0:
        raise UsageError(f"A block of {voxels} voxels shows nothing.")
    members = members_of(image)
    for member in members:
        if isinstance(member, Member):
            member.voxels = voxels or member.voxels
    return _add(viewer, members, memory)


def add_opened(viewer: Any, images: Sequence[Image], channel: int | None = None) -> list[Any]:
    """Like `add`, of images that are closed when no layer uses them any more.

    `channel`: of images with channels, only this one.
    """
    members = _owned(images)
    chosen = [
        member
        for member in members
        if channel is None or (isinstance(member, Member) and member.layer.channel == channel)
    ]
    return _add(viewer, chosen or members)


def add_opened_points(viewer: Any, points: Points) -> list[Any]:
    """Like `add`, of points that are closed when no layer uses them any more."""
    return _add(viewer, [_owned_points(points)])


def _add(
    viewer: Any, members: Sequence[Member | PointsMember], memory: int | None = None
) -> list[Any]:
    attach(viewer)
    added: list[Any] = []
    for member in members:
        member.join(viewer, memory)
        try:
            data, named, kind = layer_data(member, viewer)
            made = getattr(viewer, f"add_{kind}")(data, **named)
            if kind == "labels":
                made.editable = False  # there is no place for what would be painted
            added.append(made)
        except BaseException:
            member.gone()
            raise
    return added


def settle(viewer: Any, patience: float = 60.0) -> bool:
    """Wait, while the window of a viewer goes on, until its layers of ours show all they can.

    For scripts that take pictures. To be called on the thread of the window.

    Returns:
        Whether they do; False if that took longer than `patience` seconds.
    """
    from qtpy.QtWidgets import QApplication

    end, still = time.monotonic() + patience, 0
    while still < CALM:
        if time.monotonic() > end:
            return False
        QApplication.processEvents()
        still = still + 1 if settled(viewer) else 0
        time.sleep(0.01)
    return True


def settled(viewer: Any) -> bool:
    """Whether the layers of ours that a viewer has show all they can."""
    return all(member.settled for layer in viewer.layers for member in _members(layer))


def members_of(image: Any) -> list[Member | PointsMember]:
    """The layers of whatever `add` takes. Files that are opened here close when nobody uses them.

    Raises:
        OpenError: it cannot be opened.
        UsageError: an array that is no image.
    """
    if isinstance(image, Image):
        return [Member(layer) for layer in layers_of_all((image,))]
    if isinstance(image, Points | PointsLayer):
        return [PointsMember(dressed(image) if isinstance(image, Points) else image)]
    named = isinstance(image, str | Path)
    if named and holds_points(Address.parse(image)):
        return [_owned_points(open_points(image))]
    offer_readers()
    images = open_images(image) if named else (image_from_array(image),)
    return _owned(images)


def _owned(images: Sequence[Image]) -> list[Member | PointsMember]:
    """The layers of images that are closed when nobody uses them."""
    owner = _Owner()
    finalize(owner, _close, images)
    return [Member(layer, owner) for layer in layers_of_all(images)]


def _owned_points(points: Points) -> PointsMember:
    """A layer of points that are closed when nobody uses them."""
    owner = _Owner()
    finalize(owner, points.close)
    return PointsMember(dressed(points), owner)


def attach(viewer: Any) -> None:
    """Have layers of ours work while they are in a viewer, however they come into it."""
    if viewer in _ATTACHED:
        return
    _ATTACHED.add(viewer)
    offer_quietly()
    there = proxy(viewer)

    def joins(event: Any) -> None:
        for member in _members(event.value):
            member.join(there)

    def inserted(event: Any) -> None:
        for member in _members(event.value):
            member.arrived(event.value)

    def removed(event: Any) -> None:
        for member in _members(event.value):
            member.gone()

    # Before the viewer draws it, which would wait for a layer that comes back; and after it has
    # brought its sliders up to date.
    viewer.layers.events.inserted.connect(joins, position="first")
    viewer.layers.events.inserted.connect(inserted, position="last")
    viewer.layers.events.removed.connect(removed)


def shown_in(viewer: Any) -> list[tuple[Any, Member]]:
    """The images of ours in a viewer that are visible: napari's layer, and what it shows."""
    return [
        (layer, member)
        for layer in viewer.layers
        if layer.visible
        for member in _members(layer)
        if isinstance(member, Member)
    ]


def layer_data(member: Member | PointsMember, viewer: Any = None) -> LayerData:
    """What napari makes a layer of. Waits until the coarsest level of the first plane is here.

    Args:
        member: of what.
        viewer: that it comes into, if that is known.

    Raises:
        ReadError: the coarsest level cannot be read.
        UsageError: it cannot be shown.
    """
    if isinstance(member, PointsMember):
        return member.layer_data()
    layer = member.layer
    names = [axis.name for axis in layer.axes]
    if not {"y", "x"} <= set(names):
        raise UsageError(f"{layer.name} cannot be shown: it has no axes y and x.")
    geometry = layer.level(0)
    named: dict[str, Any] = {
        "name": layer.name,
        "scale": geometry.scale,
        "translate": geometry.translation,
        "axis_labels": tuple(names),
        "units": tuple(axis.unit or "pixel" for axis in layer.axes),
        "metadata": {"opsin": layer.image},
        "visible": layer.visible,
        "opacity": layer.opacity,
        "blending": layer.blending,
    }
    values = _preview(member, _position(layer, viewer))
    if layer.image.kind == "labels":
        # napari tells a pyramid of labels by the number of its levels, whatever it is told.
        data = member.levels if len(member.levels) > 1 else member.levels[0]
        return data, named, "labels"
    named |= {"multiscale": True, "rgb": layer.image.rgb, "gamma": layer.gamma}
    if not layer.image.rgb:
        named["colormap"] = layer.colormap
        named["contrast_limits"] = layer.contrast or auto_contrast(values)
    return member.levels, named, "image"


def _position(layer: Layer, viewer: Any) -> dict[str, float]:
    """World position on each axis where the sliders are; in the middle where there are none yet."""
    geometry = layer.level(0)
    position: dict[str, float] = {}
    point = () if viewer is None or not len(viewer.layers) else viewer.dims.point
    for number, axis in enumerate(layer.axes):
        place = number - len(layer.axes) + len(point)
        pixel = (geometry.shape[number] - 1) // 2
        if place >= 0 and len(point):
            pixel = round((point[place] - geometry.translation[number]) / geometry.scale[number])
            pixel = min(max(pixel, 0), geometry.shape[number] - 1)
        position[axis.name] = geometry.translation[number] + geometry.scale[number] * pixel
    return position


def _preview(member: Member, position: Mapping[str, float]) -> Array:
    """The coarsest level of a plane; some pixels from its middle, if that would take long."""
    layer = member.layer
    image, level = layer.image, len(layer.image.levels) - 1
    camera = Camera((0.0, 0.0), 1.0, (1, 1), position)
    stored = stored_levels(image)
    if stored < len(image.levels):
        start, stop = plane_box(layer, stored - 1, slice_index(layer, stored - 1, camera) or ())
        if image.levels[stored - 1].chunks_between(start, stop) > QUICK:
            return _middle(member, stored - 1, start, stop)
    start, stop = plane_box(layer, level, slice_index(layer, level, camera) or ())
    return member.feed.box(level, start, stop)


def _middle(member: Member, level: int, start: Sequence[int], stop: Sequence[int]) -> Array:
    low, high = list(start), list(stop)
    for name in ("y", "x"):
        axis = member.layer.image.axis(name)
        low[axis] = max((stop[axis] - PREVIEW) // 2, 0)
        high[axis] = min(low[axis] + PREVIEW, stop[axis])
    return member.feed.box(level, tuple(low), tuple(high))


def _members(layer: Any) -> Iterable[Member | PointsMember]:
    """That a layer of napari shows."""
    points = layer.metadata.get("opsin member")
    if isinstance(points, PointsMember):
        yield points
        return
    data = layer.data
    levels = data if getattr(layer, "multiscale", False) else [data]
    first = levels[0] if len(levels) else None
    if isinstance(first, VolatileArray) and first.member is not None:
        yield first.member


class _Owner:
    """What the layers of files that were opened here hold on to."""


def _close(images: Sequence[Image]) -> None:
    for image in images:
        image.close()
