"""Scene: the layers that can be looked at, by id, shared by all views of a server."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from opsin.chunks.brick import brick_side, display_dtype, samples
from opsin.images.layer import Layer
from opsin.images.points import Points
from opsin.images.points.layer import PointsLayer
from opsin.views.messages import (
    AxisInfo,
    Defaults,
    LayerInfo,
    LevelInfo,
    Notice,
    SceneMessage,
    Severity,
    plain_text,
)
from opsin.views.points_messages import points_info

LoadPoints = Callable[[Points], int]
"""Makes points loadable; their number in the loader."""


class Scene:
    """Layers by id (a higher id is drawn over a lower one), and what the user was told about them.

    `images` gives the number of each layer's image in the loader, and `volumes` what each layer is
    in 3D, where it may have more levels behind its own. A scene tells its listeners when it
    changes; `revision` rises when layers do.
    """

    def __init__(self) -> None:
        self.layers: dict[int, Layer] = {}
        self.volumes: dict[int, Layer] = {}
        self.images: dict[int, int] = {}
        self.points: dict[int, PointsLayer] = {}
        self._load_points: dict[int, LoadPoints] = {}
        self._points_numbers: dict[tuple[int, tuple[str, ...]], int] = {}
        self.notices: list[Notice] = []
        self._expected: set[object] = set()
        self.revision = 0
        self._listeners: list[Callable[[], None]] = []

    def expect(self, what: object) -> None:
        """Something is being opened: a layer of this id, or whatever this stands for."""
        self._expected.add(what)

    def expect_no_more(self, what: object) -> None:
        """It is here, or does not come."""
        self._expected.discard(what)
        self._tell()

    def put(self, number: int, layer: Layer, image: int, volume: Layer | None = None) -> None:
        """Add a layer under an id, or replace the one that has it; `volume` if 3D differs."""
        self._expected.discard(number)
        self.layers[number] = layer
        self.volumes[number] = volume or layer
        self.images[number] = image
        self.revision += 1
        self._tell()

    def remove(self, number: int) -> Callable[[], None]:
        """Take a layer of any kind out; what comes back puts it in again.

        Raises:
            KeyError: there is none of that id.
        """
        if number in self.points:
            points, load = self.points.pop(number), self._load_points.pop(number)
            back = partial(self.put_points, number, points, load)
        else:
            layer, volume = self.layers.pop(number), self.volumes.pop(number)
            back = partial(self.put, number, layer, self.images.pop(number), volume)
        self.revision += 1
        self._tell()
        return back

    def put_points(self, number: int, layer: PointsLayer, load: LoadPoints) -> None:
        """Add a layer of points under an id; `load` makes them loadable, and gives a number."""
        self._expected.discard(number)
        self.points[number] = layer
        self._load_points[number] = load
        self.revision += 1
        self._tell()

    def number_of_points(self, number: int, properties: tuple[str, ...]) -> int:
        """The number in the loader of a layer's points, with these properties only.

        Raises:
            KeyError: there is no such layer of points.
        """
        key = (number, properties)
        if key not in self._points_numbers:
            points = self.points[number].points.with_properties(*properties)
            self._points_numbers[key] = self._load_points[number](points)
        return self._points_numbers[key]

    def layers_by_image(self) -> dict[int, int]:
        """Ids of layers by the numbers of their images, or of their points, in the loader."""
        found = {image: number for number, image in reversed(self.images.items())}
        numbers = self._points_numbers.items()
        found.update({image: n for (n, _), image in numbers if n in self.points})
        return found

    def notify(self, severity: Severity, text: str) -> None:
        """Tell the user something, now and whenever a view opens."""
        self.notices.append(Notice(severity, plain_text(text)))
        self._tell()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every change, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def message(self, told: int = 0) -> SceneMessage:
        """The scene as canvases get it, with the notices after the first `told`."""
        layers = tuple(
            describe(number, layer, self.volumes[number])
            for number, layer in sorted(self.layers.items())
        )
        layers += tuple(describe_points(n, layer) for n, layer in self.points.items())
        layers = tuple(sorted(layers, key=lambda layer: layer.id))
        return SceneMessage(layers, len(self._expected), tuple(self.notices[told:]))

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()


def describe(number: int, layer: Layer, volume: Layer | None = None) -> LayerInfo:
    """A layer as canvases get it, with what it is in 3D."""
    image = layer.image
    low, high = layer.contrast or dtype_range(layer)
    contrast = (_finite(low), _finite(high))
    span = slider_range(layer, contrast)
    levels = [_level(layer, i) for i in range(len(image.levels))]
    deeper = range(len(levels), len(volume.image.levels)) if volume else ()
    return LayerInfo(
        id=number,
        name=plain_text(layer.name),
        kind="labels" if image.kind == "labels" else "rgb" if image.rgb else "image",
        dtype=display_dtype(layer).name,
        data_dtype=image.dtype.name,
        samples=samples(layer),
        axes=tuple(
            AxisInfo(plain_text(axis.name), axis.type, axis.unit and plain_text(axis.unit))
            for axis in layer.axes
        ),
        levels=tuple(levels),
        deeper=tuple(_level(volume, i) for i in deeper) if volume else (),
        defaults=Defaults(
            visible=layer.visible,
            opacity=layer.opacity,
            contrast=contrast,
            gamma=layer.gamma,
            colormap=layer.colormap,
            blending=layer.blending,
        ),
        range=(_finite(span[0]), _finite(span[1])),
        brick=brick_side(layer),
    )


def _level(layer: Layer, number: int) -> LevelInfo:
    level = layer.level(number)
    return LevelInfo(level.shape, level.scale, level.translation)


def describe_points(number: int, layer: PointsLayer) -> LayerInfo:
    """A layer of points as canvases get it."""
    level, names = layer.level(0), {one.name: one for one in layer.points.properties}
    coloured = names.get(layer.colour_by or "")
    low, high = layer.contrast or (coloured and coloured.range) or (0.0, 1.0)
    contrast = (_finite(low), _finite(high))
    return LayerInfo(
        id=number,
        name=plain_text(layer.name),
        kind="points",
        dtype="float32",
        data_dtype="points",
        samples=1,
        axes=tuple(
            AxisInfo(plain_text(axis.name), axis.type, axis.unit and plain_text(axis.unit))
            for axis in layer.axes
        ),
        levels=(LevelInfo(level.shape, level.scale, level.translation),),
        defaults=Defaults(
            visible=layer.visible,
            opacity=layer.opacity,
            contrast=contrast,
            gamma=layer.gamma,
            colormap=layer.colormap,
            blending=layer.blending,
            size=layer.size,
            unit=layer.unit,
            colour=layer.colour,
            colour_by=layer.colour_by,
            size_by=layer.size_by,
            thickness=dict(layer.thickness),
        ),
        range=contrast,
        points=points_info(layer.points),
    )


def _finite(value: float) -> float:
    """A value as float32 can hold it, which is what is drawn; NaN becomes 0."""
    largest = float(np.finfo(np.float32).max)
    return 0.0 if math.isnan(value) else min(max(value, -largest), largest)


def dtype_range(layer: Layer) -> tuple[float, float]:
    """All values that a layer's dtype can hold; 0 to 1 for floats."""
    dtype = layer.image.dtype
    if dtype.kind in "iu":
        info = np.iinfo(dtype.name)
        return float(info.min), float(info.max)
    return 0.0, 1.0


def slider_range(layer: Layer, contrast: tuple[float, float]) -> tuple[float, float]:
    """What a contrast slider spans: the whole dtype if small, else a round range above the data."""
    low, high = contrast
    if layer.image.dtype.itemsize == 1 and layer.image.dtype.kind in "iu":
        return dtype_range(layer)
    if layer.image.dtype.kind == "u":
        _, largest = dtype_range(layer)
        return 0.0, min(largest, float(2 ** math.ceil(math.log2(max(high, 1.0) + 1)) - 1))
    margin = max((high - low) / 2, 1e-12)
    return low - margin, high + margin
