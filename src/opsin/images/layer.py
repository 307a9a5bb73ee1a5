"""Layer: an image as shown, with contrast, colour map, opacity, blending and visibility."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from opsin.images.image import Axis, Image, Level

Blending = Literal["translucent", "additive", "opaque", "minimum"]

CHANNEL_COLOURS = ("00ffff", "ff00ff", "ffff00", "ff0000", "00ff00", "0000ff")
"""Colours of channels whose file names none, in turn."""

NAMED = {
    "ffffff": "gray",
    "ff0000": "red",
    "00ff00": "green",
    "0000ff": "blue",
    "00ffff": "cyan",
    "ff00ff": "magenta",
    "ffff00": "yellow",
}
"""Colours that are colour maps under a name of their own."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One image, or one channel of it, and how it is drawn.

    `contrast` maps data values to 0…1 (None: not yet known, to be read off the coarsest level);
    `colormap` is a name that `opsin.render.colormaps` knows, or `#rrggbb` for black to a colour.
    Labels ignore contrast, gamma and colour map; RGB layers ignore the colour map.
    """

    name: str
    image: Image
    channel: int | None = None
    visible: bool = True
    opacity: float = 1.0
    contrast: tuple[float, float] | None = None
    gamma: float = 1.0
    colormap: str = "gray"
    blending: Blending = "translucent"

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Axes of the image that this layer shows or slides over: all but the channel axis."""
        return tuple(self.image.axes[i] for i in self.kept_axes)

    @property
    def kept_axes(self) -> tuple[int, ...]:
        """Positions, in the image, of `axes`."""
        dropped = self.image.channel_axis
        return tuple(i for i in range(len(self.image.axes)) if i != dropped)

    def level(self, level: int) -> Level:
        """Geometry of a level along `axes` only."""
        full = self.image.levels[level]
        kept = self.kept_axes
        return Level(
            shape=tuple(full.shape[i] for i in kept),
            chunks=tuple(full.chunks[i] for i in kept),
            scale=tuple(full.scale[i] for i in kept),
            translation=tuple(full.translation[i] for i in kept),
        )


def layers_of_all(images: Iterable[Image]) -> tuple[Layer, ...]:
    """The layers of images that were opened together, from one address.

    Labels that come with an image start hidden, as in napari: the image is what was asked for.
    """
    together = tuple(images)
    hide = any(image.kind == "image" for image in together)
    return tuple(
        replace(layer, visible=False) if hide and image.kind == "labels" else layer
        for image in together
        for layer in layers_of(image)
    )


def layers_of(image: Image) -> tuple[Layer, ...]:
    """The layers that an image opens as: one per channel, or one.

    uint8 and RGB images get their full range as contrast limits, as other viewers do. An image
    without a channel axis may still name its one channel, with window and colour.
    """
    if image.kind == "labels":
        return (Layer(image.name, image, opacity=0.7),)
    full = (0.0, 255.0) if image.dtype == np.uint8 else None
    axis = image.channel_axis
    if image.rgb:
        return (Layer(image.name, image, contrast=full),)
    if axis is None:
        layer = Layer(image.name, image, contrast=full)
        if len(image.channels) != 1:
            return (layer,)
        (only,) = image.channels
        return (replace(layer, contrast=only.window or full, colormap=_colormap(only.colour)),)
    count = image.shape[axis]
    layers: list[Layer] = []
    for number in range(count):
        channel = image.channels[number] if number < len(image.channels) else None
        name = channel.name if channel is not None else f"channel {number}"
        colour = channel.colour if channel is not None else None
        if colour is None:
            colour = CHANNEL_COLOURS[number % len(CHANNEL_COLOURS)] if count > 1 else None
        layer = Layer(
            f"{name} · {image.name}" if count > 1 else image.name,
            image,
            channel=number,
            contrast=full,
            colormap=_colormap(colour),
            blending="additive" if count > 1 else "translucent",
        )
        if channel is not None:
            layer = replace(layer, visible=channel.visible, contrast=channel.window or full)
        layers.append(layer)
    return tuple(layers)


def _colormap(colour: str | None) -> str:
    """The colour map from black to a colour; `gray` where none is given."""
    if colour is None:
        return "gray"
    return NAMED.get(colour.lower(), f"#{colour.lower()}")
