"""HDF5: Imaris, BigDataViewer, ilastik, netCDF 4, MATLAB 7.3 and plain datasets, by h5py.

A file is opened whole where it is one image, or has one dataset that is; else the address goes on
behind the file: `cells.h5/raw/data`. Only local files are read; no link out of them is followed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opsin.errors import OpenError, OpsinError, Unsupported
from opsin.images.image import Image
from opsin.images.readers.address import Address
from opsin.images.readers.node import Node
from opsin.images.source import Reopening
from opsin.images.text import shown

if TYPE_CHECKING:
    import h5py

    from opsin.images.hdf5.file import Hdf5File, Object
    from opsin.images.hdf5.found import Found

READS = "HDF5 (Imaris, BigDataViewer, ilastik)"

_MAGIC = b"\x89HDF\r\n\x1a\n"
_PLACES = (0, 512, 1024, 2048)
"""Where a file may begin behind what another program put in front, as MATLAB does."""

_MOST_IMAGES = 64
_LISTED = 12


def recognises(address: Address) -> bool:
    """Whether the file begins as an HDF5 file does, perhaps after some bytes of others."""
    head = address.head(4096)
    return any(head.startswith(_MAGIC, place) for place in _PLACES)


def open(address: Address) -> tuple[Image, ...]:
    """The images of an HDF5 file, or of what is named behind it.

    Raises:
        NotFound: there is no such file, or nothing of that name in it.
        Unsupported: it holds no image, or several of which one has to be named; h5py is missing.
        OpenError: it is damaged, or cannot be read.
    """
    path = _local(address)
    try:
        file = _opened(address, path)
        try:
            found = _found(file, address)
            return _images(file, found, address)
        finally:
            file.close()
    except (OpsinError, OSError):
        raise
    except Exception as error:
        # Damaged structure makes HDF5 stumble anywhere.
        raise OpenError(
            f"{address.name} is a damaged or truncated HDF5 file "
            f"({type(error).__name__}: {shown(str(error))})."
        ) from error


def browse(address: Address) -> Node | None:
    """The groups and datasets of a file, or below what is named behind it.

    Raises:
        OpenError: it is damaged, or cannot be read.
    """
    if address.path is None or not address.path.is_file() or not recognises(address):
        return None
    file = _opened(address, address.path)
    try:
        return _node(file, address.path, address.inner, "", file.find(address.inner))
    finally:
        file.close()


def _local(address: Address) -> Path:
    if address.path is None:
        raise Unsupported(
            f"{address.text} is an HDF5 file behind a URL, which Opsin cannot read in pieces: "
            "download it first, or convert it to OME-Zarr."
        )
    if not recognises(address):
        raise Unsupported(f"{address.name} is not an HDF5 file, whatever its name says.")
    return address.path


def _opened(address: Address, path: Path) -> Hdf5File:
    from opsin.images.hdf5.file import Hdf5File

    return Hdf5File(path)


def _found(file: Hdf5File, address: Address) -> list[Found]:
    """What the address names: by a known layout, or the one dataset that is an image."""
    import h5py

    from opsin.images.hdf5.bigdataviewer import CELLS, bigdataviewer_images, is_bigdataviewer
    from opsin.images.hdf5.imaris import imaris_image, is_imaris
    from opsin.images.hdf5.plain import images_in, plain_image

    inner = address.inner
    if not inner and is_imaris(file):
        return [imaris_image(file)]
    if (
        "/" not in inner
        and is_bigdataviewer(file)
        and (not inner or file.has(f"{inner}/resolutions"))
    ):
        return bigdataviewer_images(file, inner or None)
    node = file.find(inner)
    if isinstance(node, h5py.Dataset):
        return [plain_image(file, node, unsigned=CELLS.fullmatch(inner) is not None)]
    datasets = images_in(file, node)
    if not datasets:
        raise Unsupported(f"{_where(address)} holds no image, that is, no numbers of two axes.")
    if len(datasets) > 1:
        raise Unsupported(_several(address, node, datasets))
    return [plain_image(file, datasets[0])]


def _several(address: Address, group: h5py.Group, datasets: Sequence[h5py.Dataset]) -> str:
    """The message that lists the images of a file."""
    from opsin.images.hdf5.file import path_of

    base = path_of(group)
    names = [shown(path_of(one).removeprefix(base).strip("/")) for one in datasets]
    sizes = (f"{' × '.join(map(str, one.shape))} {one.dtype}" for one in datasets)
    listed = [f"{name} ({size})" for name, size in zip(names, sizes, strict=True)][:_LISTED]
    more = [f"{len(names) - _LISTED} more"] if len(names) > _LISTED else []
    *most, last = listed + more
    return (
        f"{_where(address)} holds {len(names)} images: {', '.join(most)} and {last}. Name one, as "
        f"in {address.text.rstrip('/')}/{names[0]}."
    )


def _where(address: Address) -> str:
    return f"{shown(address.inner)} in {address.name}" if address.inner else address.name


def _images(file: Hdf5File, found: Sequence[Found], address: Address) -> tuple[Image, ...]:
    images: list[Image] = []
    stem = shown(f"{address.stem}/{address.inner}") if address.inner else address.stem
    try:
        for one in found[:_MOST_IMAGES]:
            name = f"{stem} · {one.title}" if len(found) > 1 else stem
            whole = file.path / address.inner if address.inner else file.path
            again = Reopening(__name__, os.fspath(whole), len(images))
            images.append(one.image(file, name, again))
    except BaseException:
        for image in images:
            image.close()
        raise
    return tuple(images)


def _node(file: Hdf5File, path: Path, inner: str, below: str, found: Object) -> Node:
    """A group or dataset as a node; its children open the file again."""
    import h5py

    from opsin.images.hdf5.dataset import why_no_pixels

    address = os.fspath(path) + (f"/{inner}" if inner else "")
    if isinstance(found, h5py.Group):
        return Node(shown(address), below, "group", expand=lambda: _children(path, inner, below))
    reason = why_no_pixels(found)
    if reason is not None:
        return Node(shown(address), below, "array", note=reason)
    return Node(shown(address), below, "array", tuple(found.shape), found.dtype.name)


def _children(path: Path, inner: str, below: str) -> list[Node]:
    from opsin.images.hdf5.file import Hdf5File

    file = Hdf5File(path)
    try:
        group = file.find(inner)
        nodes: list[Node] = []
        for name, found in file.members(group):
            deeper = f"{inner}/{name}" if inner else name
            place = f"{below}/{name}" if below else name
            if isinstance(found, OpenError):
                address = f"{os.fspath(path)}/{deeper}"
                nodes.append(Node(shown(address), shown(place), "array", note=str(found)))
            else:
                nodes.append(_node(file, path, deeper, place, found))
        return nodes
    finally:
        file.close()
