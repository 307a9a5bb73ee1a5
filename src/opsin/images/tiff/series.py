"""SeriesReader: from one of tifffile's series to an Image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from opsin.errors import Unsupported
from opsin.images.image import Axis, AxisType, Channel, Image, Level
from opsin.images.local_file import LocalFile
from opsin.images.text import shown
from opsin.images.tiff import metadata
from opsin.images.tiff.layout import Bands, Layout, Page, Plan, Segments
from opsin.images.tiff.source import TiffSource

if TYPE_CHECKING:
    import tifffile

_TYPES: dict[str, AxisType] = {"X": "space", "Y": "space", "Z": "space", "T": "time"}

_PHOTOMETRIC_RGB, _PHOTOMETRIC_YCBCR = 2, 6
_EXTRA_UNSPECIFIED = 0

_BIG_PIECE = 64 << 20


class SeriesReader:
    """One series of an open TIFF file, on its way to an image."""

    def __init__(
        self,
        path: Path,
        stem: str,
        tiff: tifffile.TiffFile,
        number: int,
        series: tifffile.TiffPageSeries,
        count: int,
    ) -> None:
        """Take series `number` of the `count` in the file."""
        self._path = path
        self._file_name = shown(path.name)
        self._tiff = tiff
        self._series = series
        self._number = number
        self._count = count
        self._stem = stem
        self._warnings: list[str] = []

    def image(self, warnings: tuple[str, ...]) -> Image:
        """The image, with a file handle of its own.

        Raises:
            Unsupported: its pixels cannot be decoded.
        """
        letters, plan, dtype = self._shape()
        layouts = self._layouts(letters, plan)
        said = self._metadata()
        axes, rgb = self._axes(letters, layouts[0].plan, said)
        levels = self._levels(letters, layouts, said)
        keyframe = self._series.keyframe
        fill = keyframe.nodata
        self._look_at_pieces(levels, layouts)
        source = TiffSource(self._file_name, LocalFile(self._path), levels, layouts, fill)
        return Image(
            self._name(said),
            axes,
            levels,
            dtype,
            source,
            channels=self._channels(axes, levels[0], rgb, said),
            rgb=rgb,
            warnings=(*warnings, *self._warnings),
        )

    def _name(self, said: metadata.Metadata) -> str:
        if self._count == 1:
            return self._stem
        return f"{self._stem} · {said.name or self._number + 1}"

    # ------------------------------------------------------------------------------ geometry

    def _shape(self) -> tuple[str, Plan, np.dtype[np.generic]]:
        """Letters of the axes and plan of the finest level."""
        keyframe = self._series.keyframe
        dtype: np.dtype[np.generic] | None = keyframe.dtype
        if dtype is None or dtype.kind not in "uifb":
            raise Unsupported(
                f"{self._file_name} holds pixels of {'an unknown type' if dtype is None else dtype}"
                ", which Opsin cannot show: convert it to integers or floats."
            )
        letters, plan = _plan(self._series, keyframe)
        if "Y" not in letters or "X" not in letters or 0 in plan.shape:
            raise Unsupported(f"{self._file_name} holds no 2D image but shape {plan.shape}.")
        return letters, plan, plan.dtype

    def _layouts(self, letters: str, first: Plan) -> list[Layout]:
        """Layouts of all levels that fit the finest: same axes, same type, ever smaller."""
        layouts = [self._layout(self._series, first)]
        for series in self._series.levels[1:]:
            if series.keyframe.dtype != first.dtype:
                break
            other, plan = _plan(series, series.keyframe)
            before = layouts[-1].plan.shape
            smaller = plan.shape != before and all(
                0 < a <= b if letter in "ZYX" else a == b
                for letter, a, b in zip(letters, plan.shape, before, strict=False)
            )
            if other != letters or not smaller:
                self._warnings.append(
                    f"Level {len(layouts)} of {self._file_name} does not fit the finest level and "
                    "is left out, with those after it."
                )
                break
            layouts.append(self._layout(series, plan))
        return layouts

    def _layout(self, series: tifffile.TiffPageSeries, plan: Plan) -> Layout:
        keyframe = series.keyframe
        bases = _bases(series, plan)
        if bases is not None:
            return Bands(plan, bases, plan.dtype.newbyteorder(self._tiff.byteorder))
        pages = [_page(page) for page in series]
        wanted = math.prod(plan.outer)
        missing = wanted - sum(page is not None for page in pages)
        if missing > 0:
            self._warnings.append(
                f"{self._file_name} lacks {missing} of {wanted} planes, which are shown as zeros."
            )
        pages = (pages + [None] * missing)[:wanted]
        if keyframe.is_tiled:
            segment = (keyframe.tiledepth, keyframe.tilelength, keyframe.tilewidth, 0)
        else:
            segment = (1, keyframe.rowsperstrip or keyframe.imagelength, keyframe.imagewidth, 0)
        try:
            decoder = keyframe.decode
            decoder(None, 0)  # decoders of what tifffile cannot decode raise here already
        except Exception as error:
            raise Unsupported(
                f"{self._file_name} is stored in a way that cannot be decoded: {error}."
            ) from error
        header = keyframe.jpegheader
        return Segments(
            plan,
            pages,
            segment,
            keyframe.is_tiled,
            decoder,
            header if isinstance(header, bytes) else None,
            keyframe.nodata,
        )

    def _levels(
        self, letters: str, layouts: Sequence[Layout], said: metadata.Metadata
    ) -> tuple[Level, ...]:
        finest = layouts[0].plan.shape
        base = [said.scale.get(letter, 1.0) for letter in letters]
        levels: list[Level] = []
        for layout in layouts:
            factors = [_factor(a, b) for a, b in zip(finest, layout.plan.shape, strict=True)]
            levels.append(
                Level(
                    layout.plan.shape,
                    layout.chunks,
                    tuple(f * s for f, s in zip(factors, base, strict=True)),
                    tuple((f - 1) / 2 * s for f, s in zip(factors, base, strict=True)),
                )
            )
        return tuple(levels)

    # ------------------------------------------------------------------------------ meaning

    def _metadata(self) -> metadata.Metadata:
        page = self._series.keyframe
        if self._tiff.is_ome and self._tiff.ome_metadata:
            if self._series.kind == "ome":
                return metadata.from_ome(self._tiff.ome_metadata, self._number, self._count)
            self._warnings.append(
                f"{self._file_name} belongs to an OME-TIFF of several files or is inconsistent: "
                "only the planes in this file are shown."
            )
        if self._series.kind == "imagej":
            said = self._tiff.imagej_metadata
            if said is not None:
                return metadata.from_imagej(said, page.resolution)
        if self._series.kind == "svs":
            return metadata.from_slide(page.description)
        unit = page.resolutionunit
        return metadata.from_resolution(page.resolution, int(unit))

    def _axes(
        self, letters: str, plan: Plan, said: metadata.Metadata
    ) -> tuple[tuple[Axis, ...], bool]:
        """The axes, and whether the last one is the samples of one colour."""
        page = self._series.keyframe
        rgb = letters.endswith("S") and _is_colour(page, plan.shape[-1])
        has_channels = "C" in letters
        axes: list[Axis] = []
        for i, letter in enumerate(letters):
            name, kind = letter.lower(), _TYPES.get(letter, "other")
            if letter in "QI" and [other for other in letters if other in "QIZ"] == [letter]:
                name, kind = "z", "space"  # a plain stack of pages says nothing; most are in z
            if letter == "C" and not rgb:
                kind = "channel"
            if letter == "S" and (rgb or not has_channels):
                kind = "channel"
                name = "s" if has_channels else "c"
            if letters.count(letter) > 1:
                name = f"{name}{letters[:i].count(letter) + 1}"
            axes.append(Axis(name, kind, said.unit.get(letter)))
        return tuple(axes), rgb

    def _channels(
        self, axes: tuple[Axis, ...], finest: Level, rgb: bool, said: metadata.Metadata
    ) -> tuple[Channel, ...]:
        """What is known of the channels, if there is a channel axis and the numbers agree."""
        if rgb:
            return ()
        for axis, size in zip(axes, finest.shape, strict=True):
            if axis.type == "channel" and size == len(said.channels):
                return said.channels
        return ()

    def _look_at_pieces(self, levels: Sequence[Level], layouts: Sequence[Layout]) -> None:
        """Warn of pieces so large that nothing can appear quickly."""
        size = math.prod(levels[0].chunks) * layouts[0].plan.dtype.itemsize
        if size > _BIG_PIECE:
            self._warnings.append(
                f"{self._file_name} is stored in pieces of {size >> 20} MiB that can only be read "
                "whole: it will appear slowly, and be quicker as OME-Zarr."
            )


def _plan(series: tifffile.TiffPageSeries, page: tifffile.TiffPage) -> tuple[str, Plan]:
    """Axes and shape of a series without axes of length 1, as its pages hold them."""
    assert page.dtype is not None
    shaped = page.shaped
    dims = tuple(d for d in range(5) if shaped[d] > 1 or d in (2, 3))
    sizes = tuple(shaped[d] for d in dims)
    inner = "".join("SZYXS"[d] for d in dims)
    kept = [i for i, n in enumerate(series.shape) if n != 1 or series.axes[i] in "YX"]
    shape = tuple(series.shape[i] for i in kept)
    axes = "".join(series.axes[i] for i in kept)
    outer, letters = shape[: len(shape) - len(dims)], axes[: len(axes) - len(dims)]
    if shape[len(outer) :] != sizes or "Y" in letters or "X" in letters or "S" in letters:
        # Metadata of an exotic shape: the pages as they are, one after the other.
        outer = (len(series),) if len(series) > 1 else ()
        letters = "Q" if outer else ""
    elif 1 in dims:
        given = axes[len(outer) + dims.index(1)]
        inner = inner.replace("Z", given if given not in "SYX" else "Z")
    return letters + inner, Plan(tuple(outer), shaped, dims, page.dtype)


def _bases(series: tifffile.TiffPageSeries, plan: Plan) -> list[int] | None:
    """Offset of every page's first byte, where all lie uncompressed and without gaps."""
    keyframe = series.keyframe
    if not keyframe.is_final:
        return None
    size = math.prod(plan.shaped) * plan.dtype.itemsize
    count = math.prod(plan.outer)
    start = series.dataoffset
    if start is not None:
        return [start + i * size for i in range(count)]
    pages = list(series)
    if len(pages) != count:
        return None
    bases: list[int] = []
    for page in pages:
        if page is None or len(page.dataoffsets) == 0:
            return None
        if len(page.dataoffsets) > 1:
            ends = np.add(page.dataoffsets[:-1], page.databytecounts[:-1])
            total = page.dataoffsets[-1] + page.databytecounts[-1] - page.dataoffsets[0]
            if total != size or not np.array_equal(ends, page.dataoffsets[1:]):
                return None
        bases.append(int(page.dataoffsets[0]))
    return bases


def _page(page: tifffile.TiffPage | tifffile.TiffFrame | None) -> Page | None:
    if page is None:
        return None
    tables = page.jpegtables
    return Page(
        page.dataoffsets, page.databytecounts, tables if isinstance(tables, bytes) else None
    )


def _factor(fine: int, coarse: int) -> float:
    """How many pixels of the finest level one of a coarser level covers.

    1001 pixels become 500 or 501 when halved: the factor is the whole number that explains the
    size, if there is one.
    """
    whole = round(fine / coarse)
    if coarse in (fine // whole, -(-fine // whole)):
        return float(whole)
    return fine / coarse


def _is_colour(page: tifffile.TiffPage, samples: int) -> bool:
    """Whether the samples of a pixel are red, green, blue and perhaps alpha."""
    if page.photometric not in (_PHOTOMETRIC_RGB, _PHOTOMETRIC_YCBCR):
        return False
    extra = page.extrasamples
    return samples == 3 or (samples == 4 and (not extra or extra[0] != _EXTRA_UNSPECIFIED))
