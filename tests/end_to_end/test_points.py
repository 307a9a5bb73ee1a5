"""Points on the settled canvas are what `opsin.snapshot` draws, which shares no code with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import expect

import opsin
from opsin.chunks.camera import Camera
from opsin.chunks.volume_camera import VolumeCamera, looking
from opsin.images.layer import Layer, layers_of_all
from opsin.images.points import Points
from opsin.images.points.layer import PointsLayer
from opsin.images.points.write import write_points
from opsin.images.readers import open_images
from tests.end_to_end.app import App
from tests.end_to_end.volumes import resize
from tests.server.running import Running, opsin_serve, opsin_view

NUCLEI = Path(__file__).parents[1] / "data" / "volume" / "img3d.tif"
COUNT = 300_000
FAR = 2.0**27
"""From the origin: float32 has steps of 16 there."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of many points in a volume, dense in its middle."""
    rng = np.random.default_rng(0)
    z, y, x = rng.normal(size=(3, COUNT)) * [[10], [60], [80]] + [[20], [100], [150]]
    area = rng.gamma(2, 20, COUNT)
    area[::50] = np.nan
    kind = np.array(["cell", "debris", "other"])[rng.integers(3, size=COUNT)]
    path = tmp_path_factory.mktemp("points") / "cloud.points"
    write_points({"z": z, "y": y, "x": x, "area": area, "kind": kind, "id": np.arange(COUNT)}, path)
    return path


@pytest.fixture(scope="module")
def server(cloud: Path) -> Iterator[Running]:
    with opsin_view([cloud]) as running:
        yield running


def camera_of(app: App) -> Camera | VolumeCamera:
    seen = app.camera
    volume = seen.get("volume")
    if volume is None:
        center, shown = tuple(seen["center"]), tuple(seen["displayed"])
        return Camera(center, seen["zoom"], app.size, seen["position"], shown)
    return VolumeCamera(
        tuple(volume["center"]), volume["zoom"], app.size, tuple(volume["orientation"]),
        volume["perspective"], seen["position"], clip=_box(volume.get("clip")),
    )  # fmt: skip


def _box(corners: Any) -> Any:
    return None if corners is None else tuple(map(tuple, corners))


def layer_of(app: App, points: Points, number: int = 0) -> PointsLayer:
    """The layer as the canvas draws it."""
    settings: dict[str, Any] = app.page.evaluate(f"window.opsin.viewer.layer({number})")
    how = ("visible", "opacity", "size", "unit", "colour", "gamma", "colormap", "blending")
    return PointsLayer(
        "points",
        points,
        **{name: settings[name] for name in how},
        colour_by=settings["colourBy"] or None,
        size_by=settings["sizeBy"] or None,
        contrast=tuple(settings["contrast"]),
        thickness=settings["thickness"],
    )


def differences(got: NDArray[np.uint8], expected: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Of the pixels where there is something."""
    foreground = np.maximum(got, expected).max(axis=2) > 8
    assert foreground.mean() > 0.002, "too little to compare"
    found: NDArray[np.float64] = np.abs(got.astype(float) - expected).max(axis=2)[foreground]
    return found


def compare(app: App, points: Points, below: tuple[Layer, ...] = ()) -> None:
    """The canvas against a snapshot of what it shows."""
    camera = camera_of(app)
    layers: list[Layer | PointsLayer] = [*below, layer_of(app, points, len(below))]
    expected = opsin.snapshot(points, camera, layers=layers)
    found = differences(app.capture(), expected)
    if isinstance(camera, Camera):
        high = np.percentile(found, 99.9)
        assert high <= 2, f"99.9th percentile of the difference is {high:.2f}/255"
    else:
        assert found.mean() <= 2, f"the mean difference is {found.mean():.2f}/255"


def shown(app: App, number: int = 0) -> int:
    """How many points are drawn."""
    app.watch()
    app.set_layer(number)  # of this frame
    app.until("window.stats?.settled")
    count: int = app.page.evaluate(f"window.stats.points['{number}']")
    return count


def test_slices_show_the_points_of_a_snapshot(app: App, server: Running, cloud: Path) -> None:
    with opsin.open_points(cloud) as points:
        app.open(server, bare="")
        compare(app, points)
        app.set_layer(0, size=6, colourBy="area", contrast=[0, 100], colormap="magma", gamma=0.7)
        compare(app, points)
        app.set_layer(0, sizeBy="area", size=12, opacity=0.6)
        compare(app, points)
        app.set_layer(0, sizeBy="", colourBy="kind", size=1.5, unit="world", blending="additive")
        app.look(center=[100, 150], zoom=9.0)
        compare(app, points)
        app.set_layer(0, colourBy="", colour="#40c0ff", size=5, unit="screen", opacity=1)
        app.set_layer(0, thickness={"z": 4.0}, blending="translucent")
        for z in (20.0, 33.0):
            app.look(position={"z": z})
            compare(app, points)
        app.look(displayed=["z", "x"], center=[20, 150], position={"y": 100.0})
        compare(app, points)
        for size in (2, 0.7):
            app.set_layer(0, size=size)
            app.look(zoom=30.0)
            compare(app, points)


def test_in_3d_they_are_those_of_a_snapshot(app: App, server: Running, cloud: Path) -> None:
    with opsin.open_points(cloud) as points:
        app.open(server, bare="")
        app.set_layer(0, size=5, colourBy="kind")
        app.page.evaluate("window.opsin.viewer.showVolume(true)")
        for perspective, zoom, unit, size in ((0, 2.0, "screen", 5), (60, 3.0, "world", 2.5)):
            app.set_layer(0, unit=unit, size=size)
            volume = app.camera["volume"] | {
                "orientation": looking(35, 25),
                "perspective": perspective,
                "zoom": zoom,
            }
            app.look(volume=volume)
            compare(app, points)
        app.look(volume=volume | {"clip": [[10.0, 0.0, 100.0], [25.5, 120.0, 180.0]]})
        compare(app, points)


def test_over_a_volume_and_below_nothing(app: App, tmp_path: Path) -> None:
    with open_images(NUCLEI)[0] as image:
        shape = image.levels[0].shape[-3:]
    rng = np.random.default_rng(1)
    z, y, x = rng.uniform(size=(3, 400)) * np.array(shape)[:, np.newaxis]
    path = tmp_path / "found.csv"
    rows = [f"{a},{b},{c},{a + b}" for a, b, c in zip(z, y, x, strict=True)]
    path.write_text("\n".join(["z,y,x,height", *rows]))
    with opsin_view([NUCLEI, path]) as server, opsin.open_points(path) as points:
        app.open(server, bare="")
        assert [layer["kind"] for layer in app.scene["layers"]] == ["image", "points"]
        resize(app, (300, 280))
        app.set_layer(1, size=9, colourBy="height", contrast=[0, 300], thickness={"z": 6.0})
        app.settle()
        contrast = app.page.evaluate("window.opsin.viewer.layer(0).contrast")
        nuclei = tuple(
            Layer(**{**_fields(layer), "contrast": tuple(contrast)})
            for layer in layers_of_all(open_images(NUCLEI))
        )
        compare(app, points, nuclei)
        app.page.evaluate("window.opsin.viewer.showVolume(true)")
        app.settle()
        compare(app, points, nuclei)


def _fields(layer: Layer) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in layer.__dataclass_fields__}


def test_far_from_the_origin_nothing_jitters(app: App, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    y, x = rng.uniform(0, 60, (2, 5000))
    write_points({"y": np.r_[0, y + FAR], "x": np.r_[0, x + FAR]}, tmp_path / "far.points")
    with (
        opsin_view([tmp_path / "far.points"]) as server,
        opsin.open_points(tmp_path / "far.points") as points,
    ):
        app.open(server, bare="")
        app.set_layer(0, size=7)
        for zoom in (7, 64):
            app.look(center=[FAR + 30.3, FAR + 29.7], zoom=zoom)
            compare(app, points)


def test_a_million_million_points_are_sampled_and_refined(app: App) -> None:
    with opsin_view(["synthetic:points"]) as server, opsin.open_points("synthetic:points") as made:
        app.open(server, bare="")
        app.set_layer(0, colourBy="value", size=3)
        assert 5_000 < shown(app) <= 30_000
        compare(app, made)
        frames = _frames_while_zooming(app, 2.0**5)
        assert min(frames) > 0, "it was blank"
        compare(app, made)
        app.set_layer(0, size=1)
        count = shown(app)
        assert count > 30_000
        compare(app, made)
        app.look(zoom=0.05)
        assert 0 < shown(app) < 200_000
        compare(app, made)


def _frames_while_zooming(app: App, factor: float) -> list[int]:
    """How many points each of the frames shows while one zooms in."""
    counts: list[int] = app.page.evaluate(
        """async factor => {
            const viewer = window.opsin.viewer;
            const counts = [];
            const stop = viewer.on("stats", stats => counts.push(stats.points["0"]));
            const steps = 30;
            for (let i = 0; i < steps; i++) {
                viewer.zoomBy(factor ** (1 / steps));
                await new Promise(resolve => setTimeout(resolve, 50));
            }
            await viewer.settled();
            stop();
            return counts;
        }""",
        factor,
    )
    return counts


def test_a_point_is_picked_with_all_its_properties(app: App, server: Running, cloud: Path) -> None:
    app.page.set_viewport_size({"width": 900, "height": 640})
    app.open(server)
    app.look(center=[100, 150], zoom=60.0)
    app.page.evaluate(
        """() => {
            window.opsin.viewer.on("probe", probe => { window.probed = probe?.point ?? null; });
        }"""
    )
    with opsin.open_points(cloud) as points:
        layer = layer_of(app, points)
        for volume in (False, True):
            if volume:
                app.page.evaluate("window.opsin.viewer.showVolume(true)")
                app.settle()
            box = app.page.locator("canvas").first.bounding_box()
            assert box is not None
            found = _point_near_the_middle(app, (box["width"], box["height"]))
            app.page.mouse.move(box["x"] + found["place"][0], box["y"] + found["place"][1])
            app.until("window.probed?.properties != null")
            probed = app.page.evaluate("window.probed")
            _check_row(probed, layer.points)
            # What is said of it on the page.
            status = app.page.get_by_label("Values")
            assert probed["properties"]["kind"] in status.inner_text()
            assert app.page.locator(".point-mark").count() == 1
    app.page.mouse.move(5, 5)
    app.until("window.probed === null")


def _point_near_the_middle(app: App, size: tuple[float, float]) -> dict[str, Any]:
    """Some point that is drawn, by looking for one from the middle outwards."""
    for radius in range(0, 200, 5):
        for angle in range(0, 360, 45):
            x = size[0] / 2 + radius * np.cos(np.radians(angle))
            y = size[1] / 2 + radius * np.sin(np.radians(angle))
            app.page.evaluate("at => window.opsin.viewer.probeAt(at)", [x, y])
            app.page.wait_for_timeout(40)
            found = app.page.evaluate("window.probed")
            if found:
                return dict(found)
    raise AssertionError("there is no point")


def _check_row(probed: dict[str, Any], points: Points) -> None:
    """The row of the table with this id has these properties, and lies there."""
    rng = np.random.default_rng(0)
    z, y, x = rng.normal(size=(3, COUNT)) * [[10], [60], [80]] + [[20], [100], [150]]
    area = rng.gamma(2, 20, COUNT)
    kind = np.array(["cell", "debris", "other"])[rng.integers(3, size=COUNT)]
    row = probed["properties"]["id"]
    assert probed["position"] == {"z": z[row], "y": y[row], "x": x[row]}
    assert probed["properties"]["area"] == (None if row % 50 == 0 else area[row])
    assert probed["properties"]["kind"] == kind[row]


def test_points_are_opened_by_name_and_removed(app: App, cloud: Path) -> None:
    with opsin_serve([], "--root", cloud.parent, "--port", "0") as server:
        app.visit(f"{server.address}&open={cloud.parent.name}/{cloud.name}")
        app.ready()
        assert [layer["kind"] for layer in app.scene["layers"]] == ["points"]
        assert app.capture().any()


def test_the_panel_changes_how_points_are_drawn(app: App, server: Running) -> None:
    app.page.set_viewport_size({"width": 900, "height": 640})
    app.open(server)
    app.page.evaluate("window.opsin.viewer.showVolume(false)")  # as it was left
    panel = app.page.get_by_label("Layer controls")
    panel.get_by_label("Colour by").select_option("area")
    app.settle()
    assert len(np.unique(app.capture().reshape(-1, 3), axis=0)) > 100  # colours of a map
    panel.get_by_label("Maximum").fill("50")
    panel.get_by_label("Maximum").press("Enter")
    assert app.page.evaluate("window.opsin.viewer.layer(0).contrast")[1] == 50
    panel.get_by_label("Size by").select_option("area")
    panel.get_by_label("Size", exact=True).fill("4")
    app.settle()
    settings = app.page.evaluate("window.opsin.viewer.layer(0)")
    assert (settings["sizeBy"], settings["size"]) == ("area", 16)
    before = shown(app)
    panel.get_by_label("Slice of z").fill("4")
    app.settle()
    assert 0 < shown(app) != before
    panel.get_by_label("Size is measured in").select_option("world")
    app.settle()
    assert app.page.evaluate("window.opsin.viewer.layer(0).unit") == "world"
    assert "of 300,000 points" in app.page.get_by_label("Loader").inner_text()


def test_a_slider_cuts_a_slice_of_all_points(app: App, server: Running, cloud: Path) -> None:
    page = app.page
    page.set_viewport_size({"width": 900, "height": 640})
    app.open(server)
    page.evaluate("window.opsin.viewer.showVolume(false)")
    page.evaluate("window.opsin.viewer.setLayer(0, { thickness: {} })")  # as it was left
    page.evaluate("window.opsin.viewer.setCamera({ position: { z: 20 } })")
    page.get_by_role("button", name="Overlays").click()
    page.get_by_label("Time and position", exact=True).check()
    page.keyboard.press("Escape")
    slider = page.get_by_role("slider", name="z", exact=True)
    every = page.get_by_role("button", name="All points along z")
    expect(slider).to_have_attribute("aria-valuetext", "all")
    expect(every).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".position-stamp")).to_have_text("zall")
    whole = app.capture()

    slider.focus()
    slider.press("ArrowRight")
    app.settle()
    expect(every).to_have_attribute("aria-pressed", "false")
    expect(slider).not_to_have_attribute("aria-valuetext", "all")
    with opsin.open_points(cloud) as points:
        compare(app, points)
        low, high = points.extent[points.axis("z")]
        settings = page.evaluate("window.opsin.viewer.layer(0)")
        assert settings["thickness"]["z"] == pytest.approx((high - low) / 32, rel=1e-2)
    assert (app.capture() != whole).any()

    every.click()
    app.settle()
    expect(slider).to_have_attribute("aria-valuetext", "all")
    np.testing.assert_array_equal(app.capture(), whole)
    # Points alone have four views, too.
    expect(page.get_by_role("button", name="Four views")).to_be_enabled()
