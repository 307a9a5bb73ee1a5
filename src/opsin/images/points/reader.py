"""Reader: points from an index on the disk, from a small table, or from a formula."""

from __future__ import annotations

from pathlib import Path

from opsin.errors import NotFound, Unsupported
from opsin.images.points import Points
from opsin.images.points.document import points_of
from opsin.images.points.index import DOCUMENT, read_index
from opsin.images.points.memory import points_from_table
from opsin.images.points.parts import Parts
from opsin.images.points.table import is_table, needs_pyarrow
from opsin.images.readers.address import Address


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
    if place.path is None:
        raise Unsupported(f"{place.text} holds no points that can be read: give a local path.")
    if not place.path.exists():
        raise NotFound(f"There is nothing at {place.text}.")
    if is_index(place.path):
        return open_index(place.path)
    if is_table(place.path):
        return points_from_table(place.path)
    raise Unsupported(f"{place.text} holds no points: give an index, Parquet or CSV.")


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
