"""Points member: one layer of points in a napari viewer, from before it comes until it has gone.

napari's layer holds the points of the present view only, a sample where there are more than it
draws. Two more, which are not shown, mark the corners of all points, so that napari knows how far
they reach.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from opsin.chunks.camera import Camera
from opsin.chunks.volume_camera import Floats, VolumeCamera
from opsin.images.points import POSITION, Points, Property
from opsin.images.points.layer import SLICES, PointsLayer
from opsin.images.source import Array
from opsin.napari.bell import make_bell
from opsin.napari.loading import Loading
from opsin.napari.outlook import orientation_of, world_matrix
from opsin.napari.points_feed import PointsFeed
from opsin.render.labels import colours

if TYPE_CHECKING:
    from opsin.napari.layers import LayerData

MOST = 10_000
"""Points that a layer holds, at most: with more it takes napari long to draw them."""
BEYOND = 1.2
"""Points are loaded of so much more than the view along each side, so that a short move shows no
empty edge."""
PAUSE = 60
"""Milliseconds after which it is looked where a camera is that moves."""
BORDERED = 1.5
"""Where it is told how large points are on the canvas, vispy draws a border of half of that, even
where it has no width: so it has the colour of its point, and is part of it."""
SIZES = ("radius", "diameter", "size", "area", "volume")
"""Properties whose names have such a word in them are the sizes of points."""
DISC = 8.0
"""Diameter of a point on the screen, or of the largest, in pixels."""


class PointsMember:
    """The points of a layer, and what keeps them up to date while it is in a viewer."""

    def __init__(self, layer: PointsLayer, owner: object = None) -> None:
        """A layer of no viewer.

        Args:
            layer: which.
            owner: lives as long as the layer may be looked at.

        `scale` is what napari's coordinates are multiplied with to be those of the world.
        """
        self.layer = layer
        self._owner = owner
        self.feed = PointsFeed(layer)
        self.scale = np.array([_step(layer.points, axis) for axis in range(len(layer.axes))])
        self._memory: int | None = None
        """Budget that was asked for with it, also for when it comes back."""
        self._viewer: Any = None
        self._layer: Any = None
        self._bell: Any = None
        self._pause: Any = None
        self._due = self._moved = False
        self._watched: list[Any] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy of napari's layer shows what it does, and goes on by itself."""
        return self

    def layer_data(self) -> LayerData:
        """What napari makes a layer of: the corners of all, and nothing else yet."""
        layer, points = self.layer, self.layer.points
        named: dict[str, Any] = {
            "name": layer.name,
            "scale": self.scale,
            "axis_labels": points.axis_names,
            "units": tuple(axis.unit or "pixel" for axis in points.axes),
            "metadata": {"opsin": points, "opsin member": self},
            "visible": layer.visible,
            "opacity": layer.opacity,
            "blending": layer.blending,
            "border_width": 0,
            "shown": np.zeros(2, np.bool_),
            "features": self._features(np.zeros(2, points.dtype)),
            "size": layer.size,
            **self._colours(),
        }
        if layer.unit == "screen" and layer.size_by is None:
            named["canvas_size_limits"] = (layer.size / BORDERED, layer.size / BORDERED)
        return self._corners, named, "points"

    def join(self, viewer: Any, memory: int | None = None) -> None:
        """Get ready to come into a viewer."""
        if self.feed.open:
            return
        self._bell = make_bell(self._redraw, _warn)
        if self._bell is None:
            return
        self._pause = make_bell(self._look, _warn, PAUSE)
        self._memory = memory or self._memory
        self.feed.start(Loading.use(self._memory), self._ring, self._bell.say)
        self._viewer = viewer

    def arrived(self, layer: Any) -> None:
        """The layer is in the viewer now."""
        if self._layer is not None or self._viewer is None:
            return
        self._layer = layer
        layer.editable = False  # the next view would take away what was added
        layer.selected_data = set()
        layer.current_border_width, layer.current_size = 0, self.layer.size  # of what comes
        viewer, camera = self._viewer, self._viewer.scene.camera
        self._watched = [
            *(camera.events.center, camera.events.zoom, camera.events.angles),
            *(camera.events.perspective, viewer.canvas.events.size),
            *(viewer.dims.events.point, viewer.dims.events.ndisplay, viewer.dims.events.order),
            *(viewer.dims.events.margin_left, viewer.dims.events.margin_right),
            *(layer.events.scale, layer.events.translate, layer.events.affine),
            *(layer.events.units, layer.events.visible),
        ]
        for emitter in self._watched:
            emitter.connect(self._move)
        layer.events.face_color.connect(self._colour_borders)
        self._move()

    def gone(self) -> None:
        """The layer is in no viewer any more. Idempotent."""
        for emitter in self._watched:
            emitter.disconnect(self._move)
        self._watched = []
        if self._layer is not None:
            self._layer.events.face_color.disconnect(self._colour_borders)
        self._layer = self._viewer = None
        self._moved = self._due = False
        self.feed.stop()
        for bell in (self._bell, self._pause):
            if bell is not None:
                bell.close()
        self._bell = self._pause = None

    @property
    def settled(self) -> bool:
        """Whether napari has got the points of the present view."""
        return not self._moved and not self._due and self.feed.complete

    # Where one looks

    def _move(self, _: Any = None) -> None:
        if self._pause is not None:
            self._moved = True
            self._pause.ring()

    def _look(self) -> None:
        self._moved = False
        if self._layer is None:
            return
        if not self._layer.visible:
            self.feed.rest()
            return
        found = self._camera()
        if found is None:
            self.feed.rest()
        else:
            self.feed.look(*found, MOST)

    def _camera(self) -> tuple[Camera | VolumeCamera, dict[str, float]] | None:
        """Where napari looks, in the world of the points; and how thick a slice it shows."""
        viewer, shown, points = self._viewer, self._layer, self.layer.points
        dims, camera = viewer.dims, viewer.scene.camera
        first = dims.ndim - shown.ndim
        axes = [axis - first for axis in dims.displayed]
        height, width = viewer.canvas.size
        if min(axes) < 0 or min(height, width, camera.zoom) <= 0:
            return None
        full = np.linalg.inv(world_matrix(viewer, shown))
        inverse = np.vstack([full[:-1] * self.scale[:, np.newaxis], full[-1:]])
        point = np.asarray(dims.point, np.float64)[first:]
        point[axes] = camera.center[-len(axes) :]
        here = inverse @ [*point, 1.0]
        names = points.axis_names
        thickness, position = {}, {}
        for axis, name in enumerate(names):
            if axis in axes:
                continue
            before, behind = dims.margin_left[axis + first], dims.margin_right[axis + first]
            if str(shown.projection_mode) == "none":
                before = behind = 0.0
            middle, deep = (behind - before) / 2, before + behind
            length = float(abs(inverse[axis, axis]))
            thickness[name] = deep * length if deep > 0 else float(self.scale[axis])
            position[name] = float(here[axis]) + middle * length
        linear = inverse[np.ix_(axes, axes)]
        size = abs(float(np.linalg.det(linear))) ** (1 / len(axes))
        center, displayed = tuple(here[axes].tolist()), tuple(names[axis] for axis in axes)
        zoom = float(camera.zoom) / size
        if len(axes) == 3:
            return (
                VolumeCamera(
                    center,
                    zoom,
                    (math.ceil(width * BEYOND), math.ceil(height * BEYOND)),
                    orientation_of(camera),
                    float(camera.perspective),
                    position,
                    displayed,
                ),
                thickness,
            )
        # What a turned or stretched window covers.
        half = np.abs(linear) @ np.array([height, width]) / size * BEYOND
        high, wide = (math.ceil(side) for side in half)
        return Camera(center, zoom, (wide, high), position, displayed), thickness

    # What has come

    def _ring(self) -> None:
        """On the loop: there is a better sample."""
        self._due = True
        if (bell := self._bell) is not None:
            bell.ring()

    def _redraw(self) -> None:
        self._due = False
        layer, sample = self._layer, self.feed.sample
        if layer is None or sample is None:
            return
        layer.selected_data = set()
        layer.data = np.concatenate([self._corners, sample[POSITION] / self.scale])
        layer.features = self._features(np.concatenate([np.zeros(2, sample.dtype), sample]))
        if self.layer.size_by is not None:
            layer.size = np.concatenate([[self.layer.size] * 2, self._sizes(sample)])
        self._colour_borders()

    def _colour_borders(self, _: Any = None) -> None:
        layer = self._layer
        if not np.array_equal(layer.border_color, layer.face_color):
            layer.border_color = layer.face_color

    @property
    def _corners(self) -> Floats:
        """Of all points, in napari's coordinates."""
        corners: Floats = np.array(self.layer.points.extent, np.float64).T / self.scale
        return corners

    def _features(self, records: Array) -> dict[str, Any]:
        return {one.name: _values(one, records[one.name]) for one in self.layer.points.properties}

    def _sizes(self, sample: Array) -> Floats:
        """Diameters, in napari's coordinates."""
        pixel = self._viewer.scene.camera.zoom if self.layer.unit == "screen" else 1.0
        sizes: Floats = self.layer.sizes_of(sample[self.layer.size_by or ""]) / pixel
        return sizes

    def _colours(self) -> dict[str, Any]:
        """How napari colours the points."""
        layer = self.layer
        if layer.colour_by is None:
            return {"face_color": layer.colour}
        known = layer.points.property(layer.colour_by)
        if known.categories:
            found = colours(np.arange(1, len(known.categories) + 1, dtype=np.uint32))
            return {
                "face_color": known.name,
                "face_color_cycle": dict(zip(known.categories, found, strict=True)),
            }
        low, high = layer.contrast or known.range or (0.0, 1.0)
        return {
            "face_color": known.name,
            "face_colormap": layer.colormap,
            "face_contrast_limits": (low, high if high > low else low + 1),
        }


def dressed(points: Points) -> PointsLayer:
    """Points as a layer, coloured by their first property, and sized by one that is a size."""
    sizes = [
        one.name
        for one in points.properties
        if not one.categories and any(word in one.name.lower() for word in SIZES)
    ]
    others = [one.name for one in points.properties if one.name not in sizes[:1]]
    return PointsLayer(
        points.name,
        points,
        size=DISC,
        colour_by=others[0] if others else None,
        size_by=sizes[0] if sizes else None,
    )


def _step(points: Points, axis: int) -> float:
    """The length that a slider moves by, and that a slice is thick, along an axis."""
    low, high = points.extent[axis]
    step = points.steps[axis] if points.steps else 0.0
    name = points.axis_names[axis]
    if name in ("y", "x"):  # one and the same, so that discs are round
        return 1.0
    return step or (high - low) / SLICES or 1.0


def _values(known: Property, values: Array) -> Any:
    if not known.categories:
        return values
    import pandas  # type: ignore[import-untyped]

    return pandas.Categorical.from_codes(values.astype(np.int64), list(known.categories))


def _warn(sentence: str) -> None:
    from napari.utils.notifications import show_warning  # type: ignore[import-untyped]

    show_warning(sentence)
