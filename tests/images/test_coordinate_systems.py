"""OME-Zarr 0.6: coordinate systems, in files written by zarr-python, local and by HTTP."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import OpenError, OpsinError, Unsupported
from opsin.images.image import Axis
from opsin.images.readers import browse, open_image, open_images
from tests.fault_server import Site

DATA = np.random.default_rng(6).integers(0, 60000, (6, 48, 64)).astype(np.uint16)
SPACE = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
INTRINSIC = {"name": "physical", "axes": SPACE}
LAB = {"name": "lab", "axes": SPACE}
UNTIL = {"input": {"name": "physical"}, "output": {"name": "lab"}}


def scale(*factors: float) -> dict[str, Any]:
    return {"type": "scale", "scale": list(factors)}


def shift(*by: float) -> dict[str, Any]:
    return {"type": "translation", "translation": list(by)}


def dataset(level: int, *parts: dict[str, Any]) -> dict[str, Any]:
    """Halved along y and x, by averaging: half a pixel of the finest further at each level."""
    factor = 2**level
    steps = parts or (scale(2, 0.5 * factor, 0.5 * factor), shift(0, *[0.25 * (factor - 1)] * 2))
    return {
        "path": f"s{level}",
        "coordinateTransformations": [
            {
                "type": "sequence",
                "transformations": list(steps),
                "input": {"path": f"s{level}"},
                "output": {"name": "physical"},
            }
        ],
    }


def multiscale(**changes: Any) -> dict[str, Any]:
    entry = {"coordinateSystems": [LAB, INTRINSIC], "datasets": [dataset(0), dataset(1)]}
    return {**entry, **changes}


def make(folder: Path, entry: dict[str, Any], shards: tuple[int, ...] | None = None) -> Path:
    group = zarr.open_group(str(folder), mode="w", zarr_format=3)
    for level in range(2):
        data = DATA[:, :: 2**level, :: 2**level]
        group.create_array(f"s{level}", data=data, chunks=(1, 16, 16), shards=shards)
    group.attrs["ome"] = {"version": "0.6", "multiscales": [entry]}
    return folder


@pytest.mark.parametrize("shards", [None, (2, 32, 32)])
@pytest.mark.parametrize("place", ["local", "http"])
def test_levels_lie_where_their_system_says(
    site: Site, place: str, shards: tuple[int, ...] | None
) -> None:
    folder = make(site.root / "a.ome.zarr", multiscale(), shards)
    with open_image(str(folder) if place == "local" else f"{site.url}/a.ome.zarr") as image:
        assert image.axes == tuple(Axis(name, "space", "micrometer") for name in "zyx")
        assert [level.scale for level in image.levels] == [(2, 0.5, 0.5), (2, 1, 1)]
        assert [level.translation for level in image.levels] == [(0, 0, 0), (0, 0.25, 0.25)]
        assert image.levels[0].chunks == (1, 16, 16)
        assert image.warnings == ()
        np.testing.assert_array_equal(image.read(), DATA)
        np.testing.assert_array_equal(image.read(1), DATA[:, ::2, ::2])


def test_an_image_is_shown_in_its_own_system_and_says_so(tmp_path: Path) -> None:
    there = [{**shift(0, 1000, 0), **UNTIL}]
    with open_image(make(tmp_path / "a.zarr", multiscale(coordinateTransformations=there))) as im:
        assert im.levels[0].translation == (0, 0, 0)
        (warning,) = im.warnings
        assert warning == (
            "a is shown in its own coordinate system 'physical'; it has others: "
            "'lab' (translation)."
        )
    turned = {
        "type": "rotation",
        "rotation": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
        "input": {"name": "lab"},
        "output": {"name": "physical"},
    }
    entry = multiscale(coordinateTransformations=[turned, {"type": "identity", **UNTIL}])
    with open_image(make(tmp_path / "b.zarr", entry)) as image:
        assert image.warnings[0].endswith("it has others: 'lab' (rotation).")
    entry = multiscale(coordinateTransformations=[{"type": "identity", **UNTIL}])
    with open_image(make(tmp_path / "c.zarr", entry)) as image:
        assert image.warnings == ()


def test_drafts_of_0_6_named_systems_by_their_name_alone(tmp_path: Path) -> None:
    first = {**scale(2, 0.5, 0.5), "input": "/s0", "output": "physical"}
    second = {
        "type": "sequence",
        "transformations": [scale(2, 1, 1), shift(0, 0.25, 0.25)],
        "input": "s1",
        "output": "physical",
    }
    datasets = [
        {"path": "s0", "coordinateTransformations": [first]},
        {"path": "s1", "coordinateTransformations": [second]},
    ]
    added = [{**shift(0, 5, 5), "input": "physical", "output": "lab"}]
    entry = multiscale(datasets=datasets, coordinateTransformations=added)
    with open_image(make(tmp_path / "a.zarr", entry)) as image:
        assert [level.scale for level in image.levels] == [(2, 0.5, 0.5), (2, 1, 1)]
        assert image.levels[1].translation == (0, 0.25, 0.25)
        assert "'lab' (translation)" in image.warnings[0]


def test_without_ends_transformations_belong_to_all_levels(tmp_path: Path) -> None:
    entry = multiscale(
        coordinateSystems=[INTRINSIC],
        datasets=[{"path": "s0", "coordinateTransformations": [scale(1, 2, 2)]}],
        coordinateTransformations=[shift(0, 7, 8)],
    )
    with open_image(make(tmp_path / "a.zarr", entry)) as image:
        assert (image.levels[0].scale, image.levels[0].translation) == ((1, 2, 2), (0, 7, 8))


@pytest.mark.parametrize("towards", ["labels", "image"])
def test_labels_are_placed_by_the_link_to_their_image(tmp_path: Path, towards: str) -> None:
    """Labels of a crop: their world begins at (4, 10, 20) of the image's, in pixels of 0.5."""
    ends = ({"name": "physical"}, {"name": "physical", "path": "labels/crop"})
    link = (
        sequence(shift(-4, -10, -20), scale(1, 2, 2))
        if towards == "labels"
        else sequence(scale(1, 0.5, 0.5), shift(4, 10, 20))
    )
    start, end = ends if towards == "labels" else ends[::-1]
    entry = multiscale(coordinateTransformations=[{**link, "input": start, "output": end}])
    folder = make(tmp_path / "a.zarr", entry)
    make(folder / "labels/crop", multiscale())
    make(folder / "labels/same", multiscale())
    labels = zarr.open_group(str(folder / "labels"), mode="a", zarr_format=3)
    labels.attrs["ome"] = {"version": "0.6", "labels": ["crop", "same"]}
    image, crop, same = open_images(folder)
    assert image.warnings == ()
    assert (crop.kind, crop.levels[0].scale) == ("labels", (2, 0.25, 0.25))
    assert crop.levels[0].translation == (4, 10, 20)
    assert crop.levels[1].translation == (4, 10.125, 20.125)
    assert same.levels[0].translation == (0, 0, 0)
    for one in (image, crop, same):
        one.close()


def sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "sequence", "transformations": list(parts)}


def test_labels_that_are_turned_are_left_out(tmp_path: Path) -> None:
    turn = {"type": "rotation", "rotation": [[1, 0, 0], [0, 0, 1], [0, -1, 0]]}
    ends = {"input": {"name": "physical"}, "output": {"name": "physical", "path": "labels/crop"}}
    entry = multiscale(coordinateTransformations=[{**turn, **ends}])
    folder = make(tmp_path / "a.zarr", entry)
    make(folder / "labels/crop", multiscale())
    labels = zarr.open_group(str(folder / "labels"), mode="a", zarr_format=3)
    labels.attrs["ome"] = {"version": "0.6", "labels": ["crop"]}
    (image,) = open_images(folder)
    with image:
        (warning,) = image.warnings
        assert warning.startswith("The labels 'crop' of a are left out: ")
        assert "by a rotation (rotation)" in warning


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        (
            {"datasets": [dataset(0, {"type": "rotation", "rotation": [[0, 1], [1, 0]]})]},
            Unsupported,
            r"places level 's0' by a rotation \(rotation\), but Opsin can scale and shift only\.",
        ),
        (
            {"datasets": [dataset(0, {"type": "displacements", "path": "d"})]},
            Unsupported,
            "by a field of displacements",
        ),
        ({"coordinateSystems": []}, OpenError, "no list of coordinate systems"),
        ({"coordinateSystems": 5}, OpenError, "no list of coordinate systems"),
        ({"coordinateSystems": [{"name": "x"}]}, OpenError, "without a name or without axes"),
        ({"coordinateSystems": [LAB, LAB]}, OpenError, "names the coordinate system 'lab' twice"),
        ({"coordinateSystems": [LAB]}, OpenError, "in the coordinate system 'physical', which"),
        (
            {"datasets": [dataset(0), {**dataset(1), "coordinateTransformations": [
                {**scale(1, 1, 1), "output": {"name": "lab"}}]}]},
            OpenError,
            "in several coordinate systems: 'lab', 'physical'",
        ),
        ({"datasets": [{"path": "s0", "coordinateTransformations": [5]}]}, OpenError, "objects"),
        ({"coordinateTransformations": {}}, OpenError, "not a list of objects"),
        ({"datasets": [dataset(0, scale(1, 1))]}, OpenError, "not 3 numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(
    tmp_path: Path, changes: dict[str, Any], kind: type, message: str
) -> None:
    with pytest.raises(OpenError, match=message) as caught:
        open_image(make(tmp_path / "a.zarr", multiscale(**changes)))
    assert type(caught.value) is kind
    assert "a.zarr" in str(caught.value)


# ------------------------------------------------------------------------------ scenes


WORLD = {"name": "world", "axes": SPACE}


def link(start: tuple[str, str], end: tuple[str, str], *steps: dict[str, Any]) -> dict[str, Any]:
    ends = [{"path": path, "name": name} if path else {"name": name} for path, name in (start, end)]
    one = steps[0] if len(steps) == 1 else sequence(*steps)
    return {**one, "input": ends[0], "output": ends[1]}


def make_scene(folder: Path, links: list[dict[str, Any]], systems: Any = (WORLD,)) -> Path:
    root = zarr.open_group(str(folder), mode="w", zarr_format=3)
    scene = {"coordinateTransformations": links, "coordinateSystems": list(systems)}
    root.attrs["ome"] = {"version": "0.6", "scene": scene}
    for name in ("a", "b", "c"):
        make(folder / name, multiscale())
    make(folder / "b/labels/cells", multiscale())
    labels = zarr.open_group(str(folder / "b/labels"), mode="a", zarr_format=3)
    labels.attrs["ome"] = {"version": "0.6", "labels": ["cells"]}
    return folder


def test_a_scene_opens_its_images_where_they_belong(site: Site) -> None:
    """Image b against a, c by way of another system, backwards; all in the scene's first system."""
    folder = make_scene(
        site.root / "s.zarr",
        [
            link(("a", "physical"), ("", "world"), shift(0, 10, 20)),
            link(("b", "physical"), ("a", "physical"), scale(1, 2, 2), shift(1, 0, 0)),
            link(("", "stage"), ("c", "physical"), scale(1, 4, 4)),
            link(("", "stage"), ("", "world"), {"type": "identity"}),
        ],
    )
    for address in (str(folder), f"{site.url}/s.zarr"):
        images = open_images(address)
        assert [image.name for image in images] == ["s/a", "s/b", "cells", "s/c"]
        assert all(image.warnings == () for image in images)
        a, b, cells, c = (image.levels[1] for image in images)
        assert (a.scale, a.translation) == ((2, 1, 1), (0, 10.25, 20.25))
        assert (b.scale, b.translation) == ((2, 2, 2), (1, 10.5, 20.5))
        assert (cells.scale, cells.translation) == (b.scale, b.translation)
        assert (c.scale, c.translation) == ((2, 0.25, 0.25), (0, 0.0625, 0.0625))
        np.testing.assert_array_equal(images[3].read(), DATA)
        for image in images:
            image.close()
        assert [node.path for node in browse(address).children] == ["a", "b", "c"]


def test_images_of_a_scene_that_cannot_be_placed_are_left_out(tmp_path: Path) -> None:
    turn = {"type": "rotation", "rotation": [[1, 0, 0], [0, 0, 1], [0, -1, 0]]}
    folder = make_scene(
        tmp_path / "s.zarr",
        [
            link(("a", "physical"), ("", "world"), turn),
            link(("b", "physical"), ("c", "elsewhere"), shift(0, 0, 0)),
            link(("lost", "physical"), ("", "world"), shift(0, 0, 0)),
            link(("c", "physical"), ("", "world"), shift(0, 0, 5)),
        ],
    )
    images = open_images(folder)
    assert [image.name for image in images] == ["s/c"]
    turned = "the scene places it by a rotation (rotation), but Opsin can scale and shift only"
    assert images[0].warnings == (
        f"a is left out: {turned}.",
        "b is left out: nothing says where it lies in 'world'.",
        "lost is left out: it is not there.",
    )
    images[0].close()
    folder = make_scene(tmp_path / "t.zarr", [link(("a", "physical"), ("", "world"), turn)])
    with pytest.raises(OpenError, match=r"No image of the scene .* can be shown\. a is left out"):
        open_images(folder)
    folder = make_scene(tmp_path / "u.zarr", [])
    with pytest.raises(OpenError, match="has a scene without images"):
        open_images(folder)


# ------------------------------------------------------------------------------ nonsense


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.sampled_from(["s0", "lab"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "path", "axes", "type", "scale"]), inner)
        | st.sampled_from([INTRINSIC, LAB, dataset(0), scale(1, 1, 1), {**shift(0, 0, 0), **UNTIL}])
    ),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["coordinateSystems", "datasets", "coordinateTransformations"]), JSON
    )
)
def test_nonsense_is_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "systems.zarr"
    if not folder.exists():
        make(folder, multiscale())
    for ome in ({"multiscales": [multiscale(**changes)]}, {"scene": changes}):
        group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
        (folder / "zarr.json").write_text(json.dumps(group))
        with suppress(OpsinError), open_image(folder) as image:
            assert len(image.levels[0].scale) == len(image.axes) == 3
