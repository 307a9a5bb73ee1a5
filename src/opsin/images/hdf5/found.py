"""Found: an image in an HDF5 file, as one of the layouts describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opsin.errors import OpenError
from opsin.images.hdf5.dataset import open_dataset
from opsin.images.hdf5.file import Hdf5File
from opsin.images.hdf5.source import Hdf5Source, Locate
from opsin.images.image import Axis, Channel, Image
from opsin.images.placement import placed
from opsin.images.source import Reopening

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True, slots=True)
class FoundLevel:
    """One level: its first dataset, and how many pixels of the finest level a pixel covers."""

    path: str
    shape: tuple[int, ...]
    """Along all axes of the image."""
    factors: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What an image is made of. All tuples have one entry per axis, the outer axes first."""

    path: str
    """Below the root: what names it behind the file."""
    title: str
    """What its file calls it, or ''."""
    axes: tuple[Axis, ...]
    levels: tuple[FoundLevel, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    dtype: np.dtype[np.generic]
    locate: Locate
    channels: tuple[Channel, ...] = ()
    layout: str = "plain"
    rgb: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the finest level."""
        return self.levels[0].shape

    def image(self, file: Hdf5File, name: str, reopening: Reopening) -> Image:
        """The image, with a file of its own.

        Raises:
            OpenError: one of its datasets is not there, or no image.
        """
        own = file.reopen()
        try:
            first = [open_dataset(own, _dataset(own, level.path)) for level in self.levels]
            outer = len(self.axes) - len(first[0].shape)
            levels = tuple(
                placed(
                    level.shape,
                    (*(1,) * outer, *map(min, dataset.chunks, level.shape[outer:])),
                    level.factors,
                    self.scale,
                    self.translation,
                )
                for level, dataset in zip(self.levels, first, strict=True)
            )
            source = Hdf5Source(own, levels, self.dtype, first, self.locate, reopening)
        except BaseException:
            own.close()
            raise
        return Image(
            name,
            self.axes,
            levels,
            self.dtype,
            source,
            channels=self.channels,
            rgb=self.rgb,
            warnings=self.warnings,
            format=f"hdf5/{self.layout}",
        )


def _dataset(file: Hdf5File, path: str) -> h5py.Dataset:
    import h5py

    node = file.find(path)
    if not isinstance(node, h5py.Dataset):
        raise OpenError(f"{path} in {file.name} is a group, not a dataset.")
    return node
