"""Images that nobody expects, and headers that lie: a clear message or a right picture, and a page
that goes on.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from tests.end_to_end.app import App
from tests.end_to_end.pss import sampled
from tests.server.running import opsin_view

MIB = 2**20
BUDGET = 128 * MIB
CLEAR = [255, 0, 255]


def test_a_single_pixel(app: App, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "one.tif", np.full((1, 1), 200, np.uint8))
    with opsin_view([tmp_path / "one.tif"]) as server:
        app.open(server, bare="", clear="ff00ff")
        picture = app.capture()
        side = min(app.size)
        assert (picture == 200).all(axis=2).sum() == pytest.approx(side**2, rel=0.02)
        assert ((picture == 200) | (picture == CLEAR)).all(axis=2).all()
        app.page.evaluate("window.opsin.viewer.zoomBy(1000)")
        app.page.evaluate("window.opsin.viewer.panBy(5, 5)")
        app.settle()
        app.look(center=[0, 0], zoom=1.0)
        assert (app.capture() == 200).all(axis=2).sum() == 1
        assert_goes_on(app)


def test_what_is_no_number_is_not_drawn_and_infinity_is(app: App, tmp_path: Path) -> None:
    values = np.full((200, 300), 0.5, np.float32)
    values[20:60, 20:60] = np.nan
    values[100:150, 100:150] = np.inf
    values[100:150, 200:250] = -np.inf
    values[0, :2] = 0, 1
    tifffile.imwrite(tmp_path / "some.tif", values)
    with opsin_view([tmp_path / "some.tif"]) as server:
        app.open(server, bare="", clear="ff00ff")
        (layer,) = app.scene["layers"]
        low, high = app.page.evaluate("id => window.opsin.viewer.layer(id).contrast", layer["id"])
        assert np.isfinite([low, high]).all()
        app.set_layer(layer["id"], contrast=[0, 1], colormap="gray")
        app.look(center=[99.5, 149.5], zoom=1.0)
        height, width = app.size[1], app.size[0]
        top, left = height // 2 - 100, width // 2 - 150
        picture = app.capture()[top : top + 200, left : left + 300]
        assert (picture[20:60, 20:60] == CLEAR).all()
        assert (picture[100:150, 100:150] == 255).all()
        assert (picture[100:150, 200:250] == 0).all()
        assert np.abs(picture[160:].astype(int) - 127).max() <= 1
        assert_goes_on(app)


def test_nothing_but_what_is_no_number(app: App, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "none.tif", np.full((200, 300), np.nan, np.float32))
    with opsin_view([tmp_path / "none.tif"]) as server:
        app.open(server, clear="ff00ff")
        assert (app.capture() == CLEAR).all()
        assert app.page.get_by_role("alert").count() == 0
        assert_goes_on(app)


def test_a_hundred_thousand_slices(app: App, tmp_path: Path) -> None:
    slices = 100_000
    stack = zarr.create_array(
        tmp_path / "stack.zarr",
        shape=(slices, 16, 16),
        chunks=(200, 16, 16),
        dtype=np.uint8,
        dimension_names=("z", "y", "x"),
        compressors=None,
    )
    stack[:] = (np.arange(slices) % 199 + 50).astype(np.uint8)[:, None, None]
    app.page.set_viewport_size({"width": 700, "height": 400})
    with (
        opsin_view([tmp_path / "stack.zarr"], "--memory", "16MiB") as server,
        sampled(server.process.pid) as memory,
    ):
        app.open(server)
        app.watch()
        app.set_layer(0, contrast=[0, 255], colormap="gray")
        (slider,) = app.page.get_by_role("slider", name="z").all()
        box = slider.bounding_box()
        assert box is not None
        app.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        app.page.mouse.down()
        for step in range(60):  # there and back
            share = 1 - abs(step - 30) / 30
            app.page.mouse.move(box["x"] + 8 + (box["width"] - 16) * share, box["y"] + 5)
        app.page.mouse.up()
        app.settle()
        for z in (0, 1, 54_321, slices - 1, round(app.camera["position"]["z"])):
            app.look(position={"z": z})
            middle = app.capture()[app.size[1] // 2, app.size[0] // 2]
            assert (middle == z % 199 + 50).all()
        assert app.page.evaluate("window.stats.failed") == 0
        assert_goes_on(app)
    assert memory.peak <= 216 * MIB, f"PSS rose to {memory.peak / MIB:.0f} MiB"


def long_tiff(folder: Path) -> Path:
    path = folder / "long.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), rowsperstrip=64)
    with tifffile.TiffFile(path, mode="r+") as file:
        for name in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[name].overwrite(1_000_000)  # type: ignore[union-attr]
    return path


def wide_png(folder: Path) -> Path:
    content = bytearray(imagecodecs.png_encode(np.zeros((8, 8), np.uint8)))
    content[16:24] = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (folder / "wide.png").write_bytes(content)
    return folder / "wide.png"


def endless_zarr(folder: Path) -> Path:
    """No chunk of it is there, which is no mistake; but it has no levels, either."""
    zarr.create_array(
        folder / "endless.zarr", shape=(2**40, 2**40), chunks=(512, 512), dtype=np.uint8
    )
    return folder / "endless.zarr"


def bomb_zarr(folder: Path) -> Path:
    """A small chunk that would become 256 MiB."""
    array: Any = zarr.create_array(
        folder / "bomb.zarr", shape=(64, 64), chunks=(64, 64), dtype=np.uint8, fill_value=9
    )
    array[:] = np.arange(64, dtype=np.uint8)[:, None]
    (file,) = folder.glob("bomb.zarr/c/*/*")
    file.write_bytes(imagecodecs.zstd_encode(bytes(256 * MIB)))
    return folder / "bomb.zarr"


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (long_tiff, "long.tif is cut off"),
        (wide_png, "more than the memory budget"),
        (endless_zarr, "would be computed from"),
        (bomb_zarr, "c/0/0"),
    ],
)
def test_a_header_that_lies(
    app: App, tmp_path: Path, write: Callable[[Path], Path], said: str
) -> None:
    with (
        opsin_view([write(tmp_path)], "--memory", "128MiB") as server,
        sampled(server.process.pid) as memory,
    ):
        app.open(server)
        app.page.get_by_role("alert").filter(has_text=said).wait_for()
        assert_goes_on(app)
    assert memory.peak <= BUDGET + 100 * MIB, f"PSS rose to {memory.peak / MIB:.0f} MiB"
    # The histogram, which has its own message, could not be had either.
    app.errors[:] = [error for error in app.errors if "502" not in error]


def assert_goes_on(app: App) -> None:
    """The page answers and presents frames, and the canvas soon draws what is asked for."""
    drawn, presented = app.page.evaluate(
        """async () => {
            const {viewer} = window.opsin;
            const record = viewer.recordFrames();
            const late = performance.now() + 5000;
            let presented = 0;
            for (const step of [3, -3]) {
                viewer.panBy(step, 0);
                do {
                    await new Promise(requestAnimationFrame);
                    presented += 1;
                } while (!viewer.caughtUp && performance.now() < late);
            }
            return [(await record()).length, presented];
        }"""
    )
    assert drawn >= 2
    assert presented >= 2
    assert app.page.evaluate("window.opsin.viewer.caughtUp")
