"""Descriptions say what the file says, in a form that JSON holds and people can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import imageio.v3 as imageio
import numpy as np
import tifffile
import zarr

from opsin.images.derived import with_derived_levels
from opsin.images.description import describe, describe_text, size_text
from opsin.images.image import Image
from opsin.images.readers import open_image, tiff
from opsin.images.readers.address import Address


def example(tmp_path: Path) -> Image:
    path = tmp_path / "secret-folder"
    path.mkdir()
    tifffile.imwrite(
        path / "kidney.ome.tif",
        np.zeros((3, 2, 1500, 1200), "u2"),
        tile=(256, 256),
        metadata={
            "axes": "TCYX", "TimeIncrement": 1.5, "TimeIncrementUnit": "s",
            "PhysicalSizeX": 0.325, "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 0.325, "PhysicalSizeYUnit": "µm",
            "Channel": {"Name": ["DAPI", "GFP"], "Color": [0x0000FFFF, 0x00FF00FF]},
        },
    )  # fmt: skip
    (image,) = tiff.open(Address.parse(path / "kidney.ome.tif"))
    return with_derived_levels(image)


def test_json(tmp_path: Path) -> None:
    image = example(tmp_path)
    said = describe(image)
    assert json.loads(json.dumps(said)) == said
    assert "secret" not in json.dumps(said)
    assert said["name"] == "kidney"
    assert said["kind"] == "image"
    assert said["shape"] == [3, 2, 1500, 1200]
    assert said["dtype"] == "uint16"
    assert said["axes"][0] == {"name": "t", "type": "time", "unit": "second"}
    assert said["channels"][1] == {
        "name": "GFP", "colour": "00ff00", "window": None, "visible": True,
    }  # fmt: skip
    first, second = said["levels"]
    assert first["stored"]
    assert first["chunks"] == [1, 1, 256, 256]
    assert first["chunk_count"] == 3 * 2 * 6 * 5
    assert first["bytes"] == 3 * 2 * 1500 * 1200 * 2
    assert first["grid"] == [3, 2, 6, 5]
    assert first["chunk_bytes"] == 256 * 256 * 2
    assert first["codec"] == "raw"
    assert first["factors"] == [1, 1, 1, 1]
    assert second["factors"] == [1, 1, 2, 2]
    assert second["codec"] == ""
    assert said["dtype_bytes"] == 2
    assert said["provenance"] == "disk"
    assert said["format"] == "tiff/ome"
    assert said["stored_bytes"] == first["bytes"]
    assert said["computed_bytes"] == second["bytes"]
    assert not second["stored"]
    assert second["shape"] == [3, 2, 750, 600]
    assert second["scale"] == [1.5, 1, 0.65, 0.65]
    assert second["translation"] == [0, 0, 0.1625, 0.1625]
    assert said["warnings"] == []


def write_all(folder: Path) -> None:
    """A file of every format, each with something to warn of."""
    array = np.zeros((5, 300, 40), "u2")
    with h5py.File(folder / "a.h5", "w") as file:
        pixels = file.create_dataset("p", data=array, chunks=(1, 50, 40), compression="gzip")
        for axis, name in enumerate(("time", "row", "col")):
            pixels.dims[axis].label = name
    zarr.create_array(
        folder / "a.zarr", shape=(9, 300), chunks=(9, 100), shards=(9, 300), dtype="u1",
        dimension_names=("row", "col"),
    )  # fmt: skip
    group = zarr.create_group(folder / "b.zarr")
    levels = [
        {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": [1.0 * n] * 2}]}
        for n in (1, 2)
    ]
    axes = [{"name": name, "type": "space"} for name in "yx"]
    ome: Any = {"multiscales": [{"axes": axes, "datasets": levels}], "version": "0.5"}
    group.attrs["ome"] = ome
    group.create_array("1", shape=(300, 300), chunks=(99, 99), dtype="u1")
    (folder / "b.zarr/2").mkdir()
    (folder / "b.zarr/2/zarr.json").write_text('{"zarr_format": 3, "node_type": "array"}')
    imageio.imwrite(folder / "a.gif", np.zeros((40, 50, 3), "u1"))
    for name, encode in (("a.png", "png"), ("a.jpg", "jpeg8"), ("a.webp", "webp")):
        data = getattr(imagecodecs, f"{encode}_encode")(np.zeros((40, 50, 3), "u1"))
        (folder / name).write_bytes(data)
    tifffile.imwrite(folder / "b.tif", array, compression="zlib", predictor=True)
    whole = (folder / "b.tif").read_bytes()
    (folder / "c.tif").write_bytes(whole[: len(whole) // 2])


FORMATS = {
    "a.h5": ("hdf5/plain", "deflate"),
    "a.zarr": ("ome_zarr", "zstd, in shards"),
    "b.zarr": ("ome_zarr", "zstd"),
    "a.gif": ("bioio/bioio-imageio", ""),
    "a.png": ("png", "whole file"),
    "a.jpg": ("jpeg", "whole file"),
    "a.webp": ("webp", "whole file"),
    "b.tif": ("tiff/shaped", "adobe deflate, predictor"),
    "c.tif": ("tiff/shaped", "adobe deflate, predictor"),
}


def test_a_report_of_any_format_holds_no_path(tmp_path: Path) -> None:
    folder = tmp_path / "secret" / "folder"
    folder.mkdir(parents=True)
    write_all(folder)
    said = {}
    for name in FORMATS:
        with open_image(folder / name) as image:
            said[name] = describe(image)
            assert "secret" not in json.dumps(said[name], allow_nan=False)
            assert "secret" not in describe_text(image)
    found = {name: (one["format"], one["levels"][0]["codec"]) for name, one in said.items()}
    assert found == FORMATS
    for name in ("a.h5", "a.zarr", "b.zarr", "c.tif"):
        assert said[name]["warnings"], "else this shows nothing"


def test_text(tmp_path: Path) -> None:
    assert describe_text(example(tmp_path)).split("\n") == [
        "kidney",
        "  kind        image",
        "  axes        t 3 · c 2 · y 1500 · x 1200",
        "  type        uint16",
        "  pixel size  0.325 × 0.325 µm (y, x)",
        "  time step   1.5 s",
        "  channel     DAPI, #0000ff",
        "  channel     GFP, #00ff00",
        "",
        "  level  shape                chunks             number  size",
        "  0      3 × 2 × 1500 × 1200  1 × 1 × 256 × 256  180     20.6 MiB",
        "  1      3 × 2 × 750 × 600    1 × 1 × 512 × 512  24      5.15 MiB  computed",
    ]


def test_sizes() -> None:
    sizes = (0, 512, 1536, 10 << 20, 402653184, 1 << 60)
    assert [size_text(size) for size in sizes] == [
        "0 B", "512 B", "1.5 KiB", "10 MiB", "384 MiB", "1024 PiB",
    ]  # fmt: skip
