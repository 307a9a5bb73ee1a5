"""SeriesReader: from one of tifffile's series to an Image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from opsin.errors import Unsupported
from opsin.images.image import Axis, AxisType, Channel, Image, Level
from opsin.images.placement import factor, placed
from opsin.images.source import Array, Reopening
from opsin.images.text import shown
from opsin.images.tiff import metadata
from opsin.images.tiff.files import Files
from opsin.images.tiff.layout import Bands, Layout, Page, Plan, Segments
from opsin.images.tiff.palette import Palette, table_of
from opsin.images.tiff.source import TiffSource

if TYPE_CHECKING:
    import tifffile

_TYPES: dict[str, AxisType] = {"X": "space", "Y": "space", "Z": "space", "T": "time"}

_PHOTOMETRIC_RGB, _PHOTOMETRIC_PALETTE, _PHOTOMETRIC_YCBCR = 2, 3, 6
_EXTRA_UNSPECIFIED = 0

_BIG_PIECE = 64 << 20

_COLOURS = (
    Channel("red", "ff0000"),
    Channel("green", "00ff00"),
    Channel("blue", "0000ff"),
    Channel("alpha", visible=False),
)


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
        alone: bool,
        reopening: Reopening,
        missing: Sequence[str] = (),
    ) -> None:
        """Take series `number` of the `count` in the file, of which it may be shown `alone`.

        `reopening` is for other processes; `missing` names the files that should be beside it and
        are not.
        """
        self._paths = {path: 0}
        self._missing = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        self._file_name = shown(path.name)
        self._tiff = tiff
        self._series = series
        self._number = number
        self._count = count
        self._alone = alone
        self._reopening = reopening
        self._stem = stem
        self._warnings: list[str] = []

    def image(self, warnings: tuple[str, ...]) -> Image:
        """The image, with a file handle of its own.

        Raises:
            Unsupported: its pixels cannot be decoded.
        """
        letters, plan = self._shape()
        layouts = self._layouts(letters, plan)
        colours = self._colours(plan)
        if colours is not None:
            layouts = [Palette(layout, colours) for layout in layouts]
            letters += "S"
        said = self._metadata()
        axes, rgb = self._axes(letters, layouts[0].plan, said, colours is not None)
        levels = self._levels(letters, layouts, said)
        keyframe = self._series.keyframe
        fill = 0 if colours is not None else keyframe.nodata
        self._look_at_pieces(levels, layouts)
        source = TiffSource(Files(list(self._paths)), levels, layouts, fill, self._reopening)
        return Image(
            self._name(said),
            axes,
            levels,
            layouts[0].plan.dtype,
            source,
            channels=self._channels(axes, levels[0], rgb, said),
            rgb=rgb,
            warnings=(*warnings, *self._warnings),
            format=f"tiff/{self._series.kind}",
        )

    def _name(self, said: metadata.Metadata) -> str:
        if self._alone:
            return self._stem
        return f"{self._stem} · {said.name or self._number + 1}"

    # ------------------------------------------------------------------------------ geometry

    def _shape(self) -> tuple[str, Plan]:
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
        return letters, plan

    def _colours(self, plan: Plan) -> Array | None:
        """The colours that its numbers stand for. (ImageJ's numbers stand for themselves.)"""
        page = self._series.keyframe
        if page.photometric != _PHOTOMETRIC_PALETTE or 4 in plan.dims or plan.shaped[4] > 1:
            return None
        if self._series.kind == "imagej" or self._tiff.is_ome:
            return None
        return table_of(page.colormap, plan.dtype)

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
        files = {None if page is None else self._file(page) for page in series}
        bases = _bases(series, plan, len(files) == 1) if None not in files else None
        if bases is not None:
            stored = plan.dtype.newbyteorder(keyframe.parent.byteorder)
            if len(files) == 1:
                return Bands(plan, bases, stored, [self._file(keyframe) or 0] * len(bases))
            return Bands(plan, bases, stored, [(page and self._file(page)) or 0 for page in series])
        pages = [self._page(page) for page in series]
        wanted = math.prod(plan.outer)
        missing = wanted - sum(page is not None for page in pages)
        if missing > 0:
            how = "cannot be shown" if self._missing else "are shown as zeros"
            self._warnings.append(
                f"{self._file_name} lacks {missing} of {wanted} planes, which {how}."
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
            _codec(keyframe),
            self._missing,
        )

    def _page(self, page: tifffile.TiffPage | tifffile.TiffFrame | None) -> Page | None:
        """Where a page lies; None if it is not there, or in another folder, which is not read."""
        if page is None:
            return None
        file = self._file(page)
        if file is None:
            return None
        tables = page.jpegtables
        tables = tables if isinstance(tables, bytes) else None
        return Page(page.dataoffsets, page.databytecounts, tables, file)

    def _file(self, page: tifffile.TiffPage | tifffile.TiffFrame) -> int | None:
        """Number of the file that holds a page."""
        if page.parent is self._tiff:
            return 0
        path = Path(page.parent.filehandle.path)
        if path.parent != next(iter(self._paths)).parent:
            return None
        return self._paths.setdefault(path, len(self._paths))

    def _levels(
        self, letters: str, layouts: Sequence[Layout], said: metadata.Metadata
    ) -> tuple[Level, ...]:
        finest = layouts[0].plan.shape
        base = [said.scale.get(letter, 1.0) for letter in letters]
        levels: list[Level] = []
        for layout in layouts:
            factors = [factor(a, b) for a, b in zip(finest, layout.plan.shape, strict=True)]
            zeros = [0.0] * len(base)
            levels.append(placed(layout.plan.shape, layout.chunks, factors, base, zeros))
        return tuple(levels)

    # ------------------------------------------------------------------------------ meaning

    def _metadata(self) -> metadata.Metadata:
        page = self._series.keyframe
        if self._tiff.is_ome and self._tiff.ome_metadata:
            if self._series.kind == "ome":
                return metadata.from_ome(self._tiff.ome_metadata, self._number, self._count)
            self._warnings.append(
                f"{self._file_name} belongs to an OME-TIFF of several files that are not beside "
                "it, or is inconsistent: only the planes in this file are shown."
            )
        if self._series.kind == "lsm" and self._tiff.lsm_metadata is not None:
            return metadata.from_lsm(self._tiff.lsm_metadata)
        if self._series.kind in ("mmstack", "ndtiff"):
            summary = (self._tiff.micromanager_metadata or {}).get("Summary")
            if isinstance(summary, dict):
                return metadata.from_micromanager(summary)
        if self._series.kind == "imagej":
            said = self._tiff.imagej_metadata
            if said is not None:
                return metadata.from_imagej(said, page.resolution)
        if self._series.kind == "svs":
            return metadata.from_slide(page.description)
        unit = page.resolutionunit
        return metadata.from_resolution(page.resolution, int(unit))

    def _axes(
        self, letters: str, plan: Plan, said: metadata.Metadata, palette: bool
    ) -> tuple[tuple[Axis, ...], bool]:
        """The axes, and whether the last one is the samples of one colour."""
        page = self._series.keyframe
        rgb = palette or (letters.endswith("S") and _is_colour(page, plan.shape[-1]))
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
        page = self._series.keyframe
        for axis, size in zip(axes, finest.shape, strict=True):
            if axis.type == "channel" and size == len(said.channels):
                return said.channels
            if axis.type == "channel" and size == page.samplesperpixel and _is_colour(page, size):
                return _COLOURS[:size]  # of separate planes
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


def _bases(series: tifffile.TiffPageSeries, plan: Plan, together: bool) -> list[int] | None:
    """Offset of every page's first byte, where all lie uncompressed and without gaps.

    `together`: all are in one file.
    """
    keyframe = series.keyframe
    if not keyframe.is_final:
        return None
    size = math.prod(plan.shaped) * plan.dtype.itemsize
    count = math.prod(plan.outer)
    start = series.dataoffset if together else None
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


def _codec(page: tifffile.TiffPage) -> str:
    """How a page is compressed, and whether differences are stored."""
    names = [str(getattr(page.compression, "name", page.compression)).lower().replace("_", " ")]
    if page.predictor != 1:
        names.append("predictor")
    return ", ".join("raw" if name == "none" else name for name in names)


def _is_colour(page: tifffile.TiffPage, samples: int) -> bool:
    """Whether the samples of a pixel are red, green, blue and perhaps alpha."""
    if page.photometric not in (_PHOTOMETRIC_RGB, _PHOTOMETRIC_YCBCR):
        return False
    extra = page.extrasamples
    return samples == 3 or (samples == 4 and (not extra or extra[0] != _EXTRA_UNSPECIFIED))
