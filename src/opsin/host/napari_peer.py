"""napari peer: the running napari of this user, and what it is asked, to show an image of ours.

`opsin.napari.service` is what answers. An image that was opened somewhere is opened there once
more, by its address; any other stays here, and napari reads the parts that it draws.
"""

from __future__ import annotations

from typing import Any

from opsin.errors import UsageError
from opsin.images.image import Image, Level
from opsin.images.points import Points
from opsin.images.points.layer import PointsLayer
from opsin.images.points.rows import rows_from_points
from opsin.images.source import Array
from opsin.rpc.lazy_source import LazySource
from opsin.rpc.offers import Offer, offers

NAME = "napari"
"""Of its offers."""
NONE_RUNS = (
    "No napari that works with Opsin is running on this computer: start napari, and open something "
    "in it with Opsin, or call opsin.napari.offer() in its console."
)

Request = tuple[str, dict[str, Any]]
"""A method of the service, and its arguments."""


def running(which: str | int | None = None) -> Offer:
    """The running napari that was started last, or the one with this process id or title.

    Raises:
        UsageError: none is running.
    """
    found = [one for one in offers(NAME) if which in (None, one.pid, str(one.pid), one.title)]
    if not found:
        raise UsageError(NONE_RUNS if which is None else f"No napari called {which} is running.")
    return found[0]


def request_for(image: Image, channel: int | None = None) -> tuple[Request, bool]:
    """What to ask napari, so that it shows an image, or one channel of it.

    And whether it can do without us from then on: else it is shown as long as the link lasts.
    """
    origin = image.origin
    if origin is not None:
        asked = {
            "address": origin.address,
            "number": origin.number,
            "kind": origin.kind,
            "channel": channel,
        }
        return ("open", asked), True
    described = {
        "levels": [_lazy(image, number) for number in range(len(image.levels))],
        "axes": list(image.axis_names),
        "units": [axis.unit for axis in image.axes],
        "scale": [list(level.scale) for level in image.levels],
        "translation": [list(level.translation) for level in image.levels],
        "name": image.name,
        "kind": image.kind,
        "rgb": image.rgb,
        "channel": channel,
    }
    return ("view_levels", described), False


def points_request_for(points: Points | PointsLayer) -> Request:
    """What to ask napari, so that it shows points. It can do without us from then on.

    Those that were opened somewhere are opened there once more, any others are sent.

    Raises:
        Unsupported: they are in no file, and too many to be sent.
    """
    name = points.name
    if isinstance(points, PointsLayer):
        points = points.points
    if points.origin is not None:
        return "open", {"address": points.origin.address}
    rows = rows_from_points(points, name)
    return "view_points", {"data": rows.columns, "name": name}


def _lazy(image: Image, number: int) -> LazySource:
    """One level of an image, which the other side reads as it needs it."""
    level: Level = image.levels[number]

    def read(index: tuple[slice, ...]) -> Array:
        bounds = [part.indices(size) for part, size in zip(index, level.shape, strict=True)]
        box = [slice(low, max(low, high)) for low, high, _ in bounds]
        return image.read(number, box)[tuple(slice(None, None, step) for _, _, step in bounds)]

    return LazySource(read, level.shape, image.dtype, level.chunks)
