"""Transformation: a scale and a translation along each axis, as OME-Zarr's metadata say them.

OME-Zarr up to 0.5 knows no more than that. In 0.6 (RFC 5) a transformation may be a rotation, a
field of displacements and much else; those that are no more than a scale and a translation, however
they are written, are understood here, and the others are refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from opsin.errors import OpenError, Unsupported

DEPTH_LIMIT = 8
"""Transformations inside of transformations."""

_OTHERS = {
    "rotation": "a rotation",
    "affine": "an affine transformation",
    "mapAxis": "a change of the order of axes",
    "projectAxis": "a projection",
    "displacements": "a field of displacements",
    "coordinates": "a field of coordinates",
    "byDimension": "a transformation by dimension",
    "inverseOf": "the inverse of another",
}


@dataclass(frozen=True, slots=True)
class Transformation:
    """world = translation + scale · pixel, per axis."""

    scale: tuple[float, ...]
    translation: tuple[float, ...]

    @classmethod
    def identity(cls, count: int) -> Self:
        """The one that changes nothing, of `count` axes."""
        return cls((1.0,) * count, (0.0,) * count)

    def then(self, after: Transformation) -> Transformation:
        """First this one, then the other."""
        return Transformation(
            tuple(s * a for s, a in zip(self.scale, after.scale, strict=True)),
            tuple(
                t * s + a
                for t, s, a in zip(self.translation, after.scale, after.translation, strict=True)
            ),
        )

    def inverse(self) -> Transformation:
        """From the world to pixels."""
        return Transformation(
            tuple(1 / s for s in self.scale),
            tuple(-t / s for t, s in zip(self.translation, self.scale, strict=True)),
        )

    def checked(self, what: str) -> Self:
        """The same, if numbers can hold it.

        Raises:
            OpenError: they cannot; the message reads on from "The metadata of … ".
        """
        if not all(0 < s < math.inf for s in self.scale) or not all(
            map(math.isfinite, self.translation)
        ):
            raise OpenError(f"places {what} out of all bounds")
        return self


def parse_transformations(what: str, count: int, *lists: Any) -> Transformation:
    """The transformations of lists, one after the other; None stands for an empty list.

    Args:
        what: what is transformed, such as `level '0'`, for messages.
        count: the number of axes.
        lists: from outside.

    Raises:
        OpenError: they make no sense; the message reads on from "The metadata of … ".
        Unsupported: they are more than a scale and a translation; likewise.
    """
    found = Transformation.identity(count)
    for entries in lists:
        found = found.then(_sequence(entries, count, what, 0))
    return found.checked(what)


def _sequence(entries: Any, count: int, what: str, depth: int) -> Transformation:
    if entries is not None and not isinstance(entries, list):
        raise OpenError(f"has transformations of {what} that are not a list")
    found = Transformation.identity(count)
    for entry in entries or ():
        found = found.then(_one(entry, count, what, depth))
    return found


def _one(entry: Any, count: int, what: str, depth: int) -> Transformation:
    kind = entry.get("type") if isinstance(entry, Mapping) else None
    still = Transformation.identity(count)
    if kind == "identity":
        return still
    if kind == "scale":
        factors = _numbers(entry, kind, count, what)
        if any(factor <= 0 for factor in factors):
            raise OpenError(f"gives {what} the scale {list(factors)}, but a scale is positive")
        return Transformation(factors, still.translation)
    if kind == "translation":
        return Transformation(still.scale, _numbers(entry, kind, count, what))
    if kind in ("sequence", "byDimension", "bijection") and depth >= DEPTH_LIMIT:
        raise Unsupported(f"has transformations of {what} inside of {depth} others")
    if kind == "sequence":
        return _sequence(entry.get("transformations", []), count, what, depth + 1)
    if kind == "bijection":
        return _one(entry.get("forward"), count, what, depth + 1)
    if kind == "byDimension":
        return _by_dimension(entry, count, what, depth)
    if kind == "affine" and (known := _diagonal(entry.get("affine"), count, count + 1)):
        return known
    if kind == "rotation" and (known := _diagonal(entry.get("rotation"), count, count)):
        return known
    if kind == "mapAxis" and entry.get("mapAxis") == [*range(count)]:
        return still
    if isinstance(kind, str) and kind in _OTHERS:
        raise Unsupported(
            f"places {what} by {_OTHERS[kind]} ({kind}), but Opsin can scale and shift only"
        )
    raise OpenError(f"gives {what} a transformation of unknown type {kind!r}")


def _by_dimension(entry: Mapping[str, Any], count: int, what: str, depth: int) -> Transformation:
    """Transformations of some axes each, which stay the axes they are."""
    scale, translation = [1.0] * count, [0.0] * count
    parts = entry.get("transformations")
    missing = set(range(count))
    for part in parts if isinstance(parts, list) else []:
        axes = part.get("inputAxes") if isinstance(part, Mapping) else None
        if not isinstance(axes, list) or not all(type(a) is int for a in axes):
            raise OpenError(f"has a transformation by dimension of {what} that makes no sense")
        if axes != part.get("outputAxes"):
            raise Unsupported(f"changes the order of the axes of {what}, which Opsin cannot do")
        if not missing.issuperset(axes) or len(set(axes)) < len(axes):
            raise OpenError(f"has a transformation by dimension of {what} that makes no sense")
        missing.difference_update(axes)
        found = _one(part.get("transformation"), len(axes), what, depth + 1)
        for axis, s, t in zip(axes, found.scale, found.translation, strict=True):
            scale[axis], translation[axis] = s, t
    if missing:
        raise OpenError(f"has a transformation by dimension of {what} without some of its axes")
    return Transformation(tuple(scale), tuple(translation))


def _diagonal(rows: Any, count: int, width: int) -> Transformation | None:
    """A matrix that only scales and, if it is one wider than high, shifts; None if it does more."""
    if not isinstance(rows, list) or len(rows) != count:
        return None
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width or not all(map(_is_number, row)):
            return None
        if any(row[i] for i in range(count) if i != number) or row[number] <= 0:
            return None
    return Transformation(
        tuple(float(row[number]) for number, row in enumerate(rows)),
        tuple(float(row[count]) if width > count else 0.0 for row in rows),
    )


def _numbers(entry: Mapping[str, Any], kind: str, count: int, what: str) -> tuple[float, ...]:
    values: Sequence[Any] | None = entry.get(kind)
    if values is None and isinstance(entry.get("path"), str):
        raise Unsupported(f"keeps the {kind} of {what} in an array, where Opsin does not look")
    if not isinstance(values, list) or len(values) != count or not all(map(_is_number, values)):
        raise OpenError(f"gives {what} a {kind} that is not {count} numbers, one per axis")
    return tuple(float(v) for v in values)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300
