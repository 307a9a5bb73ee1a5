"""The settled canvas is the right picture, at every scale, with every setting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cmap
import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from playwright.sync_api import Playwright

from opsin.images.memory import image_from_array
from opsin.images.write import write_image
from tests.end_to_end import reference
from tests.end_to_end.app import BROWSER, FLAGS, App
from tests.fault_server import serving
from tests.server.running import Running, opsin_view

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def server(demo: Path) -> Iterator[Running]:
    with opsin_view([demo]) as running:
        yield running


def plane(demo: Path, level: int) -> Any:
    return zarr.open_array(demo / str(level), mode="r")


def layer_named(app: App, kind: str) -> dict[str, Any]:
    return next(layer for layer in app.scene["layers"] if layer["kind"] == kind)


def show_only(app: App, layer: dict[str, Any], **settings: Any) -> None:
    for other in app.scene["layers"]:
        app.set_layer(other["id"], visible=other["id"] == layer["id"])
    if settings:
        app.set_layer(layer["id"], **settings)


@pytest.mark.parametrize(
    ("place", "pixels_per_pixel"),
    [
        ((0.5, 0.5), None),
        ((0.45, 0.55), 0.13),
        ((0.3, 0.62), 1.0),
        ((0.871, 0.133), 3.0),
        ((0.0, 1.0), 0.7),
    ],
    ids=["whole", "middle", "full resolution", "magnified", "corner"],
)
def test_the_settled_canvas_is_the_target_level(
    app: App,
    server: Running,
    demo: Path,
    place: tuple[float, float],
    pixels_per_pixel: float | None,
) -> None:
    app.open(server, bare="")
    layer = layer_named(app, "image")
    show_only(app, layer, colormap="gray", contrast=[0, 30000], gamma=1)
    finest = layer["levels"][0]
    if pixels_per_pixel is None:
        app.page.evaluate("window.opsin.viewer.fit()")
        app.settle()
    else:
        center = [
            finest["translation"][i] + finest["scale"][i] * finest["shape"][i] * place[i]
            for i in (0, 1)
        ]
        app.look(center=center, zoom=pixels_per_pixel / finest["scale"][0])
    level = reference.target(layer["levels"], app.camera)
    values, inside = reference.sample(
        plane(demo, level), layer["levels"][level], finest, app.camera, app.size
    )
    got = app.capture()
    reference.assert_same_picture(got, reference.grey(values, inside, (0, 30000)))
    app.seen(lambda presented: np.array_equal(got, presented))


def test_gamma_opacity_and_colour_maps_are_those_of_every_other_viewer(
    app: App, server: Running, demo: Path
) -> None:
    app.open(server, bare="")
    layer = layer_named(app, "image")
    app.look(zoom=0.06 / layer["levels"][0]["scale"][0])
    show_only(
        app, layer, colormap="magma", contrast=[500, 20000], gamma=0.6, opacity=0.8,
        blending="translucent",
    )  # fmt: skip
    level = reference.target(layer["levels"], app.camera)
    values, inside = reference.sample(
        plane(demo, level), layer["levels"][level], layer["levels"][0], app.camera, app.size
    )
    table = np.asarray(cmap.Colormap("magma").lut(256))[:, :3] * 255
    share = np.clip((values - 500) / 19500, 0, 1) ** 0.6
    expected = table[np.floor(share * 255 + 0.5).astype(int)] * 0.8 * inside[..., None]
    reference.assert_same_picture(app.capture(), expected)


def test_labels_lie_on_the_image_and_keep_their_colours(
    app: App, server: Running, demo: Path
) -> None:
    app.open(server, bare="")
    layer = layer_named(app, "labels")
    show_only(app, layer, opacity=1)
    scale = layer["levels"][0]["scale"][0]
    colours: dict[int, set[tuple[int, ...]]] = {}
    for pixels_per_pixel in (1.0, 0.5):
        app.look(center=[8000.3 * scale, 8000.2 * scale], zoom=pixels_per_pixel / scale)
        level = reference.target(layer["levels"], app.camera)
        ids, inside = reference.sample(
            plane(demo / "labels/nuclei", level),
            layer["levels"][level], layer["levels"][0], app.camera, app.size, labels=True,
        )  # fmt: skip
        got = app.capture()
        assert not got[(ids == 0) | ~inside].any(), "the background is transparent"
        labelled = (ids > 0) & inside
        assert labelled.mean() > 0.02
        assert (got[labelled].max(axis=1) > 100).all(), "every label is visible"
        for one in np.unique(ids[labelled])[:50]:
            found = {tuple(map(int, c)) for c in np.unique(got[ids == one], axis=0)}
            assert len(found) == 1, "one label, one colour"
            colours.setdefault(int(one), set()).update(found)
    assert all(len(found) == 1 for found in colours.values()), "the same at every level"
    assert len({colour for found in colours.values() for colour in found}) > len(colours) * 0.9


def test_a_mask_is_shown_as_labels_when_it_is_said_to_be(app: App) -> None:
    image, mask = (DATA / "nuclei/test" / folder / "000.png" for folder in ("images", "masks"))
    with opsin_view([image], "--labels", str(mask)) as server:
        app.open(server, bare="")
        assert [layer["kind"] for layer in app.scene["layers"]] == ["image", "labels"]
        layer = layer_named(app, "labels")
        show_only(app, layer, opacity=1)
        ids = imagecodecs.png_decode(mask.read_bytes())
        app.look(center=[127.5, 127.5], zoom=1)
        got = app.capture()
        rows, columns = ((size - 256) // 2 for size in reversed(app.size))
        got = got[rows : rows + 256, columns : columns + 256]
        assert not got[ids == 0].any()
        assert all(len(np.unique(got[ids == one], axis=0)) == 1 for one in np.unique(ids))


def test_layers_blend_as_they_say(app: App, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    planes = rng.integers(0, 256, (2, 300, 260), dtype=np.uint8)
    tifffile.imwrite(
        tmp_path / "two.ome.tif", planes, photometric="minisblack", metadata={"axes": "CYX"}
    )
    with opsin_view([tmp_path / "two.ome.tif"]) as server:
        app.open(server, bare="")
        first, second = app.scene["layers"]
        app.look(center=[149.5, 129.5], zoom=1.0)
        flat = [
            reference.grey(
                *reference.sample(
                    planes[i], layer["levels"][0], layer["levels"][0], app.camera, app.size
                ),
                (0, 255),
            )
            for i, layer in enumerate((first, second))
        ]
        inside = np.repeat((flat[0] + flat[1] > 0)[..., None], 3, axis=2)
        red = flat[0][..., None] * [1, 0, 0]
        green = flat[1][..., None] * [0, 1, 0]
        app.set_layer(first["id"], colormap="#ff0000", contrast=[0, 255], blending="opaque")
        expectations = {
            "additive": np.clip(red + 0.5 * green, 0, 255),
            "translucent": np.where(inside, 0.5 * green + 0.5 * red, 0),
            "opaque": green,
            "minimum": np.minimum(red, green),
        }
        for blending, expected in expectations.items():
            app.set_layer(
                second["id"], colormap="#00ff00", contrast=[0, 255], blending=blending, opacity=0.5
            )
            got = app.capture()
            if blending == "minimum":
                assert not got.any()
            else:
                reference.assert_same_picture(got, expected)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
def test_every_dtype_is_shown_right(app: App, tmp_path: Path, dtype: str) -> None:
    rows, columns = np.mgrid[0:700, 0:900]
    waves = np.sin(rows / 37) * np.cos(columns / 23)
    low, high = (-100, 100) if np.dtype(dtype).kind in "if" else (0, 200)
    values = ((waves + 1) / 2 * (high - low) + low).astype(dtype)
    if np.dtype(dtype).kind == "f":
        values[300:340, 400:440] = np.nan
    write_image(image_from_array(values, axes="yx", name="waves"), tmp_path / "waves.ome.zarr")
    with opsin_view([tmp_path / "waves.ome.zarr"]) as server:
        app.open(server, bare="")
        (layer,) = app.scene["layers"]
        app.set_layer(layer["id"], contrast=[low, high], colormap="gray")
        app.look(center=[350.3, 450.2], zoom=0.8)
        level = layer["levels"][0]
        found, inside = reference.sample(values, level, level, app.camera, app.size)
        visible = inside & ~np.isnan(found)
        expected = reference.grey(np.nan_to_num(found), visible, (low, high))
        reference.assert_same_picture(app.capture(), expected)


def test_a_dense_screen_gets_dense_pixels(
    server: Running, demo: Path, playwright: Playwright
) -> None:
    dense = playwright.chromium.launch(
        executable_path=BROWSER, args=[*FLAGS, "--force-device-scale-factor=2"]
    )
    app = App(dense.new_context(no_viewport=True))
    app.open(server, bare="")
    layer = layer_named(app, "image")
    show_only(app, layer, colormap="gray", contrast=[0, 30000])
    width = app.page.evaluate("innerWidth")
    assert app.size[0] == 2 * width
    level = reference.target(layer["levels"], app.camera)
    values, inside = reference.sample(
        plane(demo, level), layer["levels"][level], layer["levels"][0], app.camera, app.size
    )
    reference.assert_same_picture(app.capture(), reference.grey(values, inside, (0, 30000)))
    dense.close()


def test_small_bricks_of_far_chunks_make_the_same_picture(app: App, tmp_path: Path) -> None:
    values = np.random.default_rng(5).integers(0, 60000, (1100, 1300), dtype=np.uint16)
    image = image_from_array(values, axes="yx", name="far")
    write_image(image, tmp_path / "far.ome.zarr", chunks=100, levels=3)
    with serving(tmp_path) as site, opsin_view([f"{site.url}/far.ome.zarr"]) as running:
        app.open(running, bare="")
        (layer,) = app.scene["layers"]
        assert layer["brick"] == 256
        app.set_layer(layer["id"], contrast=[0, 60000], colormap="gray")
        for zoom, center in ((2.0, (511.0, 770.0)), (0.8, (550.0, 650.0)), (0.3, (500.0, 600.0))):
            app.look(center=list(center), zoom=zoom)
            level = reference.target(layer["levels"], app.camera)
            pixels, inside = reference.sample(
                plane(tmp_path / "far.ome.zarr", level),
                layer["levels"][level],
                layer["levels"][0],
                app.camera,
                app.size,
            )
            reference.assert_same_picture(app.capture(), reference.grey(pixels, inside, (0, 60000)))
