"""What an HDF5 file holds, and what its attributes mean."""

from __future__ import annotations

import contextlib
import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsin.errors import Corrupt, NotFound, OpenError, OpsinError, Unsupported
from opsin.images.readers import browse, open_image, open_images
from opsin.images.readers.node import describe_node
from tests.images.hdf5_files import (
    axistags,
    bigdataviewer_xml,
    check,
    letters,
    noise,
    write,
    write_bigdataviewer,
    write_imaris,
)

# ---------------------------------------------------------------------------------- which dataset


def test_several_images_are_listed_and_one_can_be_named(tmp_path: Path) -> None:
    raw, mask = noise(3, 40, 50), noise(40, 50, dtype="u1")
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file["raw/data"] = raw
        file["mask"] = mask
        file["points"] = np.zeros((90, 3))
        file["title"] = "cells"
        file["profile"] = np.zeros(50)
    path = tmp_path / "cells.h5"
    with pytest.raises(Unsupported) as caught:
        open_image(path)
    assert str(caught.value) == (
        "cells.h5 holds 2 images: mask (40 × 50 uint8) and raw/data (3 × 40 × 50 uint16). Name "
        f"one, as in {path}/mask."
    )
    with open_image(path / "mask") as image:
        assert image.name == "cells/mask"
        np.testing.assert_array_equal(image.read(), mask)
    for inner in ("raw/data", "raw"):
        with open_image(f"{path}/{inner}") as image:
            assert image.axis_names == ("z", "y", "x")
            np.testing.assert_array_equal(image.read(), raw)
    with open_image((path / "mask").as_uri()) as image:
        np.testing.assert_array_equal(image.read(), mask)
    with pytest.raises(NotFound, match=r"nothing called nothing/here in cells\.h5"):
        open_image(path / "nothing/here")
    with pytest.raises(NotFound, match=r"nothing called mask/below in cells\.h5"):
        open_image(path / "mask/below")
    with pytest.raises(Unsupported, match=r"title in cells.h5 is no image: its values are text"):
        open_image(path / "title")
    with pytest.raises(Unsupported, match=r"profile in .* has 1 axes, but an image has at least"):
        open_image(path / "profile")


def test_labels_are_what_the_user_says(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", ids=noise(30, 30))
    with open_image(tmp_path / "a.h5", kind="labels") as labels:
        assert labels.kind == "labels"


def test_a_small_table_is_an_image_where_there_is_no_other(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", table=np.arange(30.0).reshape(10, 3))
    with open_image(tmp_path / "a.h5") as image:
        assert image.shape == (10, 3)


def test_the_tree(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file["raw/data"] = noise(3, 40, 50)
        file["title"] = "cells"
        file["away"] = h5py.ExternalLink("other.h5", "/x")
    root = browse(tmp_path / "cells.h5")
    assert root.kind == "group"
    away, raw, title = root.children
    assert (away.path, raw.path, title.path) == ("away", "raw", "title")
    assert "link to another file" in away.note
    assert title.note == "its values are text or references"
    (data,) = raw.children
    assert (data.kind, data.shape, data.dtype, data.path) == (
        "array", (3, 40, 50), "uint16", "raw/data",
    )  # fmt: skip
    with open_image(data.address) as image:
        assert image.shape == (3, 40, 50)
    assert [node.path for node in browse(tmp_path / "cells.h5/raw").children] == ["data"]
    assert json.loads(json.dumps(describe_node(root)))["children"][1]["children"][0]["path"]


# ---------------------------------------------------------------------------- what attributes mean


def test_ilastik(tmp_path: Path) -> None:
    array = noise(2, 5, 20, 30, 2, dtype="f4")
    path = write(tmp_path / "probabilities.h5", exported_data=array)
    with h5py.File(path, "a") as file:
        file["exported_data"].attrs["axistags"] = axistags("tzyxc", x=0.5, y=0.5)
    with open_image(path) as image:
        assert image.axis_names == ("t", "z", "y", "x", "c")
        assert image.channel_axis == 4
        assert not image.rgb
        assert image.levels[0].scale == (1, 1, 0.5, 0.5, 1)
        np.testing.assert_array_equal(image.read(), array)


def test_dimension_labels_and_scales(tmp_path: Path) -> None:
    array = noise(4, 20, 30)
    path = write(tmp_path / "a.nc", T=array, time=np.arange(4) * 60.0, lat=np.linspace(5, 43, 20))
    with h5py.File(path, "a") as file:
        file["lon"] = np.array([1.0] * 30)
        for name in ("time", "lat", "lon"):
            file[name].make_scale(name)
        file["time"].attrs["units"] = "s"
        for axis, name in enumerate(("time", "lat", "lon")):
            file["T"].dims[axis].attach_scale(file[name])
        file["T"].dims[0].label = "t"
    with open_image(path) as image:
        assert image.name == "a"
        assert image.axis_names == ("t", "y", "x")
        assert image.warnings == ("The axes lat and lon are shown as y and x.",)
        assert image.levels[0].scale == (60, 2, 1)
        assert image.levels[0].translation == (0, 5, 0)
        assert image.axes[0].unit == "second"
        np.testing.assert_array_equal(image.read(), array)


def test_element_size_and_unit(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", stack=noise(4, 20, 30))
    with h5py.File(path, "a") as file:
        file["stack"].attrs["element_size_um"] = np.array([2.0, 0.5, 0.25])
    with open_image(path) as image:
        assert image.levels[0].scale == (2, 0.5, 0.25)
        assert {axis.unit for axis in image.axes} == {"micrometer"}


def test_matlab_behind_its_own_header(tmp_path: Path) -> None:
    """MATLAB's rows × columns × planes: the last axis varies slowest, behind 512 bytes of text."""
    matlab = noise(7, 20, 3)
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        for name, options in (("I", {}), ("J", {"chunks": (2, 20, 7), "compression": "gzip"})):
            pixels = file.create_dataset(name, data=matlab.T, **options)
            pixels.attrs["MATLAB_class"] = np.bytes_("uint16")
    with open_image(tmp_path / "a.mat/I") as image:
        assert image.axis_names == ("z", "x", "y")
        check(image, matlab.T)
    with open_image(tmp_path / "a.mat/J") as image:
        check(image, matlab.T)


def test_colour(tmp_path: Path) -> None:
    array = noise(20, 30, 3, dtype="u1")
    with open_image(write(tmp_path / "a.h5", p=array)) as image:
        assert image.rgb
        assert image.axis_names == ("y", "x", "c")
    wide = write(tmp_path / "b.h5", p=noise(20, 30, 3))
    with open_image(wide) as image:
        assert not image.rgb
    with h5py.File(wide, "a") as file:
        file["p"].attrs.update(
            CLASS=np.bytes_("IMAGE"),
            IMAGE_SUBCLASS=np.bytes_("IMAGE_TRUECOLOR"),
            INTERLACE_MODE=np.bytes_("INTERLACE_PIXEL"),
        )
    with open_image(wide) as image:
        assert image.rgb


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_attributes_of_any_kind_are_no_trouble(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    """Whatever they say, the pixels are those of the dataset."""
    names = (
        "axistags", "DIMENSION_LABELS", "element_size_um", "MATLAB_class", "IMAGE_SUBCLASS",
        "INTERLACE_MODE", "CLASS",
    )  # fmt: skip
    tag = st.fixed_dictionaries({"key": st.sampled_from(["x", "y", "", "c", "ä"])}) | st.none()
    values: list[st.SearchStrategy[Any]] = [
        st.text("xyzct\x7fäIMAGE_TRUECOLOR", max_size=20),
        st.floats(),
        st.integers(-(2**60), 2**60),
        st.lists(st.floats(), max_size=4).map(lambda one: np.array(one, "f8")),
        st.binary(max_size=8).map(np.bytes_),
        st.lists(tag, max_size=4).map(lambda tags: json.dumps({"axes": tags})),
        st.lists(st.sampled_from(["x", "y", "z", "", "t"]), max_size=4).map(
            lambda one: np.array(one, h5py.string_dtype())
        ),
        st.just(h5py.Empty("f4")),
    ]
    shape = data.draw(st.sampled_from([(6, 7), (4, 6, 3), (2, 4, 5, 4)]))
    array = noise(*shape, dtype="u1")
    path = tmp_path_factory.getbasetemp() / "attributes.h5"
    with h5py.File(path, "w") as file:
        file["p"] = array
        for name in data.draw(st.lists(st.sampled_from(names), max_size=4, unique=True)):
            file["p"].attrs[name] = data.draw(st.one_of(values))
    with open_image(f"{path}/p") as image:
        np.testing.assert_array_equal(image.read(), array)
        assert len(set(image.axis_names)) == len(shape)
        assert all(scale > 0 for scale in image.levels[0].scale)
        image.name.encode()


# --------------------------------------------------------------------------------- Imaris


@pytest.mark.parametrize("padded", [0, 3])
def test_imaris(padded: int, tmp_path: Path) -> None:
    array = noise(2, 2, 4, 20, 25)
    levels = write_imaris(tmp_path / "brain.ims", array, padded)
    with open_image(tmp_path / "brain.ims") as image:
        assert image.name == "brain"
        assert image.axis_names == ("t", "c", "z", "y", "x")
        assert [level.shape for level in image.levels] == [one.shape for one in levels]
        assert image.levels[0].chunks == (1, 1, 2, 8, 8)
        assert image.levels[0].scale == (30, 1, 3, 0.5, 0.5)
        assert image.levels[0].translation == (0, 0, -2.5, 0.25, 10.25)
        assert image.levels[1].scale == (30, 1, 3, 1, 1)
        assert image.levels[1].translation == (0, 0, -2.5, 0.5, 10.5)
        assert [axis.unit for axis in image.axes] == ["second", None, *["micrometer"] * 3]
        assert [(c.name, c.colour, c.window) for c in image.channels] == [
            ("DAPI", "0000ff", (0, 255)), ("GFP", "00ff00", (1, 255)),
        ]  # fmt: skip
        np.testing.assert_array_equal(image.read(1), levels[1])
        check(image, array)


def test_an_imaris_file_with_a_moment_missing(tmp_path: Path) -> None:
    array = noise(3, 1, 4, 20, 25)
    write_imaris(tmp_path / "a.ims", array)
    with h5py.File(tmp_path / "a.ims", "a") as file:
        del file["DataSet/ResolutionLevel 0/TimePoint 1/Channel 0/Data"]
        group = file["DataSet/ResolutionLevel 0/TimePoint 2/Channel 0"]
        del group["Data"]
        group["Data"] = noise(4, 20, 20)
    with open_image(tmp_path / "a.ims") as image:
        np.testing.assert_array_equal(image.read(0, (0,)), array[0])
        with pytest.raises(Corrupt, match=r"nothing called DataSet/.*/TimePoint 1/Channel 0/"):
            image.read(0, (1,))
        with pytest.raises(Corrupt, match=r"shape \(4, 20, 20\) of uint16, not \(4, 20, 25\)"):
            image.read(0, (2,))


@pytest.mark.parametrize("nonsense", ["", "nan", "1e999", "a dog", "1 2", "-5", "9" * 400])
def test_attributes_of_imaris_that_make_no_sense_are_left_out(
    nonsense: str, tmp_path: Path
) -> None:
    array = noise(2, 2, 4, 20, 25)
    write_imaris(tmp_path / "a.ims", array, padded=0)
    with h5py.File(tmp_path / "a.ims", "a") as file:

        def spoil(_: str, node: h5py.Group) -> None:
            for name in list(node.attrs):
                node.attrs[name] = letters(nonsense) if nonsense else h5py.Empty("S1")

        file.visititems(spoil)
    with open_image(tmp_path / "a.ims") as image:
        assert image.levels[0].scale[2:] == (1, 1, 1)
        np.testing.assert_array_equal(image.read(), array)


# ---------------------------------------------------------------------------------- BigDataViewer


def test_bigdataviewer(tmp_path: Path) -> None:
    array = noise(3, 8, 20, 30) + 40_000  # beyond what signed numbers hold
    write_bigdataviewer(tmp_path / "worm.h5", array)
    images = open_images(tmp_path / "worm.h5")
    assert [image.name for image in images] == ["worm · s00", "worm · s01"]
    for number, image in enumerate(images):
        with image:
            assert image.axis_names == ("t", "z", "y", "x")
            assert image.levels[1].scale == (1, 1, 2, 2)
            assert image.levels[1].translation == (0, 0, 0.5, 0.5)
            assert image.levels[0].chunks == (1, 4, 8, 8)
            check(image, (array + number).astype("u2"))
            np.testing.assert_array_equal(image.read(1), array[..., ::2, ::2] + number)
    with open_image(tmp_path / "worm.h5/s01") as image:
        np.testing.assert_array_equal(image.read(), array + 1)
    with open_image(tmp_path / "worm.h5/t00002/s00/1/cells") as image:
        np.testing.assert_array_equal(image.read(), array[2, :, ::2, ::2])


def test_bigdataviewer_with_its_xml(tmp_path: Path) -> None:
    array = noise(3, 8, 20, 30)
    write_bigdataviewer(tmp_path / "worm.h5", array)
    bigdataviewer_xml(tmp_path / "worm.xml")
    with open_image(tmp_path / "worm.h5") as image:
        assert image.axis_names == ("t", "c", "z", "y", "x")
        assert [channel.name for channel in image.channels] == ["DAPI", "GFP"]
        assert image.levels[1].scale == (1, 1, 2, 0.8, 0.8)
        assert image.axes[2].unit == "micrometer"
        check(image, np.stack([array, array + 1], axis=1).astype("u2"))
        np.testing.assert_array_equal(image.read(1, (2, 1)), array[2, :, ::2, ::2] + 1)
    bigdataviewer_xml(tmp_path / "worm.xml", angles=(0, 1))
    assert [image.name for image in open_images(tmp_path / "worm.h5")] == [
        "worm · setup 0", "worm · setup 1",
    ]  # fmt: skip
    (tmp_path / "worm.xml").write_text("<SpimData>")
    assert len(open_images(tmp_path / "worm.h5")) == 2


# --------------------------------------------------------------------- what is refused, and trouble


def test_links_do_not_lead_out_of_the_file(tmp_path: Path) -> None:
    array = noise(20, 30)
    write(tmp_path / "secret.h5", pixels=array)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["inside/pixels"] = array
        file["soft"] = h5py.SoftLink("/inside/pixels")
        file["inside/up"] = h5py.SoftLink("pixels")
        file["away"] = h5py.ExternalLink("secret.h5", "/")
        file["through"] = h5py.SoftLink("/away/pixels")
        file["loop"] = h5py.SoftLink("/loop")
        file["nowhere"] = h5py.SoftLink("/none")
        file["inside/again"] = file["inside"]
    path = tmp_path / "a.h5"
    for inner in ("soft", "inside/up", "inside/again/again/pixels"):
        with open_image(path / inner) as image:
            np.testing.assert_array_equal(image.read(), array)
    for inner in ("away", "away/pixels", "through"):
        with pytest.raises(Unsupported, match="is a link to another file, which is not followed"):
            open_image(path / inner)
    with pytest.raises(OpenError, match="leads nowhere"):
        open_image(path / "loop")
    with pytest.raises(NotFound):
        open_image(path / "nowhere")
    with open_image(path) as image:  # the one image, whatever leads there
        np.testing.assert_array_equal(image.read(), array)


def test_values_outside_the_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.raw").write_bytes(noise(20, 30).tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "external", (20, 30), "u2", external=[(str(tmp_path / "outside.raw"), 0, 1200)]
        )
        layout = h5py.VirtualLayout((20, 30), "u2")
        layout[...] = h5py.VirtualSource("other.h5", "x", (20, 30))
        file.create_virtual_dataset("virtual", layout)
    with pytest.raises(Unsupported, match=r"The values of external lie outside a\.h5"):
        open_image(tmp_path / "a.h5/external")
    with pytest.raises(Unsupported, match="is put together from other datasets"):
        open_image(tmp_path / "a.h5/virtual")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((5, 5), [("a", "u2"), ("b", "f4")]), "records"),
        (np.zeros((5, 5), "c8"), "complex numbers"),
        (np.array([["a", "b"]] * 2, "S3"), "text"),
        (np.zeros((5, 0)), r"its shape is \(5, 0\)"),
        (h5py.Empty("f4"), "it is empty"),
    ],
)
def test_values_that_are_no_pixels(values: Any, said: str, tmp_path: Path) -> None:
    write(tmp_path / "a.h5", it=values)
    with pytest.raises(Unsupported, match=f"it in a.h5 is no image: .*{said}"):
        open_image(tmp_path / "a.h5/it")
    with pytest.raises(Unsupported, match=r"a\.h5 holds no image"):
        open_image(tmp_path / "a.h5")


def test_another_process_opens_the_file_again(tmp_path: Path) -> None:
    """Where chunks are read by the processes of a cluster."""
    array = noise(2, 8, 20, 30)
    write_bigdataviewer(tmp_path / "worm.h5", array)
    write(tmp_path / "a.h5", p=array[0], q=array[0])
    second = open_images(tmp_path / "worm.h5")[1]
    with second, open_image(tmp_path / "a.h5/q") as inner:
        for image, expected in ((second, array + 1), (inner, array[0])):
            source = pickle.loads(pickle.dumps(image.source))
            assert source is not image.source
            direct = source.direct(0)
            level = image.levels[0]
            last = tuple(n - 1 for n in level.grid)
            chunk, _ = direct(last)
            start = [i * c for i, c in zip(last, level.chunks, strict=True)]
            np.testing.assert_array_equal(chunk, expected[tuple(slice(a, None) for a in start)])


def test_names_that_are_no_text(tmp_path: Path) -> None:
    array = noise(20, 30)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(b"\xff\xe9 bild", data=array)
        file.create_dataset("other", data=array)
    with pytest.raises(Unsupported) as caught:
        open_image(tmp_path / "a.h5")
    str(caught.value).encode()
    with contextlib.suppress(OpsinError), open_image(tmp_path / "a.h5/\udcff\udce9 bild") as image:
        np.testing.assert_array_equal(image.read(), array)
        image.name.encode()
