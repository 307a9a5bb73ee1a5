"""Slices along other axes than y and x."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr

from opsin.images.memory import image_from_array
from opsin.images.write import write_image
from tests.end_to_end import reference
from tests.end_to_end.app import App
from tests.server.running import opsin_view


def test_the_canvas_turns_to_other_axes_and_back(app: App, tmp_path: Path) -> None:
    values = np.random.default_rng(3).integers(0, 60000, (40, 700, 600), dtype=np.uint16)
    image = image_from_array(values, axes="zyx", name="block", scale=(3.0, 0.5, 0.5))
    write_image(image, tmp_path / "block.ome.zarr", levels=2)
    with opsin_view([tmp_path / "block.ome.zarr"]) as server:
        app.open(server)
        app.page.set_viewport_size({"width": 700, "height": 500})
        (layer,) = app.scene["layers"]
        app.set_layer(layer["id"], contrast=[0, 60000], colormap="gray")
        before = app.camera
        app.look(position={"z": 60.0}, center=[100.0, 120.0], zoom=2.0)

        def check(axes: tuple[int, int], cut: Any) -> None:
            finest = layer["levels"][0]
            plane = {name: [finest[name][i] for i in axes] for name in ("scale", "translation")}
            plane["shape"] = [finest["shape"][i] for i in axes]
            pixels, inside = reference.sample(cut, plane, plane, app.camera, app.size)
            grey = reference.grey(pixels, inside, (0, 60000))
            reference.assert_same_picture(app.capture(), grey)

        stored = zarr.open_array(tmp_path / "block.ome.zarr" / "0", mode="r")
        check((1, 2), stored[20])
        app.page.keyboard.press("o")
        app.settle()
        assert app.camera["displayed"] == ["z", "x"]
        assert app.camera["center"] == [60.0, 120.0]
        check((0, 2), stored[:, 200])
        app.page.get_by_role("slider", name="y", exact=True).press("ArrowRight")
        app.settle()
        check((0, 2), stored[:, 201])
        app.page.wait_for_timeout(500)  # the address follows
        app.page.reload()
        app.ready()
        assert app.camera["center"] == [60.0, 120.0]
        assert app.camera["displayed"] == ["z", "x"]
        check((0, 2), stored[:, 201])
        app.page.keyboard.press("o")
        app.settle()
        assert app.camera["displayed"] == ["y", "z"]
        check((1, 0), np.asarray(stored[:, :, 240]).T)
        app.page.keyboard.press("o")
        app.settle()
        assert app.camera["displayed"] == before["displayed"] == ["y", "x"]
        check((1, 2), stored[20])
