"""Detail: what a layer of napari shows in 3D in place of its coarsest level, where one looks.

napari draws a volume from its coarsest level only. So a second layer, the *detail*, shows a block
(`opsin.napari.block`) of a finer level, and follows the camera. As soon as the block holds what is
seen, a clipping plane takes all of the coarse layer away: both are never drawn at once, so that
nothing is brighter and nothing has a seam. Until then, and wherever there is no block, the coarse
layer is drawn as ever.

The detail looks as the layer does: whatever is set on one is set on the other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from opsin.chunks.volume_camera import Floats
from opsin.images.layer import Layer
from opsin.images.source import Array
from opsin.napari.bell import make_bell
from opsin.napari.block import (
    BYTES,
    VOXELS,
    Block,
    Focus,
    Outlook,
    geometry,
    plan_block,
    region_of,
)
from opsin.napari.feed import Feed
from opsin.napari.focus import Grid, find_focus
from opsin.napari.given import HIDDEN
from opsin.napari.loading import Loading
from opsin.napari.outlook import outlook_of, own_matrix
from opsin.napari.quality import QUALITY

PAUSE = 60
"""Milliseconds after which it is looked where a camera is that moves."""
INTERVAL = 0.4
"""Seconds between two pictures of a block that is not complete; each is uploaded whole."""
SLOW = 0.2
"""Seconds that it takes to draw a block, from which on it is drawn only when nothing moves."""
STILL = 0.25
"""Seconds after which nothing moves, then."""
FIRST = 2**21
"""Voxels of a block at first: of more, as soon as it is known that they are drawn fast enough."""
FEWEST = 2**18
"""Voxels of a block, however long it takes to draw them."""
PATIENT, TOO_LONG = 0.8, 5.0
"""Seconds to draw a block, below which the next one may have eight times as many voxels, and above
which it has an eighth."""
FIRST_HIT = {"iso", "iso_categorical", "translucent_categorical"}
"""Ways to render in which one sees the first thing that is in the way."""
TRIES = 6
"""Blocks that are shown one after the other, while nothing moves."""
ENOUGH = 0.5
"""A block that holds less of what is seen is not drawn any more."""
FAR = 1e30
"""Where the clipping plane is: all that there is lies before it."""

LOOKS = {
    "image": (
        *("blending", "opacity", "colormap", "contrast_limits", "gamma", "rendering"),
        *("iso_threshold", "attenuation", "interpolation3d"),
    ),
    "labels": (
        *("blending", "opacity", "colormap", "rendering", "iso_gradient_mode"),
        *("selected_label", "show_selected_label"),
    ),
}
"""What a detail has in common with its layer."""
SURFACES = ("rendering", "iso_threshold")
"""What a layer tells of, after which something else of it is seen first."""
PLACES = ("scale", "translate", "rotate", "shear", "affine", "units", "depiction", "visible")
"""What a layer tells of, after which its detail has to be somewhere else."""

_NOTHING: tuple[tuple[object, ...], Array, bool] = ((), np.empty(0), False)
"""No picture."""


class Detail:
    """The detail of one layer, while that is in a viewer. All on the thread of the window."""

    def __init__(self, viewer: Any, shown: Any, coarse: Feed, most: int = VOXELS) -> None:
        """Watch the camera.

        Args:
            viewer: napari's viewer.
            shown: napari's layer.
            coarse: what that gets to draw.
            most: voxels of a block at most.
        """
        self._viewer, self._shown, self._coarse = viewer, shown, coarse
        self._layer = layer = coarse.layer
        self._kind = "labels" if layer.image.kind == "labels" else "image"
        self._dtype = _dtype(layer)
        self._most = min(most, BYTES // self._dtype.itemsize)
        self._room = min(FIRST, self._most)
        self._feed = Feed(layer, INTERVAL)
        self._fresh: tuple[tuple[object, ...], Array, bool] = _NOTHING
        self._whole = False
        """Whether nothing is to come any more to what is shown."""
        self._asked: Block | None = None
        self._asked_key: tuple[object, ...] = ()
        self._block: Block | None = None
        self._made: Any = None
        self._plane: Any = None
        self._seen: tuple[Floats, float] | None = None
        self._tries = 0
        self._due = self._moved = self._slow = self._timed = self._off = self._closed = False
        self._moved_at = self._shown_at = 0.0
        self._links: list[tuple[Any, Callable[..., None]]] = []
        self._bell = make_bell(self._redraw, _silent)
        self._pause = make_bell(self._look, _silent, PAUSE)
        self._clock = make_bell(self._time, _silent)
        camera, dims = viewer.scene.camera, viewer.dims
        self._watched = [
            *(camera.events.center, camera.events.zoom, camera.events.angles),
            *(camera.events.perspective, viewer.canvas.events.size, dims.events.order),
            *(viewer.layers.events.reordered, viewer.layers.events.units),
            *(getattr(shown.events, name) for name in SURFACES if hasattr(shown, name)),
            *(getattr(shown.events, name) for name in PLACES),
        ]
        for emitter in self._watched:
            emitter.connect(self._move)
        self._quality = QUALITY.listen(self._move)
        shown.experimental_clipping_planes.events.connect(self._clip)
        dims.events.point.connect(self._slid)
        dims.events.ndisplay.connect(self._turned)
        viewer.layers.events.removed.connect(self._removed)
        self._turned()

    def close(self) -> None:
        """Be gone. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for emitter in self._watched:
            emitter.disconnect(self._move)
        self._quality()
        self._shown.experimental_clipping_planes.events.disconnect(self._clip)
        self._viewer.dims.events.point.disconnect(self._slid)
        self._viewer.dims.events.ndisplay.disconnect(self._turned)
        self._viewer.layers.events.removed.disconnect(self._removed)
        self._drop()
        for bell in (self._bell, self._pause, self._clock):
            bell.close()

    @property
    def feed(self) -> Feed | None:
        """What the block is loaded with; None: there is none now."""
        return self._feed if self._feed.open and self._asked is not None else None

    def hold(self) -> None:
        """Loading was frozen, or goes on now."""
        self._feed.hold()

    @property
    def settled(self) -> bool:
        """Whether the best is shown that there is of what is looked at."""
        if self._moved or self._due or self._timed:
            return False
        if self._asked is None:
            return True
        loading = Loading.current()
        more = not self._whole and not (loading is not None and loading.frozen)
        return self._block == self._asked and not more

    @property
    def block(self) -> Block | None:
        """What is shown."""
        return self._block

    @property
    def made(self) -> Any:
        """The layer of napari that shows it; None: there is none."""
        return self._made

    # Where to look

    def _turned(self, _: Any = None) -> None:
        """The viewer shows volumes from now on, or slices."""
        if self._viewer.dims.ndisplay != 3:
            self._off = False
            self._drop()
            return
        if self._made is None and len(self._layer.image.levels) > 1 and self._shown.visible:
            # To make a layer takes napari long: now, when it has to begin anew anyway.
            samples = [self._layer.image.levels[0].shape[-1]] if self._layer.image.rgb else []
            nothing = np.zeros([1] * self._shown.ndim + samples, self._dtype)
            self._make(nothing, np.eye(self._shown.ndim + 1))
        self._move()

    def _slid(self, _: Any = None) -> None:
        """A slider has moved; a block is of one place of it."""
        if self._viewer.dims.ndisplay == 3 and self._shown.ndim > 3:
            self._look()

    def _move(self, _: Any = None) -> None:
        """Something has moved."""
        if self._viewer.dims.ndisplay != 3 or self._closed:
            return
        self._moved, self._moved_at, self._tries = True, time.monotonic(), 0
        if self._slow and self._block is not None:
            self._swap(detail=False)
        self._pause.ring()

    def _look(self) -> None:
        """Show what is needed where the camera looks."""
        if self._closed or self._viewer.dims.ndisplay != 3:
            self._moved = False
            return
        if self._slow and time.monotonic() < self._moved_at + STILL:
            self._pause.ring()
            return
        self._moved = False
        layer, wanted = self._layer, None
        if self._shown.visible and not self._off:
            outlook = outlook_of(self._viewer, self._shown, layer)
            if outlook is not None:
                wanted = self._plan(outlook)
        if wanted is None:
            self._rest()
            return
        stays = self._asked is not None and self._asked.lasts(wanted)
        if self._block is not None:
            shown = stays and self._block == self._asked
            if shown or self._block.covers(layer, wanted) >= ENOUGH:
                self._place()
                self._swap(detail=True)
            else:
                self._hide()
        if stays:
            return
        if not self._feed.open:
            self._feed.start(Loading.use(), self._come, _silent)
        region = region_of(layer, wanted)
        self._asked, self._asked_key = wanted, region.key
        self._feed.follow(region)

    def _plan(self, outlook: Outlook) -> Block | None:
        """The block to show there: one that there is room for, or the least that is of use."""
        focus, quality, room = self._focus(outlook), 2.0**-QUALITY.coarser, self._room
        while True:
            wanted = plan_block(self._layer, outlook, room, focus, quality)
            if wanted is not None or room >= self._most:
                return wanted
            room = min(room * 8, self._most)

    def _focus(self, outlook: Outlook) -> Focus | None:
        """How deep lies what is seen first; None: one sees through all of it."""
        coarse, layer = self._coarse.shown, self._layer
        if str(self._shown.rendering) not in FIRST_HIT or layer.image.rgb:
            return None
        axes, grids = outlook.axes, []
        if coarse is not None:
            level = len(layer.image.levels) - 1
            own, finest = (np.array(layer.level(k).shape)[list(axes)] for k in (level, 0))
            values = self._volume(coarse.picture, axes)
            if values is not None and values.shape == tuple(own):
                grids.append(Grid(values, finest / own, (finest / own - 1) / 2))
        if self._block is not None:
            size, place = np.array([geometry(layer, self._block.level, axis) for axis in axes]).T
            first = place + size * np.array(self._block.start)[list(axes)]
            values = self._volume(self._made.data, axes)
            if values is not None:
                grids.append(Grid(values, size, first))
        least = getattr(self._shown, "iso_threshold", 1)
        focus = find_focus(outlook, grids, least, self._seen_before(outlook))
        if focus is not None and len(grids) > 1:
            camera = outlook.camera
            self._seen = np.array(camera.center) + focus.depth * camera.axes[2], focus.unsure
        return focus

    def _seen_before(self, outlook: Outlook) -> Focus | None:
        """How deep lies what was seen first before, if the camera still looks at it."""
        if self._seen is None:
            return None
        place, unsure = self._seen
        camera = outlook.camera
        right, down, depth = (camera.axes @ (place - camera.center)).tolist()
        if math.hypot(right, down) > max(camera.size) / 2 / camera.zoom:
            return None
        return Focus(depth, unsure)

    def _volume(self, picture: Array, axes: Sequence[int]) -> Array | None:
        """The voxels of a picture: depth, row and column. None if it is no such volume (yet)."""
        if picture.ndim > self._shown.ndim:  # one of the image, with its channel axis
            axes = [self._layer.kept_axes[axis] for axis in axes]
        others = [axis for axis in range(picture.ndim) if axis not in axes]
        if any(picture.shape[axis] > 1 for axis in others):
            return None
        return picture.transpose([*others, *axes]).reshape([picture.shape[axis] for axis in axes])

    # What has come

    def _come(self) -> None:
        """On the loop: there is a better picture."""
        shown, layer = self._feed.shown, self._layer
        if shown is None:
            return
        picture = shown.picture
        sides = [picture.shape[axis] for axis in layer.kept_axes]
        if layer.image.rgb:
            sides.append(picture.shape[-1])
        picture = picture.astype(self._dtype, copy=False).reshape(sides)
        self._fresh = shown.key, picture, shown.complete
        self._due = True
        self._bell.ring()

    def _redraw(self) -> None:
        self._due = False
        # Another one may come at any time, while this one is shown.
        (key, data, whole), self._fresh = self._fresh, _NOTHING
        block = self._asked
        if block is None or key != self._asked_key or self._shown not in self._viewer.layers:
            return
        matrix = self._matrix(block)
        if self._made is None:
            self._make(data, matrix)
        else:
            made = self._made
            self._set_visible(False)  # so that all that follows is drawn, and uploaded, once
            if not np.array_equal(made.affine.affine_matrix, matrix):
                made.affine = matrix
            made.data = data
            if self._kind == "image":
                # What was set before there was a volume napari has taken for another scale.
                made.contrast_limits_range = self._shown.contrast_limits_range
                made.iso_threshold = self._shown.iso_threshold
        self._block, self._whole = block, whole
        if self._slow and self._moved:
            return
        self._place()
        self._swap(detail=True)
        self._shown_at, self._timed = time.monotonic(), True
        self._clock.ring()

    def _time(self) -> None:
        """The block has been drawn: was that fast?"""
        seconds = time.monotonic() - self._shown_at
        self._timed, self._slow = False, seconds > SLOW
        if seconds > TOO_LONG:
            self._most = self._room = max(self._room // 8, min(FEWEST, self._room))
            return
        if seconds < PATIENT:
            self._room = min(self._room * 8, self._most)
        if self._whole and not self._moved and self._tries < TRIES:
            self._tries += 1
            self._look()  # what is seen first may be known better now, and there may be more room

    # The layer

    def _make(self, data: Array, matrix: Floats) -> None:
        from napari.layers import Image, Labels  # type: ignore[import-untyped]

        shown, layers = self._shown, self._viewer.layers
        looks = LOOKS[self._kind]
        named = {
            name: getattr(shown, name) for name in looks if not name.startswith(("sel", "show"))
        }
        named |= {
            "name": f"{shown.name} (detail)",
            "affine": matrix,
            "units": shown.units,
            "axis_labels": shown.axis_labels,
            "metadata": {HIDDEN: True},
            "visible": False,
        }
        if self._kind == "labels":
            made = Labels(data, **named)
        else:
            made = Image(data, rgb=self._layer.image.rgb, multiscale=False, **named)
        made.editable = False
        selected, active = set(layers.selection), layers.selection.active
        # Below: the lowest layer that is drawn is blended with the canvas, not with a layer.
        layers.insert(layers.index(shown), made)
        layers.selection.intersection_update(selected)
        layers.selection.update(selected)
        layers.selection.active = active
        self._made = made
        for name in looks:
            self._link(shown, made, name)
            self._link(made, shown, name)
        self._connect(made.events.visible, self._switched)

    def _link(self, one: Any, other: Any, name: str) -> None:
        def follow(_: Any = None) -> None:
            value = getattr(one, name)
            if not np.all(getattr(other, name) == value):
                setattr(other, name, value)

        follow()
        self._connect(getattr(one.events, name), follow)

    def _connect(self, emitter: Any, function: Callable[..., None]) -> None:
        emitter.connect(function)
        self._links.append((emitter, function))

    def _place(self) -> None:
        """Put the detail where the layer is, and right below it."""
        if self._block is None or self._made is None:
            return
        shown, made, layers = self._shown, self._made, self._viewer.layers
        matrix = self._matrix(self._block)
        if not np.array_equal(made.affine.affine_matrix, matrix):
            made.affine = matrix
        if made.units != shown.units:
            made.units = shown.units
        self._clip()
        own, its = layers.index(made), layers.index(shown)
        if own != its - 1:
            layers.move(own, its)

    def _clip(self, _: Any = None) -> None:
        """Cut the detail where the user cuts the layer."""
        if self._block is None or self._made is None:
            return
        from napari.layers.utils.plane import ClippingPlane  # type: ignore[import-untyped]

        shown, layer, block = self._shown, self._layer, self._block
        first = self._viewer.dims.ndim - shown.ndim
        axes = [axis - first for axis in self._viewer.dims.displayed]
        # They are in pixels of what is drawn, along the axes that are.
        coarse = np.array(shown.downsample_factors[-1])[axes]
        size, place = np.array([geometry(layer, block.level, axis) for axis in axes]).T
        start = np.array(block.start)[axes]
        planes = []
        for one in shown.experimental_clipping_planes:
            if one is self._plane:
                continue
            pixel = coarse * one.position + (coarse - 1) / 2
            position = (pixel - place) / size - start
            normal = np.array(one.normal) * size / coarse
            planes.append(ClippingPlane(position=position, normal=normal, enabled=one.enabled))
        old = self._made.experimental_clipping_planes
        if planes or len(old):
            self._made.experimental_clipping_planes = planes

    def _matrix(self, block: Block) -> Floats:
        """From voxels of a block to the world of the layer."""
        matrix = np.eye(len(block.start) + 1)
        for axis, start in enumerate(block.start):
            size, place = geometry(self._layer, block.level, axis)
            matrix[axis, axis], matrix[axis, -1] = size, place + size * start
        found: Floats = own_matrix(self._shown) @ matrix
        return found

    # Which of both is drawn

    def _swap(self, detail: bool) -> None:
        """Draw the detail and nothing of the layer, or the other way round."""
        self._set_visible(detail)
        planes = self._shown.experimental_clipping_planes
        if detail and self._plane is None:
            from napari.layers.utils.plane import ClippingPlane

            self._plane = ClippingPlane(position=(FAR, 0.0, 0.0), normal=(1.0, 0.0, 0.0))
            planes.append(self._plane)
        elif not detail and self._plane is not None:
            with suppress(ValueError):  # the user has taken it away
                planes.remove(self._plane)
            self._plane = None

    def _set_visible(self, visible: bool) -> None:
        if self._made is not None and self._made.visible != visible:
            with self._made.events.visible.blocker(self._switched):
                self._made.visible = visible

    def _hide(self) -> None:
        """Draw the layer; what there is of the detail is of no use any more."""
        self._block = None
        self._swap(detail=False)

    def _rest(self) -> None:
        """Nothing finer than the layer itself is wanted."""
        self._asked = None
        if self._feed.open:
            self._feed.rest()
        self._hide()

    def _drop(self) -> None:
        """Take the detail out of the viewer, and let go of what was loaded for it."""
        self._moved = self._due = False
        self._rest()
        self._feed.stop()
        made, self._made = self._made, None
        for emitter, function in self._links:
            emitter.disconnect(function)
        self._links.clear()
        if made is not None and made in self._viewer.layers:
            self._viewer.layers.remove(made)

    def _switched(self, _: Any = None) -> None:
        """The user has switched the detail off, or on again."""
        self._off = not self._made.visible
        self._move()

    def _removed(self, event: Any) -> None:
        if self._made is not None and event.value is self._made:  # by the user
            self._off = True
            self._drop()


def _dtype(layer: Layer) -> np.dtype[np.generic]:
    """Of a block: images as they are uploaded, which spares the window's thread the work."""
    dtype = layer.image.dtype
    if dtype == np.bool_:
        return np.dtype(np.uint8)
    if layer.image.kind == "labels" or dtype in (np.uint8, np.uint16):
        return dtype
    return np.dtype(np.float32)


def _silent(_: str) -> None:
    """What cannot be read is shown coarsely, and the layer has said so."""
