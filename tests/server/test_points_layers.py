"""Layers of points in a session: opened, given by an operation, removed and brought back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.chunks.points_plan import PointsBrick
from opsin.images.memory import image_from_array
from opsin.images.points import POSITION, Points
from opsin.images.points.layer import PointsLayer
from opsin.images.points.reader import open_points
from opsin.images.source import Array
from opsin.images.write import write_image
from opsin.rpc.peer import Peer
from opsin.rpc.transports.memory import pair
from opsin.server.host_service import HostService
from opsin.server.roots import Roots
from opsin.server.session import Session
from tests.host.plugins import write_plugin
from tests.rpc.running import run, until
from tests.server.running import opsin_serve, opsin_view

CSV = "y,x,area\n1,2,3\n4,5,6\n,8,9\n"


async def first(stream: Any) -> Any:
    async for item in stream:
        return item


def all_of(layer: PointsLayer) -> Array:
    """The records of a layer of one cell."""
    root = layer.points.tree.root()
    brick = PointsBrick(0, root.level, (int(root.grid[0]),))
    return layer.points.read(brick.level, brick.grid)


def test_points_lie_over_images_in_the_order_in_which_they_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_text(CSV)

    async def main() -> None:
        image = image_from_array(np.arange(64.0).reshape(8, 8), name="pixels")
        session = Session([[image], open_points(path), [image]], 2**24, no_plugins="none")
        session.start()
        await until(lambda: len(session.scene.layers) == 2)
        described = session.scene.message()
        assert [(one.id, one.kind) for one in described.layers] == [
            (0, "image"), (1, "points"), (2, "image"),
        ]  # fmt: skip
        points = described.layers[1].points
        assert points is not None
        assert (points.count, [one.name for one in points.properties]) == (2, ["area"])
        assert [one.text for one in described.notices] == [
            "cells: 1 row has no position and were left out."
        ]
        # Whatever the loader knows of is closed with it.
        assert sum(isinstance(one, Points) for one in session.loader.images.values()) == 1
        await session.close()

    run(main(), 30)


@pytest.mark.parametrize("slices", ["shown", "all"])
def test_points_of_an_operation_lie_in_the_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slices: str
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    stack = np.zeros((3, 20, 30), np.uint8)
    stack[[0, 1, 2], [5, 7, 19], [6, 0, 29]] = 9
    image = image_from_array(stack, axes="zyx", scale=(2, 0.5, 0.5), translation=(10, 0, 1))

    async def main() -> None:
        session = Session([[image]], 2**26, plugins=[write_plugin(tmp_path)])
        session.start()
        await until(lambda: 0 in session.scene.layers)
        ours, theirs = pair()
        async with Peer(ours, HostService(session)), Peer(theirs) as client:
            host = await client.root()
            plugin = await first(host.watch_plugins())
            where = {"region": "whole", "level": 0, "slices": slices, "position": {"z": 12.0}}
            await host.run(
                {
                    "plugin": plugin[0]["id"],
                    "operation": "spots",
                    "inputs": {"image": 0},
                    "parameters": {},
                    "where": where,
                }
            )
            async for news in host.watch_jobs():
                if news[-1]["state"] == "done" and news[-1]["layers"]:
                    break
            assert news[-1]["layers"] == [1]
            layer = session.scene.points[1]
            assert layer.name == "spots"
            found: list[Any] = sorted(all_of(layer)[POSITION].tolist())
            if slices == "shown":
                assert found == [[3.5, 1.0]]
            else:
                assert found == [[10.0, 2.5, 4.0], [12.0, 3.5, 1.0], [14.0, 9.5, 15.5]]
            await host.remove_layer(1)
            assert session.scene.points == {}
            assert [one.id for one in session.scene.message().layers] == [0]
            await host.restore_layer(1)
            assert list(session.scene.points) == [1]
        await session.close()

    run(main(), 60)


def test_they_are_opened_by_name_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "cells.csv").write_text(CSV)
    write_image(image_from_array(np.zeros((4, 4), np.uint8)), data / "a.ome.zarr")

    async def main() -> None:
        session = Session([], 2**24, roots=Roots([data]), no_plugins="none")
        session.start()
        await asyncio.gather(*(session.open("data/cells.csv") for _ in range(3)))
        await session.open("data/a.ome.zarr")
        await until(lambda: len(session.scene.layers) == 1)
        assert [one.kind for one in session.scene.message().layers] == ["points", "image"]
        await session.close()

    run(main(), 30)


def test_the_commands_open_them_and_say_so(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text(CSV)
    (tmp_path / "words.csv").write_text("a,b\n1,2\n")
    with opsin_view([tmp_path / "cells.csv", "synthetic:points", tmp_path / "words.csv"]) as server:
        assert "Opsin shows cells, points." in server.text
        assert "cells: 1 row has no position" in server.text
        assert "words.csv has no columns that are called like positions" in server.text
    with opsin_serve([tmp_path / "cells.csv"], "--port", "0") as server:
        assert "Opsin serves cells." in server.text
