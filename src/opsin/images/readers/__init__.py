"""Readers: the formats that images are read from. Adding a reader is adding a module here.

A reader is a module of this package with

* `recognises(address: Address) -> bool`: quick, by name, folder content or first bytes;
* `open(address: Address) -> tuple[Image, ...]`: the images at the address, the main one first;
* `READS: str`: what it reads, for messages (`"OME-Zarr 0.4 and 0.5"`);
* where its files hold several images, `browse`, see `opsin.images.readers.node`. Only such a
  reader is given an address with something `inner`;
* where it hands over to packages of others, `LAST_RESORT: int`, and `advice(address) -> str`: a
  sentence that says what to install so that it could read what is there, or ''.

Readers that need what lies above `opsin.images`, such as processes, are handed to it, see
`opsin.images.handed_readers`. Readers are asked in the order of their names, those that are a last
resort after all others, by that number; the first that recognises an address opens it. A last
resort is only asked about files and folders of this computer that are not obviously something else.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

from opsin.errors import NotFound, OpenError, ReadError, Unsupported, UsageError
from opsin.images.derived import with_derived_levels
from opsin.images.handed_readers import handed_over
from opsin.images.image import Axis, Image, Kind, Origin
from opsin.images.readers.address import Address
from opsin.images.readers.node import Node
from opsin.images.text import shown


class Reader(Protocol):
    """What a module of this package offers."""

    READS: str

    def recognises(self, address: Address) -> bool:
        """Whether this reader is the one for what is at `address`."""

    def open(self, address: Address) -> tuple[Image, ...]:
        """The images at `address`, the main one first."""


def open_image(address: str | Path, *, kind: Kind | None = None) -> Image:
    """Open the image at a local path or an http(s) or s3 URL: the main one, if there are several.

    The caller closes it (it is a context manager). Pixels are read only when they are asked for.

    Args:
        address: a local path, or an http(s) or s3 URL.
        kind: what the pixels are, `image` or `labels`; None: what the file says. Only OME-Zarr can
            say that its numbers are labels.

    Raises:
        NotFound: there is nothing at the address.
        Unsupported: no reader understands what is there, or its pixels cannot be labels.
        OpenError: it cannot be opened for another reason, such as broken metadata.
    """
    first, *others = open_images(address, kind=kind)
    for other in others:
        other.close()
    return first


def open_images(address: str | Path, *, kind: Kind | None = None) -> tuple[Image, ...]:
    """Open all images at an address: an image and, for an OME-Zarr, its labels.

    Every image has axes called y and x: others are renamed where it must be, with a warning.

    Takes and raises what `open_image` does; `kind` is that of all the images.
    """
    place = Address.parse(address)
    try:
        return _opened(place, kind)
    except ReadError as error:
        raise OpenError(f"{place.text} cannot be opened: {error}") from error
    except OSError as error:
        raise OpenError(f"{place.text} cannot be opened: {error.strerror or error}.") from error


def open_origin(origin: Origin) -> Image:
    """Open an image again.

    Raises:
        UsageError: there are not so many images any more.
        OpenError: as `open_image` does.
    """
    images = open_images(origin.address, kind=origin.kind)
    for number, image in enumerate(images):
        if number != origin.number:
            image.close()
    if origin.number >= len(images):
        raise UsageError(f"{origin.address} has {len(images)} images: there is no {origin.number}.")
    return images[origin.number]


def browse(address: str | Path) -> Node:
    """What can be opened inside a zarr, an HDF5 file or a folder: the root of a tree.

    Raises:
        NotFound: there is nothing at the address.
        Unsupported: no reader knows of anything inside.
        OpenError: it cannot be read for another reason.
    """
    place = Address.parse(address)
    try:
        _existing(place)
        for reader in readers():
            find = getattr(reader, "browse", None)
            node: Node | None = find(place) if find is not None else None
            if node is not None:
                return node
    except ReadError as error:
        raise OpenError(f"{place.text} cannot be opened: {error}") from error
    except OSError as error:
        raise OpenError(f"{place.text} cannot be opened: {error.strerror or error}.") from error
    raise Unsupported(f"{place.text} holds nothing that can be opened on its own.")


def _existing(place: Address) -> None:
    if place.path is not None and not place.path.exists():
        advice = ""
        if place.text.startswith("napari:"):
            advice = f" If it is sample data of a plugin: opsin run {place.text} -o OUT.ome.zarr."
        raise NotFound(f"There is nothing at {place.text}.{advice}")


def _opened(place: Address, kind: Kind | None) -> tuple[Image, ...]:
    _existing(place)
    failures: list[Exception] = []
    advice: list[str] = []
    for reader in readers():
        if _resort(reader) and (failures or not _is_unknown(place)):
            continue
        try:
            recognised = reader.recognises(place)
        except (OpenError, ReadError) as error:
            # A server may refuse what one reader asks for, and have what another one does.
            failures.append(error)
            continue
        if recognised:
            if place.inner and not hasattr(reader, "browse"):
                raise NotFound(f"There is nothing at {place.text}: {place.name} is a file.")
            return _ready(place, reader, reader.open(place), kind)
        if _resort(reader):
            advice.append(getattr(reader, "advice", _no_advice)(place))
    if failures:
        raise failures[0]
    sentences = [_described(place), f"Opsin reads {_formats()}.", *filter(None, advice)]
    raise Unsupported(" ".join(sentences))


def _is_unknown(place: Address) -> bool:
    """Whether those who read other formats are worth asking: it may take them seconds to start."""
    if place.path is None or place.inner or not place.suffix or place.suffix in _NAMED:
        return False
    return place.is_folder or _beginning(place.head(512)) not in _OBVIOUS


def _resort(reader: Reader) -> int:
    return int(getattr(reader, "LAST_RESORT", 0))


def _no_advice(_: Address) -> str:
    return ""


def _ready(
    place: Address, reader: Reader, images: tuple[Image, ...], kind: Kind | None
) -> tuple[Image, ...]:
    """Images as a reader gives them, with what every image must have: y, x and coarse levels."""
    try:
        if any(len(image.axes) < 2 for image in images):
            raise Unsupported(f"{place.text} has one axis, but an image has at least two.")
        # Before the coarse levels, which of labels are picked, not averaged.
        said = tuple(_of_kind(_with_plane(image), kind) for image in images)
        name = getattr(reader, "__name__", "").rpartition(".")[2]
        said = tuple(
            replace(
                one,
                warnings=_without_place(place, one.warnings),
                format=one.format or name,
                origin=Origin(place.whole, number, kind),
            )
            for number, one in enumerate(said)
        )
        return tuple(with_derived_levels(image) for image in said)
    except BaseException:
        for image in images:
            image.close()
        raise


def _without_place(place: Address, warnings: tuple[str, ...]) -> tuple[str, ...]:
    """Warnings that name files, but not the folder or server they are in: people pass them on."""
    wholes = [] if place.path is None else [shown(os.fspath(place.path))]
    wholes += [place.url, place.place, place.text] if place.url is not None else []
    for whole in filter(None, wholes):
        folder = whole.rstrip("/").rpartition("/")[0]
        if folder:
            warnings = tuple(one.replace(f"{folder}/", "") for one in warnings)
    return warnings


def _of_kind(image: Image, kind: Kind | None) -> Image:
    """The image as one of this kind. Channels of labels are not layers, but get a slider."""
    if kind is None or kind == image.kind:
        return image
    if kind == "image":
        return replace(image, kind=kind)
    if image.rgb or image.dtype.kind not in "biu":
        pixels = "colours" if image.rgb else image.dtype.name
        raise Unsupported(
            f"{image.name} cannot be labels: these are whole numbers, and it has {pixels}."
        )
    axes = tuple(replace(a, type="other") if a.type == "channel" else a for a in image.axes)
    return replace(image, kind=kind, axes=axes, channels=())


def _with_plane(image: Image) -> Image:
    """The image with axes called y and x, which are the ones that are shown.

    An axis whose name means y or x keeps its place; else the last two axes in space, or of no
    known type, take these names. Time and, last of all, channels take part only where the image
    has no two others.
    """
    missing = [name for name in ("y", "x") if name not in image.axis_names]
    if not missing:
        return image
    last_resort = {"time": 1, "channel": 2}
    lower = [name.lower() for name in image.axis_names]
    named = {lower.index(name): name for name in missing if name in lower}
    missing = [name for name in missing if name not in lower]
    free = [i for i, name in enumerate(lower) if name not in ("y", "x")]
    free.sort(key=lambda i: (last_resort.get(image.axes[i].type, 0), -i))
    named |= dict(zip(sorted(free[: len(missing)]), missing, strict=True))
    axes = tuple(
        Axis(named[i], "space", axis.unit) if i in named else axis
        for i, axis in enumerate(image.axes)
    )
    old = " and ".join(image.axes[i].name for i in sorted(named))
    new = " and ".join(named[i] for i in sorted(named))
    what = f"axes {old} are" if len(named) > 1 else f"axis {old} is"
    keeps = image.channel_axis is None or image.channel_axis not in named
    return replace(
        image,
        axes=axes,
        channels=image.channels if keeps else (),
        rgb=image.rgb and keeps,
        warnings=(*image.warnings, f"The {what} shown as {new}."),
    )


def readers() -> tuple[Reader, ...]:
    """All readers, in the order in which they are asked."""
    modules = (
        importlib.import_module(f"{__name__}.{info.name}")
        for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name)
    )
    own = [module for module in modules if hasattr(module, "recognises")]
    return tuple(sorted((cast(Reader, one) for one in (*own, *handed_over())), key=_resort))


def _formats() -> str:
    return ", ".join(reader.READS for reader in readers() if not _resort(reader))


_NAMED = {
    ".tif": "a TIFF",
    ".tiff": "a TIFF",
    ".png": "a PNG",
    ".jpg": "a JPEG",
    ".jpeg": "a JPEG",
    ".zarr": "a zarr",
    ".h5": "an HDF5 file",
    ".hdf5": "an HDF5 file",
    ".ims": "an HDF5 file",
}

_BEGINNINGS = (
    (b"\x89PNG\r\n", "a PNG"),
    (b"\xff\xd8\xff", "a JPEG"),
    (b"GIF8", "a GIF"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"II+\0", "a TIFF"),
    (b"MM\0+", "a TIFF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"%PDF", "a PDF"),
    (b"\x93NUMPY", "a numpy file"),
)


_EMPTY, _HTML, _TEXT = "nothing: it is empty", "HTML", "plain text"
_OBVIOUS = (_EMPTY, _HTML, _TEXT, "a ZIP archive", "a gzip file", "a PDF")


def _described(place: Address) -> str:
    """What is at an address that no reader recognises: one sentence."""
    if place.is_folder:
        assert place.path is not None
        inside = sorted(p.name for p in place.path.iterdir() if p.suffix == ".zarr")[:3]
        hint = f": open one of those in it, such as {inside[0]}." if inside else "."
        return f"{place.text} is a folder, but not a zarr{hint}"
    begins = _beginning(place.head(512))
    named = _NAMED.get(place.suffix)
    if named is not None and named != begins:
        return f"{place.name} is named like {named} but begins with {begins}."
    return f"{place.name} begins with {begins}, which no reader knows."


def _beginning(head: bytes) -> str:
    if not head:
        return _EMPTY
    for magic, name in _BEGINNINGS:
        if head.startswith(magic):
            return name
    printable = sum(byte >= 32 or byte in b"\t\n\r" for byte in head)
    if b"\0" not in head and printable > 0.95 * len(head):
        return _HTML if b"<html" in head[:200].lower() else _TEXT
    return "bytes of no known format"
