"""OME-Zarr: what metadata says is what the image says; what it gets wrong is said too."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import NotFound, OpenError, OpsinError, Unreachable, Unsupported
from opsin.images.description import describe
from opsin.images.image import Axis, Channel
from opsin.images.ome_metadata import checked_path
from opsin.images.readers import open_image, open_images
from tests.fault_server import Site

DATA = np.random.default_rng(1).integers(0, 60000, (2, 64, 96)).astype(np.uint16)
AXES = [
    {"name": "c", "type": "channel"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


def dataset(level: int, *more: dict[str, Any]) -> dict[str, Any]:
    scale = {"type": "scale", "scale": [1, 0.5 * 2**level, 0.25 * 2**level]}
    return {"path": str(level), "coordinateTransformations": [scale, *more]}


def multiscale(**changes: Any) -> dict[str, Any]:
    entry = {"axes": AXES, "datasets": [dataset(0), dataset(1), dataset(2)], "name": "x"}
    return {**entry, **changes}


def make(
    folder: Path, version: str = "0.5", levels: tuple[int, ...] = (0, 1, 2), **attributes: Any
) -> Path:
    """An OME-Zarr of two channels and three levels, strided."""
    group = zarr.open_group(str(folder), mode="w", zarr_format=3 if version == "0.5" else 2)
    for level in levels:
        data = DATA[:, :: 2**level, :: 2**level]
        group.create_array(str(level), data=data, chunks=(1, 32, 32))
    attributes = {name.replace("image_label", "image-label"): v for name, v in attributes.items()}
    attributes.setdefault("multiscales", [multiscale()])
    if version == "0.5":
        group.attrs["ome"] = {"version": version, **attributes}
    else:
        attributes["multiscales"][0].setdefault("version", version)
        group.attrs.update(attributes)
    return folder


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("place", ["local", "http"])
def test_both_versions_local_and_by_http(site: Site, version: str, place: str) -> None:
    folder = make(site.root / "cells.ome.zarr", version)
    address = str(folder) if place == "local" else f"{site.url}/cells.ome.zarr/"
    with open_image(address) as image:
        assert image.name == "cells"
        assert image.kind == "image"
        assert image.axes == (
            Axis("c", "channel"),
            Axis("y", "space", "micrometer"),
            Axis("x", "space", "micrometer"),
        )
        assert [level.shape for level in image.levels] == [(2, 64, 96), (2, 32, 48), (2, 16, 24)]
        assert [level.scale for level in image.levels] == [(1, 0.5, 0.25), (1, 1, 0.5), (1, 2, 1)]
        assert image.levels[0].chunks == (1, 32, 32)
        assert image.warnings == ()
        assert image.source.provenance == ("disk" if place == "local" else "network")
        for level in range(3):
            expected = DATA[:, :: 2**level, :: 2**level]
            np.testing.assert_array_equal(image.read(level), expected)
        np.testing.assert_array_equal(image.read(1, (1, slice(3, 20))), DATA[1, 6:40:2, ::2])


def test_transformations_apply_in_order_level_first(tmp_path: Path) -> None:
    entry = multiscale(
        datasets=[
            dataset(0, {"type": "translation", "translation": [0, 10, -3]}),
            dataset(1, {"type": "identity"}),
            dataset(2),
        ],
        coordinateTransformations=[
            {"type": "scale", "scale": [1, 2, 2]},
            {"type": "translation", "translation": [0, 1, 100]},
        ],
    )
    with open_image(make(tmp_path / "a.zarr", multiscales=[entry])) as image:
        assert image.levels[0].scale == (1, 1, 0.5)
        assert image.levels[0].translation == (0, 21, 94)
        assert image.levels[1].scale == (1, 2, 1)
        assert image.levels[1].translation == (0, 1, 100)


def test_levels_in_any_order_are_sorted_from_fine_to_coarse(tmp_path: Path) -> None:
    entry = multiscale(datasets=[dataset(2), dataset(0), dataset(1)])
    with open_image(make(tmp_path / "a.zarr", multiscales=[entry])) as image:
        assert [level.shape[1] for level in image.levels] == [64, 32, 16]
        np.testing.assert_array_equal(image.read(2), DATA[:, ::4, ::4])


def test_old_files_without_scale_or_axes(tmp_path: Path) -> None:
    entry = {"datasets": [{"path": "0"}, {"path": "1"}], "version": "0.1"}
    with open_image(make(tmp_path / "a.zarr", "0.1", multiscales=[entry])) as image:
        assert image.axis_names == ("z", "y", "x")
        assert image.levels[1].scale == (1, 2, 2)
        assert image.levels[1].translation == (0, 0.5, 0.5)
    entry = {"datasets": [{"path": "0"}], "axes": ["c", "y", "x"], "version": "0.3"}
    with open_image(make(tmp_path / "b.zarr", "0.3", multiscales=[entry])) as image:
        assert [axis.type for axis in image.axes] == ["channel", "space", "space"]


def test_channels(tmp_path: Path) -> None:
    omero = {
        "channels": [
            {
                "label": "DNA",
                "color": "0000FF",
                "window": {"start": 10, "end": 900, "min": 0, "max": 65535},
                "active": True,
            },
            {"color": "#f80", "window": {"start": 5, "end": 5}, "active": False},
        ]
    }
    with open_image(make(tmp_path / "a.zarr", omero=omero)) as image:
        assert image.channels == (
            Channel("DNA", "0000ff", (10, 900), True),
            Channel("channel 1", "ff8800", None, False),
        )
    nonsense: Any
    for nonsense in (
        None,
        5,
        [],
        {"channels": 5},
        {"channels": [5, None]},
        {"channels": [{"label": 5, "color": 255, "window": [1, 2], "active": "no"}]},
    ):
        shutil.rmtree(tmp_path / "a.zarr")
        with open_image(make(tmp_path / "a.zarr", omero=nonsense)) as image:
            assert all(channel.colour is None for channel in image.channels)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_of_an_image_and_by_their_own_address(site: Site, version: str) -> None:
    folder = make(site.root / "a.zarr", version)
    make(folder / "labels/nuclei", version, image_label={})
    make(folder / "labels/cells", version)
    labels = zarr.open_group(
        str(folder / "labels"), mode="a", zarr_format=3 if version == "0.5" else 2
    )
    names: list[Any] = ["nuclei", "cells", "lost", "../../etc", 7]
    labels.attrs.update({"ome": {"labels": names}} if version == "0.5" else {"labels": names})
    for address in (str(folder), f"{site.url}/a.zarr"):
        image, nuclei, cells = open_images(address)
        assert (nuclei.name, nuclei.kind, cells.kind) == ("nuclei", "labels", "labels")
        assert [w for w in image.warnings if "missing" in w and "lost" in w]
        assert len(image.warnings) == 3
        image.close()
        np.testing.assert_array_equal(nuclei.read(), DATA)  # closed on its own
        nuclei.close()
        cells.close()
    with open_image(folder / "labels/nuclei") as image:
        assert (image.kind, image.name) == ("labels", "a/labels/nuclei")
    both = open_images(folder / "labels")
    assert [one.name for one in both] == ["nuclei", "cells"]
    for one in both:
        one.close()


def test_labels_that_are_no_whole_numbers_are_an_image(tmp_path: Path) -> None:
    folder = tmp_path / "a.zarr"
    group = zarr.open_group(str(folder), mode="w")
    group.create_array("0", data=DATA.astype(np.float32))
    entry = multiscale(datasets=[dataset(0)])
    group.attrs["ome"] = {"multiscales": [entry], "image-label": {}}
    with open_image(folder) as image:
        assert image.kind == "image"
        assert "float32" in image.warnings[0]


@pytest.mark.parametrize("named", [True, False])
def test_a_bioformats2raw_layout_opens_its_first_series(tmp_path: Path, named: bool) -> None:
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for series in ("0", "1", "2"):
        make(tmp_path / "a.zarr" / series, "0.4")
    if named:
        group = zarr.open_group(str(tmp_path / "a.zarr/OME"), mode="w", zarr_format=2)
        group.attrs["series"] = ["2", "1", "0"]
    with open_image(tmp_path / "a.zarr") as image:
        assert image.name == ("a/2" if named else "a/0")
        others = "1, 0" if named else "1, 2"
        expected = f"Only the first of the 3 series is open; the others are {others}."
        assert image.warnings == (expected,)
    with open_image(tmp_path / "a.zarr/1") as image:
        assert image.name == "a/1"


def test_a_missing_level_is_left_out_with_a_warning(tmp_path: Path) -> None:
    folder = make(tmp_path / "a.zarr", levels=(0, 2))
    with open_image(folder) as image:
        assert [level.shape[1] for level in image.levels] == [64, 16]
        (warning,) = image.warnings
        assert "Level '1' of a is missing" in warning
    shutil.rmtree(folder / "0")
    with open_image(folder) as image:
        assert image.levels[0].shape[1] == 16
        np.testing.assert_array_equal(image.read(), DATA[:, ::4, ::4])
    shutil.rmtree(folder / "2")
    with pytest.raises(OpenError, match="none of the levels that its metadata names"):
        open_image(folder)


def test_a_level_that_cannot_be_read_is_left_out_with_its_reason(tmp_path: Path) -> None:
    folder = make(tmp_path / "a.zarr")
    metadata = json.loads((folder / "1/zarr.json").read_text())
    (folder / "1/zarr.json").write_text(json.dumps({**metadata, "codecs": ["bytes", "magic"]}))
    with open_image(folder) as image:
        assert len(image.levels) == 2
        assert "codec magic" in image.warnings[0]
    (folder / "1/zarr.json").write_text(json.dumps({**metadata, "data_type": "uint8"}))
    with open_image(folder) as image:
        assert "it is uint8, not uint16" in image.warnings[0]


LIES: list[tuple[dict[str, Any], str]] = [
    ({"axes": AXES[1:]}, "scale that is not 2 numbers"),
    ({"axes": AXES[1:], "datasets": [{"path": "0"}]}, "names 2 axes, but level '0' has 3"),
    ({"axes": [*AXES, {"name": "q"}], "datasets": [{"path": "0"}]}, "4 axes, but level '0' has 3"),
    ({"axes": [AXES[0], AXES[1], AXES[1]]}, "names an axis twice"),
    ({"axes": "cyx"}, "not a list"),
    ({"axes": [{"name": f"a{i}"} for i in range(40)]}, "not a list of 2 to 16"),
    ({"axes": [1, 2, 3]}, "axis without a name"),
    ({"datasets": []}, "no list of levels"),
    ({"datasets": None}, "no list of levels"),
    ({"datasets": ["0"]}, "level that is not an object"),
    ({"datasets": [{"path": "../b.zarr"}]}, "not below the image"),
    ({"datasets": [{"path": "/etc"}]}, "not below the image"),
    ({"datasets": [{"path": "a\0b"}]}, "not below the image"),
    ({"datasets": [{"path": "\ud800"}]}, "not below the image"),
    ({"datasets": [{"path": 0}]}, "not below the image"),
    ({"datasets": [{"path": "0", "coordinateTransformations": 5}]}, "not a list"),
    ({"coordinateTransformations": [{"type": "rotation"}]}, r"a rotation \(rotation\), but"),
    ({"coordinateTransformations": [{"type": "spin"}]}, "unknown type 'spin'"),
    ({"coordinateTransformations": [5]}, "unknown type None"),
    ({"coordinateTransformations": [{"type": "scale", "scale": [1, 0, 1]}]}, "scale is positive"),
    ({"coordinateTransformations": [{"type": "scale", "scale": [1, -1, 1]}]}, "scale is positive"),
    ({"coordinateTransformations": [{"type": "scale", "scale": [1, "1", 1]}]}, "not 3 numbers"),
    ({"coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}, "not 3 numbers"),
    ({"coordinateTransformations": [{"type": "scale", "path": "s"}]}, "scale of .* in an array"),
    ({"coordinateTransformations": [{"type": "scale", "path": 5}]}, "not 3 numbers"),
    (
        {"coordinateTransformations": [{"type": "translation", "translation": [0, 1e999, 0]}]},
        "not 3 numbers",
    ),
    (
        {"coordinateTransformations": [{"type": "scale", "scale": [1, 1e299, 1]}] * 2},
        "out of all bounds",
    ),
]


@pytest.mark.parametrize(("lie", "message"), LIES)
def test_metadata_that_makes_no_sense(tmp_path: Path, lie: dict[str, Any], message: str) -> None:
    folder = make(tmp_path / "a.zarr", multiscales=[multiscale(**lie)])
    with pytest.raises(OpenError, match=message) as caught:
        open_image(folder)
    assert str(folder) in str(caught.value)
    assert str(caught.value).endswith(".")


def test_groups_that_are_no_images(tmp_path: Path) -> None:
    attributes: dict[str, Any]
    for attributes in (
        {},
        {"multiscales": []},
        {"multiscales": 5},
        {"labels": []},
        {"plate": {}},
        {"well": {}},
        {"bioformats2raw.layout": 3},
    ):
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
        group.attrs.update(attributes)
        with pytest.raises(OpenError, match=r"a\.zarr"):
            open_image(tmp_path / "a.zarr")
    (tmp_path / "a.zarr/.zattrs").write_text("{nonsense")
    with pytest.raises(OpenError, match="not valid JSON"):
        open_image(tmp_path / "a.zarr")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["0", "x", "c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["path", "name", "type", "scale", "datasets", "channels", "color"]),
            inner,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(key=st.sampled_from(["axes", "datasets", "coordinateTransformations", "name"]), value=JSON)
def test_nonsense_is_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    folder = tmp_path_factory.getbasetemp() / "nonsense.zarr"
    if not folder.exists():
        make(folder)
    ome = {"multiscales": [multiscale(**{key: value})], "omero": value, "labels": value}
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
    (folder / "zarr.json").write_text(json.dumps(group))
    with contextlib.suppress(OpsinError):
        open_image(folder).close()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_plain_arrays(tmp_path: Path, zarr_format: Any) -> None:
    shapes = {(9, 8): "yx", (7, 9, 8): "zyx", (2, 7, 9, 8): "czyx", (2, 2, 7, 9, 8): "tczyx"}
    for number, (shape, names) in enumerate(shapes.items()):
        data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
        path = tmp_path / f"{number}.zarr"
        zarr.create_array(path, data=data, zarr_format=zarr_format)
        with open_image(path) as image:
            assert "".join(image.axis_names) == names
            assert image.levels[0].scale == (1,) * len(shape)
            np.testing.assert_array_equal(image.read(), data)
    zarr.create_array(tmp_path / "line.zarr", data=np.arange(9), zarr_format=zarr_format)
    with pytest.raises(Unsupported, match="one axis"):
        open_image(tmp_path / "line.zarr")


def test_plain_arrays_with_names_and_colours(tmp_path: Path) -> None:
    data = np.zeros((20, 30, 3), np.uint8)
    zarr.create_array(tmp_path / "a.zarr", data=data, dimension_names=["t", "lat", "lon"])
    with open_image(tmp_path / "a.zarr") as image:
        assert image.axis_names == ("t", "y", "x")
        assert image.warnings == ("The axes lat and lon are shown as y and x.",)
        assert [axis.type for axis in image.axes] == ["time", "space", "space"]
        assert not image.rgb
    zarr.create_array(tmp_path / "b.zarr", data=data)
    with open_image(tmp_path / "b.zarr") as image:
        assert image.axis_names == ("y", "x", "c")
        assert image.rgb
    array = zarr.create_array(tmp_path / "c.zarr", data=data, zarr_format=2)
    array.attrs["_ARRAY_DIMENSIONS"] = ["c", "y", "x"]
    with open_image(tmp_path / "c.zarr") as image:
        assert image.channel_axis == 0


def test_names_that_no_encoding_takes(tmp_path: Path) -> None:
    entry = multiscale(axes=[AXES[0], {"name": "y\ud800", "type": "space"}, AXES[2]])
    folder = make(tmp_path / "a.zarr", multiscales=[multiscale()])
    ome = {"multiscales": [entry], "omero": {"channels": [{"label": "\udcff"}]}}
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
    (folder / "zarr.json").write_text(json.dumps(group))
    with open_image(folder) as image:
        json.dumps(describe(image), ensure_ascii=False).encode()
        assert image.channels == (Channel("\ufffd"),)
        assert image.warnings == ("The axis y\ufffd is shown as y.",)


def test_a_chunk_whose_server_fails_is_unreachable_and_the_rest_goes_on(site: Site) -> None:
    make(site.root / "a.zarr")
    with open_image(f"{site.url}/a.zarr") as image:
        site.status["0/c/1/0/0"] = 500
        with pytest.raises(Unreachable, match="0/c/1/0/0 answered 500"):
            image.read()
        np.testing.assert_array_equal(image.read(0, (0,)), DATA[0])
        np.testing.assert_array_equal(image.read(1), DATA[:, ::2, ::2])


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_image(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("0", "0"),
        ("a/b", "a/b"),
        ("./a//b/", "a/b"),
        ("", None),
        (".", None),
        ("..", None),
        ("a/../b", None),
        ("/a", None),
        ("a\\b", None),
        ("a\n", None),
        (3, None),
        (None, None),
    ],
)
def test_paths_stay_below_their_group(path: Any, key: str | None) -> None:
    assert checked_path(path) == key
