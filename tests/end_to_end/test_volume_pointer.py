"""What is under the pointer in 3D, against what NumPy finds along the same line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from opsin.chunks.volume_camera import VolumeCamera, looking, rays
from opsin.images.memory import image_from_array
from opsin.images.write import write_image
from tests.end_to_end.app import App
from tests.end_to_end.volumes import show
from tests.server.running import Running, opsin_view

Floats = NDArray[np.float64]
SCALE = (2.0, 0.5, 0.5)
AT = (131, 117)


SHAPE = (70, 140, 140)


def made() -> NDArray[np.uint16]:
    """Noise with a few bright voxels, none like another."""
    chance = np.random.default_rng(7)
    values = chance.integers(100, 400, SHAPE).astype(np.uint16)
    bright = chance.integers(0, values.size, 4000)
    values.reshape(-1)[bright] = chance.permutation(60000)[:4000] + 1000
    return values


def balls() -> NDArray[np.uint64]:
    """Ids of 64 bits."""
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    ids = (z // 18).astype(np.uint64) * 100 + (y // 35) * 10 + x // 35 + 2**40
    ball = ((z % 18 - 9) * 3) ** 2 + (y % 35 - 17) ** 2 + (x % 35 - 17) ** 2 < 200
    return np.where(ball, ids, 0).astype(np.uint64)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("pointer")
    values = made()
    write_image(image_from_array(values, axes="zyx", scale=SCALE, name="noise"), folder / "a.zarr")
    labels = image_from_array(balls(), axes="zyx", scale=SCALE, kind="labels", name="balls")
    write_image(labels, folder / "b.zarr")
    with opsin_view([folder / "a.zarr", folder / "b.zarr"]) as running:
        yield running


def pointed(app: App, at: tuple[int, int] = AT) -> dict[str, Any]:
    """What is told of the middle of a device pixel, after nothing was."""
    found: dict[str, Any] = app.page.evaluate(
        """at => new Promise(done => {
            const viewer = window.opsin.viewer;
            if (!("told" in window)) {
                window.told = null;
                viewer.on("probe", probe => { window.told = probe; });
            }
            const ask = () => viewer.probeAt([at[0] + 0.5, at[1] + 0.5]);
            const stop = viewer.on("probe", probe => {
                if (probe === null) return ask();
                stop();
                done(probe);
            });
            if (window.told === null) ask();
            else viewer.probeAt(null);
        })""",
        list(at),
    )
    return found


def pointed_at_nothing(app: App) -> bool:
    """Whether nothing is told of the upper left corner."""
    told: bool = app.page.evaluate(
        """() => new Promise(done => {
            const viewer = window.opsin.viewer;
            const stop = viewer.on("probe", probe => { stop(); done(probe === null); });
            viewer.probeAt([1, 1]);
        })"""
    )
    return told


def line_of_sight(camera: VolumeCamera, at: tuple[int, int] = AT) -> Floats:
    """Places in the volume along a line of sight, in voxels: (n, 3), front to back."""
    origins, directions, starts = rays(camera, range(at[1], at[1] + 1))
    steps = np.arange(max(starts[0, at[0]], -400), 400, 0.01)[:, np.newaxis]
    world = np.array(camera.center) + origins[0, at[0]] + steps * directions[0, at[0]]
    found: Floats = world / SCALE
    return found[((found >= -0.5) & (found < np.array(SHAPE) - 0.5)).all(axis=1)]


def voxels(places: Floats) -> NDArray[np.int64]:
    """The voxels that places lie in, each once."""
    found = np.floor(places + 0.5).astype(np.int64)
    return found[np.r_[True, (np.diff(found, axis=0) != 0).any(axis=1)]]


def interpolated(values: NDArray[np.uint16], places: Floats) -> Floats:
    """Values between voxels."""
    found: Floats = map_coordinates(values.astype(float), places.T, order=1, mode="nearest")
    return found


def world(place: dict[str, float]) -> Floats:
    """A place that was told, in voxels."""
    return np.array([place["z"], place["y"], place["x"]]) / SCALE


def test_of_projections_the_voxel_that_is_shown(app: App, served: Running) -> None:
    app.open(served, bare="")
    app.set_layer(1, visible=False)
    values = made()
    places = line_of_sight(show(app, mode="mip", orientation=looking(40, 25)))
    line = voxels(places)
    along = values[tuple(line.T)]
    probe = pointed(app)
    # Steps may miss corners of voxels that the line just touches.
    assert int(probe["values"][0]["value"]) in np.sort(along)[-3:]
    at = np.rint(world(probe["place"])).astype(int)
    assert values[tuple(at)] == int(probe["values"][0]["value"])
    assert (line == at).all(axis=1).any()

    show(app, mode="average", orientation=looking(40, 25))
    probe = pointed(app)
    mean = interpolated(values, places).mean()
    assert float(probe["values"][0]["value"]) == pytest.approx(mean, rel=0.05)
    assert np.abs(world(probe["place"]) - places[0]).max() < 1

    how = {"orientation": looking(-50, 15), "perspective": 60}
    places = line_of_sight(show(app, mode="iso", threshold=2000, **how))
    along = interpolated(values, places)
    probe = pointed(app)
    told = world(probe["place"])
    assert interpolated(values, told[np.newaxis])[0] == pytest.approx(2000, rel=0.1)
    nearest = np.abs(places - told).max(axis=1).argmin()
    assert np.abs(places[nearest] - told).max() < 0.05
    assert (along[:nearest] > 2000).mean() < 0.02, "but for what lies between two steps"

    show(app, mode="translucent", density=1e3, **how)
    app.set_layer(0, contrast=(1000, 1500))
    told = world(pointed(app)["place"])
    nearest = np.abs(places - told).max(axis=1).argmin()
    assert np.abs(places[nearest] - told).max() < 1
    assert (along[:nearest] > 1500).mean() < 0.03


def test_labels_are_picked_and_hidden_by_key(app: App, served: Running) -> None:
    app.open(served, bare="")
    app.set_layer(0, visible=False)
    app.set_layer(1, visible=True)
    camera = show(app, orientation=looking(-30, 40))
    line = voxels(line_of_sight(camera, (100, 140)))
    met = balls()[tuple(line.T)]
    probe = pointed(app, (100, 140))
    assert [int(one["value"]) for one in probe["values"]] == [met[met > 0][0]]
    assert np.abs(world(probe["place"]) - line[(met > 0).argmax()]).max() < 1.5
    assert pointed_at_nothing(app)

    app.page.set_viewport_size({"width": 720, "height": 400})
    app.open(served)
    app.set_layer(0, visible=False)
    app.set_layer(1, visible=True)
    page = app.page
    page.keyboard.press("3")
    app.settle()
    page.wait_for_timeout(300)
    before = app.capture()
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2 - 20, box["y"] + box["height"] / 2)
    position, shown = page.get_by_label("Position"), page.get_by_label("Values")
    first = shown.locator(".status-number").inner_text()
    assert int(first) > 2**40
    assert [name in position.inner_text() for name in "zyx"] == [True] * 3
    page.keyboard.press("e")
    app.settle()
    app.until(f"document.querySelector('.status-number')?.textContent !== '{first}'")
    assert np.abs(app.capture().astype(int) - before).max() > 30
    page.keyboard.press("Control+z")
    app.settle()
    page.keyboard.press("q")
    app.settle()
    alone = app.capture()
    assert 0 < (alone.max(axis=2) > 0).sum() < 0.3 * (before.max(axis=2) > 0).sum()
