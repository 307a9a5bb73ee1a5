"""What others make of a written image: ome-zarr-models, zarr-python, and plain NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ome_zarr_models
import zarr
from ome_zarr_models.v04 import Image as Image04
from ome_zarr_models.v04 import ImageLabel as ImageLabel04
from ome_zarr_models.v05 import Image as Image05
from ome_zarr_models.v05 import ImageLabel as ImageLabel05

from opsin.images.source import Array

RANDOM = np.random.default_rng(9)


def noise(*shape: int, dtype: Any = "u2") -> Array:
    values: Array = RANDOM.integers(0, 120, shape).astype(dtype)
    return values


def levels_of(path: Path) -> list[Array]:
    """All levels, as zarr-python reads them."""
    group: Any = zarr.open_group(str(path), mode="r")
    names = list(group.array_keys())
    assert sorted(names, key=int) == [str(n) for n in range(len(names))]
    return [group[str(n)][...] for n in range(len(names))]


def validated(path: Path) -> str:
    """Raise unless this is a valid OME-Zarr; returns its version."""
    group = zarr.open_group(str(path), mode="r")
    attributes: Any = dict(group.attrs)
    version: str = attributes["ome"]["version"] if "ome" in attributes else "0.4"
    if version == "0.6":
        _check_06(group, attributes["ome"])
        return version
    labels = "image-label" in attributes.get("ome", attributes)
    image, image_label = {"0.4": (Image04, ImageLabel04), "0.5": (Image05, ImageLabel05)}[version]
    model = ome_zarr_models.open_ome_zarr(group)
    assert isinstance(model, (image, image_label) if labels else image)
    assert model.ome_zarr_version == version
    (image_label if labels else image).from_zarr(group)
    return version


def _check_06(group: zarr.Group, ome: Any) -> None:
    """The rules of OME-Zarr 0.6 for a multiscale image, which no released model knows yet."""
    (multiscale,) = ome["multiscales"]
    assert "axes" not in multiscale
    systems = {one["name"]: one["axes"] for one in multiscale["coordinateSystems"]}
    assert len(systems) == len(multiscale["coordinateSystems"])
    outputs = set()
    for dataset in multiscale["datasets"]:
        (placed,) = dataset["coordinateTransformations"]
        assert placed["type"] == "sequence"
        assert placed["input"] == {"path": dataset["path"]}
        (name,) = placed["output"].values()
        outputs.add(name)
        assert [one["type"] for one in placed["transformations"]] == ["scale", "translation"]
        array: Any = group[dataset["path"]]
        axes = systems[name]
        names = [axis["name"] for axis in axes]
        assert len(set(names)) == len(names) == array.ndim <= 5
        assert list(array.metadata.dimension_names) == names
        for one in placed["transformations"]:
            assert len(one[one["type"]]) == array.ndim
        types = [axis.get("type", "other") for axis in axes]
        order = ["time", "channel", "other", "space"]
        assert types == sorted(types, key=order.index)
        assert 2 <= types.count("space") <= 3
        assert all(types.count(kind) <= 1 for kind in order[:3])
    assert len(outputs) == 1
    for channel in ome.get("omero", {"channels": []})["channels"]:
        assert {"window", "color", "label"} <= channel.keys()
        assert channel["window"].keys() == {"min", "max", "start", "end"}


def coarser(array: Array, axes: Sequence[int], labels: bool) -> Array:
    """The next level, in the plainest way: floats of 64 bits and counters; not for 64 bits."""
    for axis in axes:
        if array.shape[axis] % 2:
            array = np.concatenate([array, array.take([-1], axis)], axis)
    sizes = [n // 2 if axis in axes else n for axis, n in enumerate(array.shape)]
    parts = [n for axis, n in enumerate(sizes) for n in ((n, 2) if axis in axes else (n, 1))]
    cells = np.moveaxis(array.reshape(parts), range(1, 2 * len(sizes), 2), range(-len(sizes), 0))
    values = cells.reshape(*sizes, -1)
    if labels or array.dtype == np.bool_:
        mode: Array = np.apply_along_axis(_mode, -1, values).astype(array.dtype)
        return mode
    mean: Array = values.astype(np.float64).mean(axis=-1)
    return (mean if array.dtype.kind == "f" else np.rint(mean)).astype(array.dtype)


def _mode(values: Array) -> Any:
    votes = Counter(values.tolist())
    return min(votes, key=lambda value: (-votes[value], value == 0, value))
