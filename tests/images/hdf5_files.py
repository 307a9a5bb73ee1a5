"""HDF5 files as several programs write them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import h5py
import numpy as np

from opsin.images.image import Image
from opsin.images.source import Array, Encoded, Index

RANDOM = np.random.default_rng(5)


def noise(*shape: int, dtype: str = "u2") -> Array:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return RANDOM.normal(size=shape).astype(kind)
    return RANDOM.integers(0, min(np.iinfo(kind).max, 999), shape).astype(kind)


def write(path: Path, **arrays: Array) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def check(image: Image, expected: Array) -> None:
    """Whole, chunk by chunk in both ways, and what chunks have to be like."""
    np.testing.assert_array_equal(image.read(), expected)
    level = image.levels[0]
    direct = image.source.direct(0)

    async def fetch(indices: list[Index]) -> list[Encoded | None]:
        return [await image.source.fetch(0, index) for index in indices]

    indices = list(level.chunks_in((0,) * expected.ndim, level.shape))
    for index, encoded in zip(indices, asyncio.run(fetch(indices)), strict=True):
        chunk = image.source.decode(0, index, encoded)
        assert chunk.shape == level.chunk_shape(index)
        assert chunk.dtype == image.dtype == expected.dtype.newbyteorder("=")
        assert chunk.flags.c_contiguous
        if direct is not None:
            other, stored = direct(index)
            np.testing.assert_array_equal(chunk, other)
            assert stored == (0 if encoded is None else memoryview(bytes(encoded)).nbytes)


def axistags(keys: str, **resolution: float) -> str:
    tags = [
        {"key": key, "typeFlags": 2, "resolution": resolution.get(key, 0), "description": ""}
        for key in keys
    ]
    return json.dumps({"axes": tags})


def letters(text: object) -> Array:
    return np.array([c.encode("latin1") for c in str(text)], "S1")


def write_imaris(path: Path, array: Array, padded: int = 3) -> list[Array]:
    """A file as Imaris writes it, of t, c, z, y, x; the levels that it holds."""
    levels = [array, array[..., ::2, ::2]]
    with h5py.File(path, "w") as file:
        for number, level in enumerate(levels):
            for t in range(level.shape[0]):
                for c in range(level.shape[1]):
                    group = file.create_group(
                        f"DataSet/ResolutionLevel {number}/TimePoint {t}/Channel {c}"
                    )
                    volume = np.pad(level[t, c], [(0, padded)] * 3)
                    group.create_dataset("Data", data=volume, chunks=(2, 8, 8), compression="gzip")
                    for letter, size in zip("ZYX", level.shape[2:], strict=True):
                        group.attrs[f"ImageSize{letter}"] = letters(size)
        info = file.create_group("DataSetInfo/Image")
        for axis, (low, high) in enumerate(((10, 22.5), (0, 10), (-4, 8))):
            info.attrs[f"ExtMin{axis}"] = letters(low)
            info.attrs[f"ExtMax{axis}"] = letters(high)
        info.attrs["Unit"] = letters("um")
        times = file.create_group("DataSetInfo/TimeInfo")
        for number in range(array.shape[0]):
            times.attrs[f"TimePoint{number + 1}"] = letters(
                f"2020-05-15 15:08:{number * 30:02}.500"
            )
        for c, (name, colour) in enumerate((("DAPI", "0 0 1"), ("GFP", "0.000 1.000 0.000"))):
            channel = file.create_group(f"DataSetInfo/Channel {c}")
            channel.attrs["Name"] = letters(name)
            channel.attrs["Color"] = letters(colour)
            channel.attrs["ColorRange"] = letters(f"{c}.000 255.000")
        file["Thumbnail/Data"] = np.zeros((256, 1024), "u1")
    return levels


def write_bigdataviewer(path: Path, array: Array, setups: int = 2) -> None:
    """A file as BigDataViewer writes it: every setup holds `array` (t, z, y, x) plus its number."""
    with h5py.File(path, "w") as file:
        for s in range(setups):
            file[f"s{s:02}/resolutions"] = np.array([[1.0, 1, 1], [2, 2, 1]])
            file[f"s{s:02}/subdivisions"] = np.array([[16, 16, 4], [16, 16, 4]])
            for t, volume in enumerate(array + s):
                for level, data in enumerate((volume, volume[:, ::2, ::2])):
                    file.create_dataset(
                        f"t{t:05}/s{s:02}/{level}/cells",
                        data=data.astype("u2").view("i2"),
                        chunks=(4, 8, 8),
                        compression="gzip",
                    )


def bigdataviewer_xml(path: Path, angles: tuple[int, int] = (0, 0)) -> None:
    setups = "".join(
        f"<ViewSetup><id>{s}</id><name>setup {s}</name><size>30 20 8</size><voxelSize><unit>µm"
        f"</unit><size>0.4 0.4 2.0</size></voxelSize><attributes><channel>{s}</channel>"
        f"<angle>{angles[s]}</angle></attributes></ViewSetup>"
        for s in (0, 1)
    )
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><SpimData version="0.2"><SequenceDescription>'
        '<ImageLoader format="bdv.hdf5"><hdf5 type="relative">worm.h5</hdf5></ImageLoader>'
        f'<ViewSetups>{setups}<Attributes name="channel"><Channel><id>0</id><name>DAPI</name>'
        "</Channel><Channel><id>1</id><name>GFP</name></Channel></Attributes></ViewSetups>"
        "</SequenceDescription></SpimData>"
    )
