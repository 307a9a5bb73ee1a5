"""Hdf5Source: the chunks of an image whose levels, and perhaps channels and times, are datasets."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from opsin.errors import Corrupt, OpenError, ReadError
from opsin.images.hdf5.dataset import Dataset, open_dataset
from opsin.images.hdf5.file import Hdf5File
from opsin.images.image import Level
from opsin.images.source import (
    Array,
    Direct,
    Encoded,
    Index,
    Reopening,
    Source,
    reopened,
)
from opsin.images.waiting import on_thread

OPEN_LIMIT = 512
"""Datasets that are kept open; a long movie has one for every moment."""

Locate: TypeAlias = Callable[[int, tuple[int, ...]], str]
"""(level, index along the outer axes) → path of the dataset."""


class Hdf5Source(Source):
    """Chunks of one image. Its first axes may go over datasets: these are the outer axes."""

    def __init__(
        self,
        file: Hdf5File,
        levels: Sequence[Level],
        dtype: np.dtype[np.generic],
        first: Sequence[Dataset],
        locate: Locate,
        reopening: Reopening,
    ) -> None:
        """Take ownership of `file`.

        Args:
            levels: chunks have size 1 along the outer axes.
            dtype: of the pixels: that of the datasets, or its unsigned version.
            first: of each level the first dataset; the others are taken to be like it.
            locate: finds the others, which are opened when they are needed.
            reopening: for other processes.
        """
        self._reopening = reopening
        self._file = file
        self._levels = tuple(levels)
        self._dtype = dtype
        self._first = tuple(first)
        self._outer = len(levels[0].shape) - len(first[0].shape)
        self._locate = locate
        self._closed = False
        self._lock = threading.Lock()
        origin = (0,) * self._outer
        self._open: OrderedDict[tuple[int, tuple[int, ...]], Dataset] = OrderedDict(
            ((number, origin), dataset) for number, dataset in enumerate(first)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file again: HDF5's objects cannot be sent."""
        return reopened, (self._reopening,)

    @property
    def provenance(self) -> Literal["disk"]:
        """Only local files are read."""
        return "disk"

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        """What is stored; for what only HDF5 can decode, the pixels."""
        return await on_thread(None, self._fetch, level, index)

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        """The chunk, without what stands out of the image: Imaris stores whole chunks."""
        part = self._dataset(level, index).decode(index[self._outer :], encoded)
        shape = self._levels[level].chunk_shape(index)
        clipped = part[tuple(slice(0, size) for size in shape[self._outer :])]
        if clipped.shape != part.shape:
            clipped = clipped.copy()
        return clipped.view(self._dtype).reshape(shape)

    def direct(self, level: int) -> Direct | None:
        """None where HDF5's lock is needed: who waits for it must not keep others from decoding."""
        if not self._first[level].lock_free:
            return None

        def read(index: Index) -> tuple[Array, int]:
            encoded = self._fetch(level, index)
            stored = encoded.nbytes if isinstance(encoded, np.ndarray) else len(encoded or b"")
            return self.decode(level, index, encoded), stored

        return read

    def transient_bytes(self, level: int, index: Index) -> int:
        """Of the level's first dataset, and a copy where what is stored is padded."""
        first = self._first[level]
        padded = first.shape != self._levels[level].shape[self._outer :]
        copied = math.prod(first.chunks) * self._dtype.itemsize if padded else 0
        return first.transient_bytes + copied

    def codec(self, level: int) -> str:
        """The filters of the level's first dataset."""
        return self._first[level].codec

    def close(self) -> None:
        """Let go of the file."""
        self._closed = True
        self._file.close()

    def _fetch(self, level: int, index: Index) -> Encoded | None:
        if self._closed:
            raise ReadError(f"{self._file.name} was closed while chunk {index} was asked for.")
        return self._dataset(level, index).fetch(index[self._outer :])

    def _dataset(self, level: int, index: Index) -> Dataset:
        key = (level, index[: self._outer])
        with self._lock:
            found = self._open.get(key)
            if found is not None:
                self._open.move_to_end(key)
                return found
        dataset = self._opened(level, key[1])
        with self._lock:
            self._open[key] = dataset
            while len(self._open) > OPEN_LIMIT:
                self._open.popitem(last=False)
        return dataset

    def _opened(self, level: int, outer: tuple[int, ...]) -> Dataset:
        """A further dataset of a level, which has to be like the first one.

        Raises:
            Corrupt: it is not there, or not so.
        """
        import h5py

        path = self._locate(level, outer)
        first = self._first[level]
        wanted = self._levels[level].shape[self._outer :]
        try:
            node = self._file.find(path)
            if not isinstance(node, h5py.Dataset):
                raise Corrupt(f"{path} in {self._file.name} is a group, not a dataset.")
            dataset = open_dataset(self._file, node)
            if dataset.chunks != first.chunks:
                dataset = open_dataset(self._file, node, first.chunks)
        except OpenError as error:
            raise Corrupt(str(error)) from error
        enough = len(dataset.shape) == len(wanted) and all(
            a >= b for a, b in zip(dataset.shape, wanted, strict=True)
        )
        if not enough or dataset.dtype != first.dtype:
            raise Corrupt(
                f"{path} in {self._file.name} has shape {dataset.shape} of {dataset.dtype}, not "
                f"{wanted} of {first.dtype} as the others."
            )
        return dataset
