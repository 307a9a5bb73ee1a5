"""Reader: points from an index on the disk, from a small table, or from a formula."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsin.errors import NotFound, Unsupported, UsageError
from opsin.images.image import Origin
from opsin.images.points import Points
from opsin.images.points.document import points_of
from opsin.images.points.index import DOCUMENT, read_index
from opsin.images.points.memory import points_from_table
from opsin.images.points.parts import Parts
from opsin.images.points.table import is_table, needs_pyarrow
from opsin.images.readers.address import Address
from opsin.images.synthetic.points import synthetic_points


def open_points(address: str | Path) -> Points:
    """Open the points at a local path, or those of a formula.

    The caller closes them (they are a context manager). Points are read only when they are asked
    for; but a table that is no index is read whole, if it is small.

    Raises:
        NotFound: there is nothing at the address.
        Unsupported: there are no points, or too many for a table without an index.
        OpenError: they cannot be opened for another reason, such as damage.
    """
    place = Address.parse(address)
    return replace(_opened(place), origin=Origin(place.whole))


def _opened(place: Address) -> Points:
    if place.formula is not None:
        return _computed(place)
    if place.path is None:
        raise Unsupported(f"{place.text} holds no points that can be read: give a local path.")
    if not place.path.exists() or place.inner:
        raise NotFound(f"There is nothing at {place.text}.")
    if is_index(place.path):
        return open_index(place.path)
    if is_table(place.path):
        return points_from_table(place.path)
    raise Unsupported(f"{place.text} holds no points: give an index, Parquet or CSV.")


def holds_points(place: Address) -> bool:
    """Whether `open_points` is the one for an address, and not `open_images`."""
    if place.formula is not None:
        return place.formula.partition(",")[0] == "points"
    if place.path is None:
        return False
    with suppress(OSError):  # whoever opens it says what is wrong
        return is_index(place.path) or is_table(place.path)
    return False


def is_index(path: Path) -> bool:
    """Whether a folder is an index of points."""
    return (path / DOCUMENT).is_file()


def open_index(folder: Path) -> Points:
    """The points of an index.

    Raises:
        OpenError: it is damaged.
        Unsupported: pyarrow is missing, or it is of a later version.
    """
    needs_pyarrow("Points are read")
    index = read_index(folder)
    document = index.document
    names = tuple(entry.name for entry in document.properties)
    return points_of(document, index.tree, Parts(folder, index, names))


def _computed(place: Address) -> Points:
    """`synthetic:points,axes=zyx,size=4096,count=1000`."""
    assert place.formula is not None
    name, *settings = place.formula.split(",")
    if name != "points":
        raise NotFound(f"There is no {place.text}: points are synthetic:points.")
    given: dict[str, Any] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        try:
            if key in given:
                raise ValueError
            given[key] = _SETTINGS[key](value)
        except (KeyError, ValueError):
            raise Unsupported(
                f"{place.text} cannot be made: settings are axes, count and size, as in "
                "synthetic:points,axes=zyx,size=4096,count=1000000."
            ) from None
    try:
        return synthetic_points(**given)
    except UsageError as error:
        raise Unsupported(f"{place.text} cannot be made. {error}") from error


def _whole(text: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", text):
        raise ValueError
    return int(text)


def _sides(text: str) -> int | tuple[int, ...]:
    sides = tuple(map(_whole, text.split("x")))
    return sides[0] if len(sides) == 1 else sides


_SETTINGS: Mapping[str, Callable[[str], Any]] = {"axes": str, "count": _whole, "size": _sides}
