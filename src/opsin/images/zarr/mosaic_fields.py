"""Mosaic fields: which field of which well lies where in a mosaic, and the arrays of each.

Only the first field is read when a mosaic is opened: there may be thousands of others. These are
taken to be like it, and are checked when somebody looks at them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from opsin.errors import Corrupt, OpenError
from opsin.images.image import Level
from opsin.images.ome_metadata import parse_multiscale
from opsin.images.store import Store
from opsin.images.zarr.array import ZarrArray, array_of, read_json
from opsin.images.zarr.node import attributes_of
from opsin.images.zarr.plate_metadata import parse_well

Place: TypeAlias = tuple[int, int]
"""Row and column of a field in the mosaic."""


@dataclass(frozen=True)
class Wells:
    """Wells in rows and columns, and fields in rows and columns of each well."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    paths: Mapping[tuple[int, int], str]
    """Path of the well at a row and column, below the store."""
    fields: Mapping[tuple[int, int], int]
    """Number of the field at a row and column of its well."""
    grid: tuple[int, int]
    """Rows and columns of fields in a well."""
    names: tuple[str, ...]
    """Paths of the fields below their well, in the first well."""
    acquisition: int | None = None
    """The one whose fields are shown, where a well names several."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of fields in the mosaic."""
        return len(self.rows) * self.grid[0], len(self.columns) * self.grid[1]

    def at(self, place: Place) -> tuple[str, int] | None:
        """Path of the well and number of the field at a place; None where there is none."""
        row, inner_row = divmod(place[0], self.grid[0])
        column, inner_column = divmod(place[1], self.grid[1])
        well = self.paths.get((row, column))
        number = self.fields.get((inner_row, inner_column))
        return None if well is None or number is None else (well, number)

    def named(self, value: Any) -> tuple[str, ...]:
        """Paths of the fields that the attribute `well` names, of the acquisition that is shown."""
        found = parse_well(value)
        chosen = [one.path for one in found if one.acquisition in (None, self.acquisition)]
        return tuple(chosen or (one.path for one in found))


@dataclass(frozen=True)
class Reference:
    """The first field, which the others are like."""

    below: str
    """Path of the image below its field: '' or `labels/nuclei`."""
    paths: tuple[str, ...]
    """Of the arrays of the levels, below the image."""
    metadata: tuple[Mapping[str, Any], ...]
    """Of these arrays, as they are stored."""
    arrays: tuple[ZarrArray, ...]
    levels: tuple[Level, ...]
    v3: bool
    """Whether it is of zarr format 3."""


class Fields:
    """The fields of a mosaic. Safe under many threads and event loops; closes nothing."""

    def __init__(
        self,
        store: Store,
        wells: Wells,
        reference: Reference,
        names: Mapping[str, tuple[str, ...]] | None = None,
        arrays: Mapping[tuple[Place, int], ZarrArray] | None = None,
    ) -> None:
        """Take what is known from the first field, and of names and arrays that are others."""
        self.wells = wells
        self.reference = reference
        self._store = store
        self._names = dict(names or {})
        """Paths of the fields of wells that were read."""
        self._images: dict[Place, str | Corrupt | None] = {}
        """Paths of images that were checked, or what is wrong with them; None: not there."""
        self._arrays: dict[tuple[Place, int], ZarrArray | Corrupt | None] = dict(arrays or {})
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[object, asyncio.Lock]] = (
            WeakKeyDictionary()
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """The same fields, as another process decodes them: with what is not like the first."""
        alike = [array.metadata for array in self.reference.arrays]
        others = {
            (place, level): array
            for (place, level), array in [*self._arrays.items()]
            if isinstance(array, ZarrArray) and array.metadata is not alike[level]
        }
        names = {well: found for well, found in [*self._names.items()] if found != self.wells.names}
        return Fields, (self._store, self.wells, self.reference, names, others)

    def trusted(self, place: Place, level: int) -> ZarrArray | None:
        """The array of a level of a field, if it is like the first, by what is known without I/O.

        Raises:
            Corrupt: it is known not to be.
        """
        array = self._arrays.get((place, level))
        if isinstance(array, Corrupt):
            raise array
        path = self._path(place)
        return array if array is not None or path is None else self._array(path, level)

    async def checked(self, place: Place, level: int) -> ZarrArray | None:
        """The array of a level of a field; None if it is not there.

        Raises:
            Corrupt: it is not like that of the first field, which the mosaic is made for.
            ReadError: the store failed.
        """
        key = (place, level)
        if key not in self._arrays:
            async with self._lock(place):
                if key not in self._arrays:
                    try:
                        self._arrays[key] = await self._check(place, level)
                    except OpenError as error:
                        self._arrays[key] = Corrupt(str(error))
                    except Corrupt as error:
                        self._arrays[key] = error
        array = self._arrays[key]
        if isinstance(array, Corrupt):
            raise array
        return array

    def at(self, place: Place, level: int) -> ZarrArray:
        """The array that `checked` gave, perhaps in another process."""
        array = self.trusted(place, level)
        assert array is not None
        return array

    async def read_well(self, place: Place) -> tuple[str, ...]:
        """Paths of the fields of the well at a place, below it; none if it is not there.

        Raises:
            Corrupt: its metadata makes no sense.
            ReadError: the store failed.
        """
        found = self.wells.at(place)
        if found is None:
            return ()
        well = found[0]
        if well not in self._names:
            async with self._lock(well):
                if well not in self._names:
                    try:
                        said = await attributes_of(self._store, well, v3=self.reference.v3)
                    except OpenError as error:
                        raise Corrupt(str(error)) from error
                    named = () if said is None else self.wells.named(said.get("well"))
                    self._names[well] = named
        return self._names[well]

    def _lock(self, key: object) -> asyncio.Lock:
        """A lock of the running loop: two loops may read the same thing, which does no harm."""
        locks = self._locks.setdefault(asyncio.get_running_loop(), {})
        return locks.setdefault(key, asyncio.Lock())

    def _path(self, place: Place) -> str | None:
        """Where the image at a place is, as far as is known; None: there is none."""
        found = self.wells.at(place)
        if found is None:
            return None
        well, number = found
        names = self._names.get(well, self.wells.names)
        if number >= len(names):
            return None
        return joined(well, names[number], self.reference.below)

    def _array(self, path: str, level: int) -> ZarrArray:
        where = joined(path, self.reference.paths[level])
        return ZarrArray(self._store, where, self.reference.arrays[level].metadata)

    async def _check(self, place: Place, level: int) -> ZarrArray | None:
        reference = self.reference
        guess = self._path(place)
        metadata: Mapping[str, Any] | None = None
        if place in self._images:
            path = self._images[place]
        elif guess is None:
            path = self._images[place] = await self._check_image(place)
        else:
            # As a rule the guess is right, and all that is needed comes at once.
            found, metadata = await asyncio.gather(
                self._check_image(place), self._metadata(guess, level), return_exceptions=True
            )
            if isinstance(found, BaseException):
                raise found
            path = self._images[place] = found
        if isinstance(path, Corrupt):
            raise path
        if path is None:
            return None
        if path != guess or not isinstance(metadata, Mapping):
            metadata = await self._metadata(path, level)
        if metadata is None:
            return None
        known = reference.arrays[level].metadata
        if metadata == reference.metadata[level]:
            return self._array(path, level)
        where = joined(path, reference.paths[level])
        array = array_of(self._store, where, metadata, v3=reference.v3)
        for what, its, first in (
            ("has the shape", _sizes(array.metadata.shape), _sizes(known.shape)),
            ("has chunks of", _sizes(array.metadata.chunks), _sizes(known.chunks)),
            ("is", array.metadata.dtype.name, known.dtype.name),
        ):
            if its != first:
                raise self._differs(place, f"{what} {its}, not {first} as the first")
        return array

    async def _check_image(self, place: Place) -> str | Corrupt | None:
        """Path of the image at a place, if its levels are called and scaled as those of the first.

        Raises:
            ReadError: the store failed.
        """
        reference = self.reference
        try:
            await self.read_well(place)
            path = self._path(place)
            attributes = None
            if path is not None:
                attributes = await attributes_of(self._store, path, v3=reference.v3)
            if attributes is None:
                return None
        except (Corrupt, OpenError) as error:
            return Corrupt(str(error))
        entries = attributes.get("multiscales")
        try:
            if not isinstance(entries, list) or not entries:
                raise OpenError("has no 'multiscales'")
            multiscale = parse_multiscale(entries[0])
        except OpenError as error:
            return self._differs(place, f"{error}")
        placed = {one.path: one.placed for one in multiscale.datasets}
        for name, level in zip(reference.paths, reference.levels, strict=True):
            if name not in placed:
                return self._differs(place, f"has no level {name!r}")
            its = placed[name]
            if its is not None and not _alike(its.scale, level.scale):
                first = ", ".join(f"{n:g}" for n in level.scale)
                mine = ", ".join(f"{n:g}" for n in its.scale)
                return self._differs(place, f"has the scale {mine}, not {first} as the first")
        return path

    async def _metadata(self, path: str, level: int) -> Mapping[str, Any] | None:
        name = "zarr.json" if self.reference.v3 else ".zarray"
        return await read_json(self._store, joined(path, self.reference.paths[level], name))

    def _differs(self, place: Place, what: str) -> Corrupt:
        found = self.wells.at(place)
        assert found is not None
        well = f"well {found[0]}" if found[0] else self._store.where
        return Corrupt(f"Field {found[1]} of {well} {what}, so it is not shown: open it alone.")


def joined(*parts: str) -> str:
    """Parts of a path, of which some may be empty, as one path."""
    return "/".join(part for part in parts if part)


def _sizes(numbers: tuple[int, ...]) -> str:
    return " × ".join(map(str, numbers))


def _alike(its: tuple[float, ...], first: tuple[float, ...]) -> bool:
    return len(its) == len(first) and all(
        math.isclose(a, b, rel_tol=1e-6) for a, b in zip(its, first, strict=True)
    )
