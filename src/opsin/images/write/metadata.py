"""Metadata: the documents of a written OME-Zarr, by version. Pure: names of files, and JSON.

OME-Zarr 0.4 is zarr 2, later ones are zarr 3. The levels are arrays called 0, 1, 2 …
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from opsin.images.image import Image
from opsin.images.write.codec import codec_of
from opsin.images.write.layout import Layout
from opsin.images.write.options import OmeVersion

Document: TypeAlias = dict[str, Any]
SYSTEM = "physical"
"""The coordinate system of 0.6 that all levels are placed in."""


def documents_of(layout: Layout) -> dict[str, Document]:
    """The documents of the group and the arrays of one image, by their names below it."""
    found = group_of(layout.ome, _attributes(layout))
    for number in range(len(layout.levels)):
        name, document = _array(layout, number)
        found[f"{number}/{name}"] = document
    return found


def labels_group(ome: OmeVersion, names: Sequence[str]) -> dict[str, Document]:
    """The documents of the group that labels lie in."""
    return group_of(ome, {"labels": list(names)})


def group_of(ome: OmeVersion, attributes: Mapping[str, Any]) -> dict[str, Document]:
    """The documents of a group with these OME attributes."""
    if ome == "0.4":
        return {".zgroup": {"zarr_format": 2}, ".zattrs": dict(attributes)}
    own = {"ome": {"version": ome, **attributes}}
    return {"zarr.json": {"zarr_format": 3, "node_type": "group", "attributes": own}}


def _attributes(layout: Layout) -> Document:
    image = layout.image
    axes = []
    for axis in image.axes:
        entry = {"name": axis.name}
        if axis.type != "other":
            entry["type"] = axis.type
        if axis.unit:
            entry["unit"] = axis.unit
        axes.append(entry)
    multiscale: Document = {"name": image.name}
    if layout.halved:
        mode = image.kind == "labels" or image.dtype == np.bool_
        how = "mode" if mode else "mean"
        multiscale["type"] = f"{'x'.join('2' * len(layout.halved))} {how}"
    if layout.ome == "0.4":
        multiscale["version"] = layout.ome
    if layout.ome == "0.6":
        multiscale["coordinateSystems"] = [{"name": SYSTEM, "axes": axes}]
    else:
        multiscale["axes"] = axes
    multiscale["datasets"] = [_dataset(layout, number) for number in range(len(layout.levels))]
    found: Document = {"multiscales": [multiscale]}
    if image.kind == "labels":
        found["image-label"] = {"version": layout.ome} if layout.ome == "0.4" else {}
    elif channels := _omero_channels(image):
        found["omero"] = {"channels": channels}
    return found


def _dataset(layout: Layout, number: int) -> Document:
    level, path = layout.levels[number], str(number)
    steps: list[Document] = [
        {"type": "scale", "scale": list(level.scale)},
        {"type": "translation", "translation": list(level.translation)},
    ]
    if layout.ome == "0.6":
        ends = {"input": {"path": path}, "output": {"name": SYSTEM}}
        steps = [{"type": "sequence", **ends, "transformations": steps}]
    return {"path": path, "coordinateTransformations": steps}


def _omero_channels(image: Image) -> list[Document]:
    """`omero` channels; none as long as a window is not known, which the specification demands."""
    channels: list[Document] = []
    for channel in image.channels:
        whole: tuple[float, float] | None = None
        if image.dtype.kind in "iu":
            limits = np.iinfo(str(image.dtype))
            whole = (int(limits.min), int(limits.max))
        elif image.dtype.kind == "b":
            whole = (0, 1)
        window = channel.window or whole
        if window is None:
            return []
        lowest, highest = whole or window
        channels.append(
            {
                "label": channel.name,
                "color": (channel.colour or "ffffff").upper(),
                "window": {"min": lowest, "max": highest, "start": window[0], "end": window[1]},
                "active": channel.visible,
            }
        )
    return channels


def _array(layout: Layout, number: int) -> tuple[str, Document]:
    """The name and the content of the document of a level."""
    level, dtype = layout.levels[number], layout.image.dtype
    codec = codec_of(layout.codec, dtype)
    fill = False if dtype == np.bool_ else 0
    if layout.ome == "0.4":
        return ".zarray", {
            "zarr_format": 2,
            "shape": list(level.shape),
            "chunks": list(level.chunks),
            "dtype": dtype.newbyteorder("<").str,
            "compressor": codec.compressor,
            "fill_value": fill,
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
        }
    codecs: list[Document] = list(codec.codecs)
    if layout.shards is not None:
        little = {"name": "bytes", "configuration": {"endian": "little"}}
        sharding = {
            "chunk_shape": list(level.chunks),
            "codecs": codecs,
            "index_codecs": [little, {"name": "crc32c"}],
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": sharding}]
    grid = {"chunk_shape": list(layout.shards or level.chunks)}
    return "zarr.json", {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(level.shape),
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": grid},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": codecs,
        "dimension_names": [axis.name for axis in layout.image.axes],
        "attributes": {},
    }
