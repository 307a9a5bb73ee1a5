"""Chunks are read and decoded elsewhere: by the processes of a Dask cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from distributed import Client, LocalCluster

from opsin.chunks.loader import Loader
from opsin.errors import Corrupt
from opsin.images.image import Image
from opsin.images.readers import open_image
from opsin.images.source import Array
from tests.chunks.pyramid import pyramid, values

PIXELS = np.random.default_rng(5).integers(0, 60000, (300, 400)).astype(np.uint16)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        yield client.get_executor(pure=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    options: dict[str, Any] = {"chunks": (100, 100), "shards": (200, 200)}
    array = zarr.create_array(tmp_path / "a.zarr", shape=(300, 400), dtype=np.uint16, **options)
    array[:] = PIXELS
    return tmp_path


def read(image: Image, executor: Executor) -> Array:
    async def main() -> Array:
        loader = Loader(64 << 20, executor=executor)
        number = loader.add(image)
        try:
            async with asyncio.timeout(60):
                start = (0,) * len(image.shape)
                return await loader.read(number, 0, start, image.shape)
        finally:
            await loader.close()

    return asyncio.run(main())


def test_local_chunks_are_read_by_other_processes(folder: Path, executor: Executor) -> None:
    np.testing.assert_array_equal(read(open_image(folder / "a.zarr"), executor), PIXELS)


def test_fetched_chunks_are_decoded_by_other_processes(folder: Path, executor: Executor) -> None:
    image, source = pyramid((600, 600), delay=0.001)

    expected = values(0, (0, 0), (600, 600), "uint16")
    np.testing.assert_array_equal(read(image, executor), expected)
    assert sum(source.finished.values()) == 9, "it is fetched here"


def test_an_error_comes_back_as_itself(folder: Path, executor: Executor) -> None:
    (folder / "a.zarr" / "c" / "0" / "0").write_bytes(b"no shard")
    with pytest.raises(Corrupt, match="shard"):
        read(open_image(folder / "a.zarr"), executor)
