"""Layers that are sent to a napari, which here is a service that keeps what it is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from opsin.errors import UsageError
from opsin.images.layer import layers_of
from opsin.images.memory import image_from_array
from opsin.images.points.layer import PointsLayer
from opsin.images.points.memory import points_from_table
from opsin.images.points.reader import open_points
from opsin.images.readers import open_image
from opsin.rpc.connect import serve
from opsin.rpc.objects import by_reference
from opsin.rpc.offers import Announced
from opsin.server.napari_links import NapariLinks


@by_reference
class Keeps:
    def __init__(self) -> None:
        self.opened: list[dict[str, Any]] = []
        self.levels: list[Any] = []

    def open(self, **asked: Any) -> list[str]:
        self.opened.append(asked)
        return ["opened"]

    def view_points(self, data: Any, **about: Any) -> list[str]:
        self.levels = [data]
        self.opened.append(about)
        return ["points"]

    def view_levels(self, levels: list[Any], **about: Any) -> list[str]:
        self.levels = levels
        self.opened.append(about)
        return ["seen"]


@pytest.mark.usefixtures("runtime_folder")
def test_by_address_or_by_reference(tmp_path: Path) -> None:
    pixels = np.arange(600 * 500, dtype="u2").reshape(600, 500)
    tifffile.imwrite(tmp_path / "a.tif", np.stack([pixels, pixels + 1]), metadata={"axes": "CYX"})
    keeps, links = Keeps(), NapariLinks()

    async def main() -> None:
        with open_image(tmp_path / "a.tif") as file:
            layer = layers_of(file)[1]
            with pytest.raises(UsageError, match="No napari that works with Opsin is running"):
                await links.send(layer)
            with Announced("napari") as offer:
                async with await serve(offer.address, lambda _: keeps, token=offer.token):
                    assert await links.send(layer) == ["opened"]
                    (asked,) = keeps.opened
                    assert asked["address"] == str(tmp_path / "a.tif")
                    assert (asked["number"], asked["channel"]) == (0, 1)
                    memory = image_from_array(pixels, name="m", scale=(2, 3), units=["um", None])
                    assert await links.send(layers_of(memory)[0]) == ["seen"]
                    about = keeps.opened[1]
                    assert (about["name"], about["axes"]) == ("m", ["y", "x"])
                    assert about["scale"] == [[2.0, 3.0]]
                    (level,) = keeps.levels
                    part = await asyncio.to_thread(level.__getitem__, (slice(7, 9), slice(5)))
                    np.testing.assert_array_equal(part, pixels[7:9, :5])
                    await links.close()

    asyncio.run(main())


@pytest.mark.usefixtures("runtime_folder")
def test_points_by_address_or_by_value(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("y,x,n\n1,2,3\n4,5,6\n")
    keeps, links = Keeps(), NapariLinks()

    async def main() -> None:
        with open_points(tmp_path / "p.csv") as file, Announced("napari") as offer:
            async with await serve(offer.address, lambda _: keeps, token=offer.token):
                assert await links.send(PointsLayer("p", file)) == ["opened"]
                assert keeps.opened == [{"address": str(tmp_path / "p.csv")}]
                made = points_from_table({"y": [1.0, 3.0], "x": [2.0, 4.0]}, name="table")
                assert await links.send(PointsLayer("made", made)) == ["points"]
                assert keeps.opened[1] == {"name": "made"}
                (columns,) = keeps.levels
                assert sorted(zip(columns["y"], columns["x"], strict=True)) == [(1, 2), (3, 4)]
                await links.close()

    asyncio.run(main())
