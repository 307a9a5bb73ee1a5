"""zarr-python and ome-zarr-models as clients: every kind of image, over HTTP, pixel by pixel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import ome_zarr_models.v05
import pytest
import zarr
import zarr.storage
from obstore.store import HTTPStore

from opsin.images.image import Image
from opsin.images.readers import open_image, open_images
from tests.images.hdf5_files import noise, write, write_imaris
from tests.images.test_plates import make_plate
from tests.server.running import opsin_view
from tests.server.serving import Serving, serving

DATA = Path(__file__).parents[1] / "data"
MOST = 1 << 22
"""Pixels of levels that are compared."""

Opened = Sequence[Image]


def of(*addresses: str | Path) -> Callable[[Path], list[Opened]]:
    return lambda _: [open_images(address) for address in addresses]


def rgb(folder: Path) -> list[Opened]:
    pixels = np.arange(300 * 280 * 3, dtype=np.uint8).reshape(300, 280, 3)
    (folder / "rgb.png").write_bytes(imagecodecs.png_encode(pixels))
    return [open_images(folder / "rgb.png")]


def hdf5(folder: Path) -> list[Opened]:
    write(folder / "plain.h5", raw=noise(5, 64, 60))
    write_imaris(folder / "cells.ims", noise(1, 2, 8, 64, 64))
    return [open_images(folder / "plain.h5"), open_images(folder / "cells.ims")]


def with_labels(folder: Path) -> list[Opened]:
    made = folder / "demo.ome.zarr"
    command = [sys.executable, "examples/make_demo.py", str(made), "--size", "1024"]
    subprocess.run(command, check=True, cwd=DATA.parents[1])
    return [open_images(made)]


IMAGES: dict[str, Callable[[Path], list[Opened]]] = {
    "tiff": of(DATA / "volume/img3d.tif", *sorted(DATA.glob("cells/*.tif"))[:1]),
    "png": of(DATA / "nuclei/test/images/000.png"),
    "rgb": rgb,
    "hdf5": hdf5,
    "labels": with_labels,
    "plate": lambda folder: [open_images(make_plate(folder / "plate.zarr"))],
    "synthetic": of("synthetic:mandelbrot,size=700,levels=2"),
    "5d": of("synthetic:mandelbrot,axes=tczyx,size=2x3x4x96x80"),
    "cells": of("synthetic:cells,size=500,levels=2"),
    "bulb": of("synthetic:mandelbulb,size=90"),
}


def group_at(address: str) -> zarr.Group:
    store = HTTPStore.from_url(address, client_options={"allow_http": True})
    return zarr.open_group(zarr.storage.ObjectStore(store, read_only=True), mode="r")


@pytest.mark.parametrize("kind", IMAGES)
def test_it_reads_what_opsin_reads(kind: str, tmp_path: Path) -> None:
    groups = IMAGES[kind](tmp_path)
    with serving(groups) as server:
        assert not server.session.shelf.refused
        offers = server.session.shelf.offers
        for name, offer in offers.items():
            check(server, name, offer.image)
            for label, inside in offer.labels.items():
                check(server, f"{name}/labels/{label}", inside.image)
        count = len(offers) + sum(len(offer.labels) for offer in offers.values())
        assert count == sum(map(len, groups))
        assert (kind == "labels") == any(offer.labels for offer in offers.values())


def check(server: Serving, path: str, image: Image) -> None:
    """Metadata are valid, and every level of a moderate size is the same."""
    group = group_at(f"{server.zarr}/{path}")
    ome = ome_zarr_models.v05.Image.from_zarr(group).ome_attributes
    (multiscale,) = ome.multiscales
    rank = {"time": 0, "channel": 1, "other": 2, "space": 3}
    order = sorted(range(len(image.axes)), key=lambda i: rank[image.axes[i].type])
    assert [axis.name for axis in multiscale.axes] == [image.axis_names[i] for i in order]
    assert len(multiscale.datasets) == len(image.levels)
    compared = 0
    for number, (level, dataset) in enumerate(zip(image.levels, multiscale.datasets, strict=True)):
        scale, *rest = dataset.coordinateTransformations
        assert scale.scale == [level.scale[i] for i in order]  # type: ignore[union-attr]
        assert rest[0].translation == [level.translation[i] for i in order]
        array = group[dataset.path]
        assert isinstance(array, zarr.Array)
        assert array.shape == tuple(level.shape[i] for i in order)
        if np.prod(level.shape) <= MOST:
            compared += 1
            expected = image.read(number).transpose(order)
            np.testing.assert_array_equal(array[...], expected)
            assert array.dtype == expected.dtype
    assert compared


def test_a_server_says_where_its_images_are() -> None:
    nuclei = DATA / "nuclei/test/images/000.png"
    token = {"OPSIN_TOKEN": "a-token-of-mine-0123456789"}
    with opsin_view([nuclei, "synthetic:julia"], environment=token) as server:
        lines = server.zarrs(2)
        assert [line.rpartition("/")[2] for line in lines] == ["000.zarr", "julia.zarr"]
        assert "a-token-of-mine" not in "".join(lines), "it lets read, nothing else"
        array = group_at(lines[0])["0"]
        assert isinstance(array, zarr.Array)
        expected = imagecodecs.png_decode(nuclei.read_bytes())
        np.testing.assert_array_equal(array[...], expected)
        deep = group_at(lines[1])["0"]
        assert isinstance(deep, zarr.Array)
        assert deep.shape == (2**27, 2**27)
        corner = (slice(70_000_000, 70_000_040), slice(50_000_000, 50_000_030))
        with open_image("synthetic:julia") as julia:
            np.testing.assert_array_equal(deep[corner], julia.read(0, corner))
