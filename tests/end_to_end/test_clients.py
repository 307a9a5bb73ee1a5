"""Other viewers, in real pages of another origin, show what a server offers as OME-Zarr."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from tests.end_to_end.app import decode_png
from tests.end_to_end.clients import (
    build_viv,
    build_zarrita,
    neuroglancer_address,
    pages,
    place_neuroglancer,
    viv_address,
)
from tests.server.running import Running, opsin_view
from tests.server.serving import serving

DATA = Path(__file__).parents[1] / "data"
CELLS = DATA / "nuclei/test/images/000.png"
VOLUME = DATA / "volume/img3d.tif"
MANDELBROT = "synthetic:mandelbrot"
LABELS = "synthetic:cells"
PATTERN = "synthetic:julia,size=4096"
NAMES = ("000", "img3d", "mandelbrot", "cells", "julia")
WINDOW = (400, 300)
GREY = """#uicontrol invlerp normalized(range=[{low}, {high}])
void main() {{ emitGrayscale(normalized()); }}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    """The pages of zarrita and neuroglancer."""
    build_zarrita(folder)
    place_neuroglancer(folder)
    with pages(folder) as address:
        yield address


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with opsin_view([CELLS, VOLUME, MANDELBROT, LABELS, PATTERN]) as running:
        yield running


@pytest.fixture
def addresses(server: Running) -> dict[str, str]:
    """Where each image is, by its name."""
    return dict(zip(NAMES, server.zarrs(len(NAMES)), strict=True))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": WINDOW[0], "height": WINDOW[1]})
    yield context.new_page()
    context.close()


# zarrita


def read(
    page: Page, address: str, path: str, start: tuple[int, ...], stop: tuple[int, ...]
) -> tuple[NDArray[Any], dict[str, Any]]:
    """What zarrita reads of a level in the page, and the attributes of the group."""
    found = page.evaluate(
        "([address, path, start, stop]) => window.read(address, path, start, stop)",
        [address, path, list(start), list(stop)],
    )
    data = base64.b64decode(found["bytes"])
    return np.frombuffer(data, found["dtype"]).reshape(found["shape"]), found["attributes"]["ome"]


def test_zarrita_reads_real_and_generated_images(
    page: Page, site: str, addresses: dict[str, str]
) -> None:
    page.goto(f"{site}/zarrita.html")
    page.wait_for_function("() => window.read !== undefined")
    boxes: dict[str | Path, tuple[str, int, tuple[int, ...], tuple[int, ...]]] = {
        CELLS: ("000", 0, (10, 20), (200, 256)),
        VOLUME: ("img3d", 0, (3, 0, 5), (6, 61, 57)),
        MANDELBROT: ("mandelbrot", 0, (70_000_000, 50_000_000), (70_000_300, 50_000_600)),
        LABELS: ("cells", 3, (4_000, 9_000), (4_500, 9_100)),
    }
    for opened, (name, level, start, stop) in boxes.items():
        got, ome = read(page, addresses[name], str(level), start, stop)
        with open_image(opened) as image:
            expected = image.read(level, tuple(map(slice, start, stop)))
            assert len(ome["multiscales"][0]["datasets"]) == len(image.levels)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)


# neuroglancer


def shown(page: Page, address: str) -> NDArray[np.uint8]:
    """What neuroglancer shows at an address, once it has all: around the middle of the window."""
    page.goto(address)
    page.wait_for_function("() => window.viewer !== undefined")
    for part in ("showUIControls", "showTopBar", "showLayerPanel", "showPanelBorders"):
        page.evaluate(f"viewer.uiConfiguration.{part}.value = false")
    page.wait_for_function(
        "size => { const panel = document.querySelector('.neuroglancer-rendered-data-panel');"
        "return panel?.clientWidth === size[0] && panel.clientHeight === size[1]"
        " && viewer.isReady(); }",
        arg=list(WINDOW),
    )
    before = decode_png(page.screenshot())
    while not np.array_equal(after := decode_png(page.screenshot()), before):
        before = after
    return after[40:-40, 60:-60]  # beside what it says at the edges


def grey(pixels: NDArray[Any], low: float, high: float) -> NDArray[np.float64]:
    """Pixels as a client draws them, from 0 to 255."""
    return np.clip((pixels.astype(float) - low) / (high - low), 0, 1) * 255


def around(middle: tuple[int, int], size: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns that are seen, where pixel `middle` is right below and of the middle."""
    (row, column), (rows, columns) = middle, size[:2]
    top, left = row - rows // 2, column - columns // 2
    return slice(top, top + rows), slice(left, left + columns)


def test_neuroglancer_shows_a_real_image(page: Page, site: str, addresses: dict[str, str]) -> None:
    shader = GREY.format(low=0, high=128)
    layer = {"type": "image", "source": f"{addresses['000']}/|zarr3:", "shader": shader}
    # Half a pixel off, so that the middle of each screen pixel is that of a voxel.
    got = shown(page, neuroglancer_address(site, layer, "yx", [109.5, 139.5]))[:, 25:-25]
    with open_image(CELLS) as image:
        seen = image.read(0, around((110, 140), got.shape))
    np.testing.assert_allclose(got[..., 1], grey(seen, 0, 128), atol=1)


def test_neuroglancer_shows_a_slice_of_a_stack(
    page: Page, site: str, addresses: dict[str, str]
) -> None:
    with open_image(VOLUME) as image:
        seen = image.read(0, (12,))
    low, high = int(seen.min()), int(seen.max())
    shader = GREY.format(low=low, high=high)
    layer = {"type": "image", "source": f"{addresses['img3d']}/|zarr3:", "shader": shader}
    got = shown(page, neuroglancer_address(site, layer, "zyx", [12, 29.5, 29.5]))
    rows, columns = got.shape[:2]
    top, left = rows // 2 - 30, columns // 2 - 30
    part = got[top : top + 61, left : left + 57]
    np.testing.assert_allclose(part[..., 0], grey(seen, low, high), atol=1)
    outside = got.copy()
    outside[top : top + 61, left : left + 57] = 0
    assert not outside.any(), "there is nothing beside it"


def test_neuroglancer_shows_a_level_of_a_generated_image(
    page: Page, site: str, addresses: dict[str, str]
) -> None:
    with open_image(PATTERN) as image:
        level = image.levels[2]
        assert level.scale == (4, 4)
        middle = (300, 260)
        at = [4 * n + t - 2 for n, t in zip(middle, level.translation, strict=True)]
        layer = {
            "type": "image",
            "source": f"{addresses['julia']}/|zarr3:",
            "shader": GREY.format(low=0, high=65535),
        }
        got = shown(page, neuroglancer_address(site, layer, "yx", at, scale=4))
        seen = image.read(2, around(middle, got.shape))
    assert seen.std() > 1000
    np.testing.assert_allclose(got[..., 2], grey(seen, 0, 65535), atol=1)


def test_neuroglancer_gives_each_label_its_colour(
    page: Page, site: str, addresses: dict[str, str]
) -> None:
    layer = {"type": "segmentation", "source": f"{addresses['cells']}/|zarr3:"}
    got = shown(page, neuroglancer_address(site, layer, "yx", [999.5, 1499.5]))
    with open_image(LABELS) as image:
        ids = image.read(0, around((1000, 1500), got.shape))
    colours = got.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32)
    pairs = np.unique(np.stack([ids, colours.astype(np.uint64)]).reshape(2, -1), axis=1)
    assert len(np.unique(ids)) > 3
    assert len(np.unique(pairs[0])) == pairs.shape[1], "an id has one colour"
    assert len(np.unique(pairs[1])) == pairs.shape[1], "and a colour one id"


# viv


def drawn(page: Page, address: str) -> NDArray[np.uint8]:
    """What viv shows at an address, once it has all."""
    page.goto(address)
    page.wait_for_function("() => window.ready || window.failure")
    assert page.evaluate("window.failure") is None
    before = decode_png(page.screenshot())
    while not np.array_equal(after := decode_png(page.screenshot()), before):
        before = after
    return after


@pytest.fixture(scope="module")
def viv(site: str, folder: Path) -> str:
    if not build_viv(folder):
        pytest.skip("the packages of viv cannot be had here")
    return site


def test_viv_shows_a_real_image(page: Page, viv: str, addresses: dict[str, str]) -> None:
    what = {"selection": {}, "target": [140, 110, 0], "zoom": 0, "contrast": [0, 128]}
    got = drawn(page, viv_address(viv, address=addresses["000"], **what))
    got = got[60:-60, 100:-100]
    with open_image(CELLS) as image:
        seen = image.read(0, around((110, 140), got.shape))
    np.testing.assert_allclose(got[..., 0], grey(seen, 0, 128), atol=1)
    (channel,) = page.evaluate("metadata.omero.channels")
    assert (channel["color"], channel["window"]["end"]) == ("FFFFFF", 255)


def test_viv_shows_a_level_of_a_generated_image(
    page: Page, viv: str, addresses: dict[str, str]
) -> None:
    what = {"selection": {}, "target": [1040, 1200, 0], "zoom": -2, "contrast": [0, 65535]}
    got = drawn(page, viv_address(viv, address=addresses["julia"], **what))
    with open_image(PATTERN) as image:
        seen = image.read(2, around((300, 260), got.shape))
    np.testing.assert_allclose(got[..., 0], grey(seen, 0, 65535), atol=1)


# all of them


def test_chunks_that_are_compressed_for_a_network_are_understood(page: Page, viv: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 60_000, (300, 400), np.uint16)
    image = image_from_array(pixels, name="noise")
    with serving([[image]], codec="zstd") as server:
        address = f"{server.zarr}/noise.zarr"
        page.goto(f"{viv}/zarrita.html")
        page.wait_for_function("() => window.read !== undefined")
        got, _ = read(page, address, "0", (0, 0), (300, 400))
        np.testing.assert_array_equal(got, pixels)
        shader = GREY.format(low=0, high=65535)
        layer = {"type": "image", "source": f"{address}/|zarr3:", "shader": shader}
        picture = shown(page, neuroglancer_address(viv, layer, "yx", [149.5, 199.5]))
        expected = grey(pixels[around((150, 200), picture.shape)], 0, 65535)
        np.testing.assert_allclose(picture[..., 0], expected, atol=1)
        what = {"selection": {}, "target": [200, 150, 0], "zoom": 0, "contrast": [0, 65535]}
        picture = drawn(page, viv_address(viv, address=address, **what))
        np.testing.assert_allclose(picture[..., 0], grey(pixels, 0, 65535), atol=1)
