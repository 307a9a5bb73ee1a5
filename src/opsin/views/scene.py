"""Scene: the layers that can be looked at, by id, shared by all views of a server."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from opsin.chunks.brick import brick_side, display_dtype, samples
from opsin.images.layer import Layer
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
        self.notices: list[Notice] = []
        self._expected: set[int] = set()
        self.revision = 0
        self._listeners: list[Callable[[], None]] = []

    def expect(self, number: int) -> None:
        """A layer of this id is being opened, and will be put here."""
        self._expected.add(number)

    def put(self, number: int, layer: Layer, image: int, volume: Layer | None = None) -> None:
        """Add a layer under an id, or replace the one that has it; `volume` if 3D differs."""
        self._expected.discard(number)
        self.layers[number] = layer
        self.volumes[number] = volume or layer
        self.images[number] = image
        self.revision += 1
        self._tell()

    def remove(self, number: int) -> tuple[Layer, int]:
        """Take a layer out; gives it back, with the number of its image.

        Raises:
            KeyError: there is none of that id.
        """
        removed = self.layers.pop(number), self.images.pop(number)
        del self.volumes[number]
        self.revision += 1
        self._tell()
        return removed

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
