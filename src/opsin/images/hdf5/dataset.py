"""Datasets: the chunks of one HDF5 dataset, read around HDF5's one lock wherever that is possible.

HDF5 lets one thread work at a time, decompression included. So it is only asked where chunks lie;
bytes are read from the file itself and decoded here. What needs HDF5 itself (rare filters, small
compact datasets, numbers of odd formats) is read through it, one chunk after the other.
"""

from __future__ import annotations

import importlib
import math
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import numpy as np

from opsin.errors import Corrupt, Unreachable, Unsupported
from opsin.images.hdf5.file import Hdf5File, path_of
from opsin.images.hdf5.filters import Filters, filter_name, filters_of
from opsin.images.source import Array, Encoded, Index, contiguous
from opsin.images.text import shown
from opsin.images.virtual_grid import virtual_chunks

if TYPE_CHECKING:
    import h5py

TABLE_LIMIT = 200_000
"""Of up to so many chunks it is found out at once where they lie (3 µs each)."""

_AXES_LIMIT = 32


class Dataset(Protocol):
    """Chunks of one dataset, by chunk index. Safe on any thread."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[np.generic]
    """In native byte order."""
    codec: str
    """How chunks are stored, for people."""
    lock_free: bool
    """Whether reading a chunk never waits for those who read others."""

    def fetch(self, index: Index) -> Encoded | None:
        """What is stored of a chunk; None for one that is not stored.

        Raises:
            Unreachable: the file cannot be read.
            Corrupt: what is stored cannot be the chunk.
        """

    def decode(self, index: Index, encoded: Encoded | None) -> Array:
        """The chunk, clipped to the dataset's shape, in native byte order and C order.

        Raises:
            Corrupt: `encoded` is not such a chunk.
        """

    @property
    def transient_bytes(self) -> int:
        """Memory that reading a chunk takes at most beside its result."""


def open_dataset(
    file: Hdf5File, dataset: h5py.Dataset, chunks: tuple[int, ...] | None = None
) -> Dataset:
    """The chunks of a dataset, in its own grid or that of `chunks`.

    Raises:
        Unsupported: its values are no pixels, or lie where they cannot be read.
    """
    import h5py

    name = shown(path_of(dataset))
    check_pixels(file, dataset)
    made = dataset.id.get_create_plist()
    if made.get_layout() == h5py.h5d.VIRTUAL:
        raise Unsupported(
            f"{name} in {file.name} is put together from other datasets: open those instead."
        )
    if made.get_external_count() > 0:
        raise Unsupported(
            f"The values of {name} lie outside {file.name}, and other files are not followed: copy "
            "them into it with h5repack."
        )
    plain = dataset.id.get_type() == h5py.h5t.py_create(dataset.dtype, logical=True)
    own = dataset.chunks if made.get_layout() == h5py.h5d.CHUNKED else None
    if own is not None:
        applied = [
            (made.get_filter(i)[0], made.get_filter(i)[2]) for i in range(made.get_nfilters())
        ]
        size = math.prod(own) * dataset.dtype.itemsize
        filters = filters_of(applied, size)
        if filters is not None and plain and chunks in (None, own):
            return Stored(file, dataset, name, own, filters)
        _check_available(file, name, [code for code, _ in applied])
    elif plain and made.get_layout() == h5py.h5d.CONTIGUOUS and chunks is None:
        return Contiguous(file, dataset, name)
    grid = chunks or own or virtual_chunks(dataset.shape, dataset.dtype.itemsize)
    return Slices(file, dataset, name, grid)


def check_pixels(file: Hdf5File, dataset: h5py.Dataset) -> None:
    """Check that the values of a dataset can be shown.

    Raises:
        Unsupported: they cannot.
    """
    reason = why_no_pixels(dataset)
    if reason is not None:
        raise Unsupported(f"{shown(path_of(dataset))} in {file.name} is no image: {reason}.")


def why_no_pixels(dataset: h5py.Dataset) -> str | None:
    """Why the values of a dataset cannot be shown, as what reads on from "it is no image: "."""
    try:
        shape, dtype = dataset.shape, dataset.dtype
    except Exception as error:
        return f"its values are of a type that h5py does not know ({error})"
    kinds = {"O": "text or references", "S": "text", "U": "text", "V": "records", "c": "complex"}
    if shape is None:
        return "it is empty"
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        said = kinds.get(dtype.kind, dtype.name)
        return f"its values are {said}" + (" numbers" if said == "complex" else "")
    if len(shape) < 2 or len(shape) > _AXES_LIMIT:
        return f"it has {len(shape)} axes, but an image has at least two"
    if 0 in shape:
        return f"its shape is {shape}"
    return None


def _check_available(file: Hdf5File, name: str, codes: list[int]) -> None:
    """HDF5 may have the filters that we lack: built in, as a plugin, or from hdf5plugin."""
    import h5py

    if all(h5py.h5z.filter_avail(code) for code in codes):
        return
    with suppress(ImportError):
        importlib.import_module("hdf5plugin")  # which registers its filters
    missing = [filter_name(code) for code in codes if not h5py.h5z.filter_avail(code)]
    if missing:
        raise Unsupported(
            f"{name} in {file.name} is compressed with the filter {', '.join(missing)}, which is "
            "not there: try 'pip install hdf5plugin'."
        )


class _Dataset(Dataset):
    """What all of them share."""

    def __init__(
        self, file: Hdf5File, dataset: h5py.Dataset, name: str, chunks: tuple[int, ...]
    ) -> None:
        self._file = file
        self._dataset = dataset
        self._name = name
        self._stored = dataset.dtype
        self.shape = tuple(dataset.shape)
        self.chunks = tuple(
            max(1, min(chunk, size)) for chunk, size in zip(chunks, self.shape, strict=True)
        )
        self.dtype = np.dtype(dataset.dtype.newbyteorder("=").str)

    def decode(self, index: Index, encoded: Encoded | None) -> Array:
        if encoded is None:
            return np.full(self._clipped(index), self._fill(), self.dtype)
        assert isinstance(encoded, np.ndarray)
        return self._pixels(encoded)

    def _pixels(self, array: Array) -> Array:
        """In native order; booleans, which the file holds as bytes of any value, as 0 and 1."""
        if self.dtype.kind == "b":
            return np.not_equal(contiguous(array).view(np.uint8), 0)
        return contiguous(array)

    def _clipped(self, index: Index) -> tuple[int, ...]:
        return tuple(
            min(chunk, size - i * chunk)
            for i, chunk, size in zip(index, self.chunks, self.shape, strict=True)
        )

    def _origin(self, index: Index) -> tuple[int, ...]:
        return tuple(i * chunk for i, chunk in zip(index, self.chunks, strict=True))

    def _fill(self) -> float:
        try:
            return self._dataset.fillvalue or 0
        except Exception:  # undefined, or damaged
            return 0

    def _read(self, offset: int, size: int, index: Index) -> bytes:
        self._check_place(offset + size, index)  # said before: a damaged one may be anything
        try:
            data = self._file.raw.read(offset, size)
        except OSError as error:
            raise Unreachable(
                f"{self._file.name} cannot be read: {error.strerror or error}."
            ) from error
        self._check_place(offset + size, index, len(data) == size)
        return data

    def _check_place(self, end: int, index: Index, read: bool = True) -> None:
        if end > self._file.raw.size or not read:
            raise self._corrupt(index, f"the file ends before byte {end}")

    def _corrupt(self, index: Index, reason: object) -> Corrupt:
        return Corrupt(f"Chunk {index} of {self._name} in {self._file.name} is corrupt: {reason}.")

    @property
    def _bytes(self) -> int:
        return math.prod(self.chunks) * int(self.dtype.itemsize)


class Stored(_Dataset):
    """Chunks that lie in the file as they were written, with filters that are undone here."""

    lock_free = True

    def __init__(
        self,
        file: Hdf5File,
        dataset: h5py.Dataset,
        name: str,
        chunks: tuple[int, ...],
        filters: Filters,
    ) -> None:
        super().__init__(file, dataset, name, chunks)
        self._whole = chunks
        """Stored chunks are whole, also where the dataset is smaller."""
        self._filters = filters
        self._lock = threading.Lock()
        self._table: Array | None = None
        self._grid = tuple(-(-n // c) for n, c in zip(self.shape, chunks, strict=True))
        self.codec = ", ".join(filters.names) or "raw"

    def fetch(self, index: Index) -> Encoded | None:
        if math.prod(self._grid) > TABLE_LIMIT:
            data, skipped = self._ask(index)
        else:
            data, skipped = self._look_up(index)
        # Each chunk says which filters it did without; that knowledge does not travel.
        return data if not skipped or data is None else self._unpacked(index, data, skipped)

    def decode(self, index: Index, encoded: Encoded | None) -> Array:
        if encoded is None:
            return super().decode(index, encoded)
        array = encoded if isinstance(encoded, np.ndarray) else self._unpacked(index, encoded, 0)
        clipped = self._clipped(index)
        if clipped != self._whole:
            # A copy, so that what is thrown away does not stay in memory with what is kept.
            array = array[tuple(slice(0, size) for size in clipped)].copy()
        return self._pixels(array)

    @property
    def transient_bytes(self) -> int:
        whole = self._filters.size
        clipped = whole if self.chunks != self._whole else 0
        return self._filters.stored_limit + clipped + whole * len(self._filters.steps)

    def _unpacked(self, index: Index, data: bytes | bytearray | memoryview, skipped: int) -> Array:
        try:
            pixels = self._filters.decode(data, skipped)
        except Corrupt as error:
            raise self._corrupt(index, error) from error
        return np.frombuffer(pixels, self._stored).reshape(self._whole)

    def _look_up(self, index: Index) -> tuple[bytes | None, int]:
        """By the table of where chunks lie, which is made when the first chunk is asked for."""
        with self._lock:
            if self._table is None:
                self._table = self._locate_all(index)
            row = self._table[index]
        offset, size, skipped = int(row["offset"]), int(row["size"]), int(row["skipped"])
        if size == 0:
            return None, 0
        self._check(index, size)
        return self._read(offset, size, index), skipped

    def _locate_all(self, index: Index) -> Array:
        table = np.zeros(self._grid, [("offset", "u8"), ("size", "u4"), ("skipped", "u4")])

        def note(chunk: h5py.h5d.StoreInfo) -> None:
            place = tuple(o // c for o, c in zip(chunk.chunk_offset, self._whole, strict=True))
            if all(i < n for i, n in zip(place, self._grid, strict=True)):
                table[place] = (chunk.byte_offset, chunk.size, chunk.filter_mask)

        try:
            self._dataset.id.chunk_iter(note)
        except Exception as error:
            raise self._corrupt(index, f"the file does not say where it is ({error})") from error
        return table

    def _ask(self, index: Index) -> tuple[bytes | memoryview | None, int]:
        """Through HDF5, which finds one of very many chunks quickly but reads under its lock."""
        buffer = bytearray(self._filters.stored_limit)
        origin = tuple(i * c for i, c in zip(index, self._whole, strict=True))
        try:
            skipped, data = self._dataset.id.read_direct_chunk(origin, out=buffer)
        except Exception as error:
            try:
                chunk = self._dataset.id.get_chunk_info_by_coord(origin)
            except Exception:
                raise self._corrupt(index, error) from error
            if not chunk.size:
                return None, 0
            self._check(index, chunk.size)
            raise self._corrupt(index, error) from error
        return memoryview(data), skipped

    def _check(self, index: Index, size: int) -> None:
        if size > self._filters.stored_limit:
            raise self._corrupt(index, f"it says {size} bytes, which is too much")


class Contiguous(_Dataset):
    """One run of values in C order, cut where it suits."""

    lock_free = True
    codec = "raw"

    def __init__(self, file: Hdf5File, dataset: h5py.Dataset, name: str) -> None:
        super().__init__(file, dataset, name, virtual_chunks(dataset.shape, dataset.dtype.itemsize))
        self._offset: int | None = dataset.id.get_offset()

    def fetch(self, index: Index) -> Encoded | None:
        """The values of the piece, run by run."""
        if self._offset is None:
            return None
        shape, start = self._clipped(index), self._origin(index)
        # Trailing axes that are taken whole make up one run with the axis before them.
        first = len(shape) - 1
        while first > 0 and shape[first] == self.shape[first]:
            first -= 1
        run = math.prod(shape[first:]) * self.dtype.itemsize
        steps = [math.prod(self.shape[a + 1 :]) * self.dtype.itemsize for a in range(len(shape))]
        base = self._offset + sum(a * step for a, step in zip(start, steps, strict=True))
        self._check_place(base, index)
        places = np.array([base], np.int64)
        for size, step in zip(shape[:first], steps, strict=False):
            places = (places[:, None] + np.arange(size) * step).ravel()
        if len(places) == 1:
            data = self._read(int(places[0]), run, index)
            return np.frombuffer(data, self._stored).reshape(shape)
        out = np.empty(len(places) * run, np.uint8)
        for number, place in enumerate(places.tolist()):
            out[number * run : (number + 1) * run] = np.frombuffer(
                self._read(place, run, index), np.uint8
            )
        pixels: Array = out.view(self._stored).reshape(shape)
        return pixels

    @property
    def transient_bytes(self) -> int:
        return 0 if self._stored.isnative and self.dtype.kind != "b" else self._bytes


class Slices(_Dataset):
    """Read and decoded by HDF5, under its lock."""

    lock_free = False
    codec = "by HDF5"

    def fetch(self, index: Index) -> Encoded | None:
        """The chunk itself."""
        box = tuple(
            slice(a, a + n) for a, n in zip(self._origin(index), self._clipped(index), strict=True)
        )
        try:
            return np.asarray(self._dataset[box])
        except Exception as error:
            raise self._corrupt(index, error) from error

    @property
    def transient_bytes(self) -> int:
        own = math.prod(self._dataset.chunks or self.chunks) * int(self.dtype.itemsize)
        return self._bytes + 2 * own
