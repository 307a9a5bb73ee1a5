"""Arrays of zarr and dask, and images, reach the other side of a link in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import zarr

from opsin.host.lazy_types import is_lazy, register
from opsin.images.readers import open_image
from opsin.rpc.peer import Peer
from opsin.rpc.transports.memory import pair
from tests.host.test_blocking import program
from tests.rpc.running import run

VOLUME = "tests/data/volume/img3d.tif"


class Reads:
    """A service that reads a part of what it gets."""

    async def corner(self, array: Any) -> Any:
        assert not isinstance(array, np.ndarray)
        return [array.shape, array.dtype.name, await array.read((slice(2, 9, 3), slice(1, 4)))]


@pytest.mark.parametrize("kind", ["zarr", "dask", "image"])
def test_they_are_read_in_parts(tmp_path: Path, kind: str) -> None:
    register()
    register()
    with open_image(VOLUME) as image:
        pixels = image.read()
        stored = zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(8, 16, 16))
        graph = dask.array.from_array(pixels, chunks=(5, 20, 20)) + 0
        value: Any = {"image": image, "zarr": stored, "dask": graph}[kind]
        assert is_lazy(stored)
        assert is_lazy(graph)
        assert not is_lazy(pixels)

        async def main() -> None:
            ours, theirs = pair()
            async with Peer(ours, Reads()), Peer(theirs) as client:
                shape, dtype, part = await (await client.root()).corner(value)
                assert (tuple(shape), dtype) == (pixels.shape, "uint16")
                np.testing.assert_array_equal(part, pixels[2:9:3, 1:4])

        run(main())


def test_opsin_run_takes_them(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
import zarr
pixels = np.arange(4000 * 3000, dtype=np.uint16).reshape(4000, 3000)
stored = zarr.create_array("a.zarr", data=pixels, chunks=(512, 512))
trial = opsin.load(trial)
corner = trial.corner(stored)
np.testing.assert_array_equal(corner[:8, :8], pixels[:8, :8])
assert not corner[8:].any()
np.testing.assert_array_equal(trial.bright(stored, threshold=9), pixels > 9)
""",
    )
    assert (done.returncode, done.stderr) == (0, "")
