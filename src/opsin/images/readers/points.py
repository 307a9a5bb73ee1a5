"""Points: tables and indexes of them are no images, which this says."""

from __future__ import annotations

from opsin.errors import Unsupported
from opsin.images.image import Image
from opsin.images.points.reader import holds_points
from opsin.images.readers.address import Address

READS = "points (Parquet, CSV)"


def recognises(address: Address) -> bool:
    """Whether there are points at the address."""
    return holds_points(address)


def open(address: Address) -> tuple[Image, ...]:
    """Raise.

    Raises:
        Unsupported: always.
    """
    raise Unsupported(
        f"{address.text} holds points, which are no image: `opsin.open_points` opens them, and "
        "`opsin view`, `info` and `snapshot` show them."
    )
