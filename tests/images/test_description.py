"""Descriptions say what the file says, in a form that JSON holds and people can read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tifffile

from opsin.images.derived import with_derived_levels
from opsin.images.description import describe, describe_text, size_text
from opsin.images.image import Image
from opsin.images.readers import tiff
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
    assert not second["stored"]
    assert second["shape"] == [3, 2, 750, 600]
    assert second["scale"] == [1.5, 1, 0.65, 0.65]
    assert second["translation"] == [0, 0, 0.1625, 0.1625]
    assert said["warnings"] == []


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
