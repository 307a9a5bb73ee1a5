"""TIFF, OME-TIFF, ImageJ's TIFF and slide scanners' pyramids, by tifffile; local files only.

tifffile reads the structure; pixels are read and decoded here, page segment by page segment.
Every series of a file is an image, its coarser copies (SubIFDs, or pages as slide scanners write
them) are levels. A coarser level is taken to cover the same area as the finest, edge to edge:
TIFF does not say how it was sampled, and averaging is the custom.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsin.errors import NotFound, OpenError, OpsinError, Unsupported
from opsin.images.image import Image
from opsin.images.readers.address import Address
from opsin.images.source import Reopening
from opsin.images.text import shown
from opsin.images.tiff.series import SeriesReader
from opsin.images.tiff.siblings import XML_LIMIT, Siblings, siblings_of

if TYPE_CHECKING:
    import tifffile

READS = "TIFF and OME-TIFF"

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # little and big endian, classic and BigTIFF

_MOST_IMAGES = 64
"""A file of more images than this is a folder in disguise, and shown in part."""

_SLIDES = ("svs", "ndpi", "bif", "scn", "philips", "qpi", "avs")

_WITH_THUMBNAILS = ("lsm",)

_CUT_OFF = ("invalid page offset", "corrupted tag list", "invalid offset to page")

_log = logging.getLogger("tifffile")
_log.addHandler(logging.NullHandler())  # else Python prints its warnings on the terminal


def recognises(address: Address) -> bool:
    """Whether the file begins as a TIFF does."""
    return address.head(4) in _MAGIC


def open(address: Address) -> tuple[Image, ...]:
    """The images of a TIFF file; of a slide only the slide, not its label and thumbnail.

    Raises:
        NotFound: there is no such file.
        Unsupported: it is not a local file, not a TIFF, or holds what cannot be decoded.
        OpenError: the file is damaged, or cannot be read.
    """
    if address.path is None:
        raise Unsupported(
            f"{address.text} is a TIFF behind a URL, which Opsin cannot read in pieces: download "
            "it first, or convert it to OME-Zarr."
        )
    if not recognises(address):
        raise Unsupported(f"{address.name} is not a TIFF, whatever its name says.")
    with _reports() as reports:
        try:
            return _open(address, address.path, reports)
        except OpsinError:
            raise
        except FileNotFoundError:
            raise NotFound(f"There is nothing at {address.text}.") from None
        except OSError as error:
            raise OpenError(f"{address.name} cannot be read: {error.strerror or error}.") from error
        except Exception as error:
            # Damaged structure makes tifffile stumble anywhere, over an exception of any type.
            raise OpenError(
                f"{address.name} is a damaged or truncated TIFF "
                f"({type(error).__name__}: {shown(str(error))})."
            ) from error


def _open(address: Address, path: Path, reports: list[str]) -> tuple[Image, ...]:
    images: list[Image] = []
    given = path
    tiff, siblings = _with_siblings(path)
    with tiff:
        path = Path(tiff.filehandle.path)
        series = tiff.series
        if not series:
            raise OpenError(f"{address.name} holds no image: the file is probably truncated.")
        warnings = _warnings(address.name, reports, siblings)
        single = series[0].kind in _SLIDES + _WITH_THUMBNAILS
        chosen = series[:1] if single else series[:_MOST_IMAGES]
        if len(series) > _MOST_IMAGES:
            warnings.append(f"Only {_MOST_IMAGES} of the {len(series)} images are shown.")
        problem: OpsinError | None = None
        for number, one in enumerate(chosen):
            try:
                reader = SeriesReader(
                    path,
                    address.stem,
                    tiff,
                    number,
                    one,
                    len(series),
                    len(chosen) == 1,
                    Reopening(__name__, os.fspath(given), len(images)),
                    siblings.missing,
                )
                images.append(reader.image(tuple(warnings)))
            except Unsupported as error:
                problem = problem or error
            except BaseException:
                for image in images:
                    image.close()
                raise
        if not images:
            assert problem is not None
            raise problem
    return tuple(images)


def _with_siblings(path: Path) -> tuple[tifffile.TiffFile, Siblings]:
    """The open file, or the one that has its metadata, with those of its folder that it names.

    OME-XML may name anything; what is not in the same folder is not looked at.
    """
    import tifffile

    alone = tifffile.TiffFile(path, _multifile=False)
    try:
        xml = alone.ome_metadata
        siblings = siblings_of(path, xml) if alone.is_ome and xml else Siblings()
        if siblings.metadata is None and not siblings.here:
            return alone, siblings
        options: dict[str, Any] = {}
        place = siblings.metadata
        if place is not None:
            companion = _read_companion(place)
            if companion is None:
                alone.close()
                alone = tifffile.TiffFile(place, _multifile=False)
                path, companion = place, alone.ome_metadata or ""
            else:
                options["omexml"] = companion
            siblings = siblings_of(path, companion)
        if siblings.here or options:
            alone.close()
            alone = tifffile.TiffFile(path, _multifile=siblings.here, **options)
        return alone, siblings
    except BaseException:
        alone.close()
        raise


def _read_companion(path: Path) -> str | None:
    """The text of an XML file; None for a file that is a TIFF, with the XML inside."""
    with path.open("rb") as file:
        data = file.read(XML_LIMIT)
    return None if data.startswith(_MAGIC) else data.decode(errors="replace")


def _warnings(name: str, reports: list[str], siblings: Siblings) -> list[str]:
    """What tifffile logged, in sentences for people."""
    if siblings.missing:
        listed = ", ".join(siblings.missing[:3]) + (", …" if len(siblings.missing) > 3 else "")
        return [f"Files that belong to {name} are not beside it: {listed}."]
    if any(sign in report for report in reports for sign in _CUT_OFF):
        return [f"{name} is damaged or cut off: pages are missing, and only the others are shown."]
    return [f"tifffile says of {name}: {report}." for report in reports[:3]]


@contextlib.contextmanager
def _reports() -> Iterator[list[str]]:
    """What tifffile logs, as warnings or worse, on this thread meanwhile."""
    reports: list[str] = []
    thread = threading.get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                text = shown(record.getMessage())
                # '<tifffile.TiffPage 0 @8> missing data offset tag' without what is in brackets.
                text = text.rpartition("> ")[2].strip().rstrip(".")
                if text and text not in reports:
                    reports.append(text)

    collector = Collector(logging.WARNING)
    _log.addHandler(collector)
    try:
        yield reports
    finally:
        _log.removeHandler(collector)
