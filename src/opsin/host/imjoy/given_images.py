"""Given images: what plugins of ImJoy get of images, and where that lies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from opsin.errors import UsageError
from opsin.host.imjoy.pictures import Place
from opsin.host.inputs import lazy_part, metadata_of, read_part
from opsin.host.selection import Given, Part, Where, select
from opsin.plugins.manifest import Input, Operation

LARGEST = 2**25
"""Bytes of an image that is handed over whole; of a larger one parts are read as needed."""


async def give_images(
    layers: Mapping[str, Given], where: Where, axes: str = ""
) -> tuple[dict[str, Any], Place]:
    """The pixels of layers by the names that the plugin has for them, and of the first one `name`,
    `axes`, `scale`, `translation` and `units`.

    Args:
        axes: of what it gets, a plane (`yx`, also if left out) or a volume (`zyx`).

    Raises:
        UsageError: that is more than one plane or volume, they lie apart, or have no such axes.
        ReadError: they cannot be read.
    """
    inputs = tuple(Input(name=name, kind="image", title=name, axes=axes or None) for name in layers)
    taken = Operation(name="run", title="The plugin", inputs=inputs)
    selection = select(taken, layers, where)
    if selection.calls > 1:
        loops = ", ".join(selection.loops)
        raise UsageError(
            f"A plugin of ImJoy gets one plane or volume, and there are {selection.calls} of them "
            f"along {loops}."
        )
    names = selection.axes
    boxes = {name: selection.box(name, (0,) * len(selection.loops)) for name in layers}
    data = {name: await _pixels(box, names) for name, box in boxes.items()}
    about = metadata_of(next(iter(boxes.values())), names)
    told = {key: list(about[key]) for key in ("scale", "translation", "units")}
    place = Place(selection.shape, names, about["scale"], about["translation"], about["units"])
    return {**data, "name": about["name"], "axes": "".join(names), **told}, place


async def _pixels(box: Part, axes: tuple[str, ...]) -> Any:
    """The pixels along `axes`; of many, an array that is read as needed."""
    pixels = math.prod(box.shape[box.names.index(name)] for name in axes)
    is_large = pixels * box.layer.image.dtype.itemsize > LARGEST
    return lazy_part(box, axes) if is_large else await read_part(box, axes)
