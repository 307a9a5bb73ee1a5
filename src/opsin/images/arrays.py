"""Arrays: the chunks of an image whose levels are arrays that a program holds.

A level may be a NumPy array, whose chunks are views; a Dask array, whose chunks are computed; a
zarr array on this computer, read chunk by chunk without zarr-python; or any other object with
`shape`, `dtype` and `[…]`, such as an h5py dataset or a TensorStore.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np

from opsin.errors import OpsinError, ReadError, UsageError
from opsin.images.chunked_array import ChunkedArray, box, checked, closed
from opsin.images.dask_array import DaskArray, grid_of
from opsin.images.image import Level
from opsin.images.source import Array, Direct, Encoded, Index, Provenance, Source, contiguous
from opsin.images.store import LocalStore
from opsin.images.virtual_grid import virtual_chunks
from opsin.images.waiting import on_thread, wait_for
from opsin.images.zarr.array import ZarrArray, open_array
from opsin.images.zarr.codecs import codec_names

THREADS = 4
"""Of one image: so many chunks of what may be slow are read or computed at once."""


class ArraysSource(Source):
    """One array per level. Owns the threads on which arrays are read that may be slow."""

    def __init__(self, arrays: Sequence[ChunkedArray], executor: Executor) -> None:
        self._arrays = tuple(arrays)
        self._executor = executor

    @property
    def provenance(self) -> Provenance:
        """Of the finest level."""
        return self._arrays[0].provenance

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        return await self._arrays[level].fetch(index)

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        return self._arrays[level].decode(index, encoded)

    def direct(self, level: int) -> Direct | None:
        return self._arrays[level].direct()

    def codec(self, level: int) -> str:
        return self._arrays[level].codec

    def transient_bytes(self, level: int, index: Index) -> int:
        return self._arrays[level].transient_bytes(index)

    def close(self) -> None:
        for array in self._arrays:
            array.close()
        self._executor.shutdown(wait=False, cancel_futures=True)


def source_of(
    arrays: Sequence[Any],
    levels: Sequence[Level],
    dtype: np.dtype[np.generic],
    client: Any = None,
) -> ArraysSource:
    """The source over arrays, fine to coarse, whose shapes and dtypes have been checked.

    Args:
        dtype: of all of them, in native byte order.
        client: a `distributed.Client` that computes the chunks of Dask arrays, or None.
    """
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="opsin-array")
    return ArraysSource(
        [
            _chunked(array, level, dtype, executor, client)
            for array, level in zip(arrays, levels, strict=True)
        ],
        executor,
    )


def own_chunks(array: Any) -> tuple[int, ...] | None:
    """The chunk shape that an array has by itself, or None."""
    if isinstance(array, np.ndarray):
        return None
    if _is_dask(array):
        return grid_of(array)
    layout = getattr(array, "chunk_layout", None)  # a TensorStore's
    chunks = getattr(array, "chunks", None) or getattr(
        getattr(layout, "read_chunk", None), "shape", None
    )
    if (
        isinstance(chunks, Sequence)
        and len(chunks) == len(array.shape)
        and all(isinstance(size, int | np.integer) and size > 0 for size in chunks)
    ):
        return tuple(int(size) for size in chunks)
    if type(array).__module__.startswith("h5py"):  # contiguous
        return virtual_chunks(array.shape, np.dtype(array.dtype).itemsize)
    return None


def dtype_of(array: Any) -> np.dtype[np.generic]:
    """The dtype of an array, in native byte order.

    Raises:
        UsageError: it is not that of pixels, or there are none.
    """
    given = getattr(array.dtype, "numpy_dtype", array.dtype)  # a TensorStore's
    dtype: np.dtype[Any] | None = None
    with suppress(TypeError):
        dtype = np.dtype(given)
    if dtype is None or dtype.kind not in "biuf" or dtype.itemsize > 8 or 0 in array.shape:
        raise UsageError(f"An array of {given} and shape {tuple(array.shape)} is no image.")
    return dtype.newbyteorder("=")


def _chunked(
    array: Any, level: Level, dtype: np.dtype[np.generic], executor: Executor, client: Any
) -> ChunkedArray:
    if isinstance(array, np.ndarray):
        return NumpyArray(array, level)
    if _is_dask(array):
        return DaskArray(array, level, dtype, executor, client)
    return _stored_zarr(array, level) or IndexedArray(array, level, dtype, executor)


def _is_dask(array: Any) -> bool:
    """Whether this is a Dask array, which it cannot be unless Dask is loaded."""
    module = sys.modules.get("dask.array")
    return module is not None and isinstance(array, module.Array)


class NumpyArray(ChunkedArray):
    """Views of an array in memory."""

    def __init__(self, array: Array, level: Level) -> None:
        self._array: Array | None = array
        self._level = level

    @property
    def provenance(self) -> Provenance:
        return "memory"

    async def fetch(self, index: Index) -> Encoded | None:
        return self._cut(index)

    def decode(self, index: Index, encoded: Encoded | None) -> Array:
        return contiguous(np.asarray(encoded))

    def direct(self) -> Direct:
        return lambda index: (contiguous(self._cut(index)), 0)

    def transient_bytes(self, index: Index) -> int:
        return 0

    def close(self) -> None:
        self._array = None

    def _cut(self, index: Index) -> Array:
        if self._array is None:
            raise closed()
        part: Array = self._array[box(self._level, index)]
        return part


class IndexedArray(ChunkedArray):
    """Whatever gives an array when it is indexed with slices, which may take its time."""

    def __init__(
        self, array: Any, level: Level, dtype: np.dtype[np.generic], executor: Executor
    ) -> None:
        self._array = array
        self._level = level
        self._dtype = dtype
        self._executor = executor

    @property
    def provenance(self) -> Provenance:
        return "disk"

    async def fetch(self, index: Index) -> Encoded | None:
        if self._array is None:
            raise closed()
        return await on_thread(self._executor, self._read, index)

    def decode(self, index: Index, encoded: Encoded | None) -> Array:
        return contiguous(np.asarray(encoded))

    def transient_bytes(self, index: Index) -> int:
        """As it is given, before it is put into native order."""
        size = self._dtype.itemsize
        for length in self._level.chunk_shape(index):
            size *= length
        return size

    def close(self) -> None:
        self._array = None

    def _read(self, index: Index) -> Array:
        array = self._array
        if array is None:
            raise closed()
        try:
            part = np.asarray(array[box(self._level, index)])
        except Exception as error:
            raise ReadError(
                f"Chunk {index} of the array cannot be read ({type(error).__name__}: {error})."
            ) from error
        return checked(part, self._level.chunk_shape(index), self._dtype, index)


class StoredArray(ChunkedArray):
    """A zarr array on this computer."""

    def __init__(self, array: ZarrArray, store: LocalStore) -> None:
        self._array = array
        self._store = store

    @property
    def provenance(self) -> Provenance:
        return "disk"

    async def fetch(self, index: Index) -> Encoded | None:
        return await self._array.fetch(index)

    def decode(self, index: Index, encoded: Encoded | None) -> Array:
        return self._array.decode(index, encoded)

    def direct(self) -> Direct | None:
        return self._array.direct()

    @property
    def codec(self) -> str:
        return codec_names(self._array.metadata.codec)

    def transient_bytes(self, index: Index) -> int:
        return self._array.transient_bytes

    def close(self) -> None:
        self._store.close()


def _stored_zarr(array: Any, level: Level) -> StoredArray | None:
    """zarr-python's array as what is stored, if it lies in a folder and we can read it."""
    zarr = sys.modules.get("zarr")
    if zarr is None or not isinstance(array, zarr.Array):
        return None
    place = array.store
    if not isinstance(place, zarr.storage.LocalStore):
        return None
    store = LocalStore(place.root)
    try:
        found = wait_for(open_array(store, array.path))
    except OpsinError:
        found = None
    same = found is not None and (
        (found.metadata.shape, tuple(map(min, found.metadata.chunks, array.shape)))
        == (array.shape, level.chunks)
    )
    if found is not None and same:
        return StoredArray(found, store)
    store.close()
    return None
