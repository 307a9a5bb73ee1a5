"""Formats that others read, through bioio's reader packages. napari's plugins: see `workers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import imageio.v3 as imageio
import numpy as np
import pytest

from opsin.errors import NotFound, OpenError, Unsupported
from opsin.images.readers import bioio, open_image, open_images, readers
from opsin.images.readers.address import Address
from opsin.workers import napari_reader
from opsin.workers.offered_readers import offer_readers

RANDOM = np.random.default_rng(3)
BINARY = b"\0\1\2\3" * 300

offer_readers()


def test_last_resorts_are_asked_last() -> None:
    names = [reader.__name__.rpartition(".")[2] for reader in readers()]  # type: ignore[attr-defined]
    assert names[-2:] == ["bioio", "napari_reader"]
    assert names[:-2] == sorted(names[:-2])


def test_a_movie_in_a_gif(tmp_path: Path) -> None:
    array = RANDOM.integers(0, 255, (5, 40, 50, 3)).astype("u1")
    imageio.imwrite(tmp_path / "a.gif", array)
    expected = imageio.imread(tmp_path / "a.gif")
    with open_image(tmp_path / "a.gif") as image:
        assert image.name == "a"
        assert image.axis_names == ("t", "y", "x", "c")
        assert image.rgb
        assert image.source.provenance == "computed"
        np.testing.assert_array_equal(image.read(), expected)
        np.testing.assert_array_equal(image.read(0, (3,)), expected[3])


class Scenes:
    """As a file of two scenes and two levels looks to who uses BioImage."""

    scenes = ("one", "two")
    resolution_levels = (0, 1)
    physical_pixel_sizes: Any = type("Sizes", (), {"X": 0.5, "Y": 0.25, "Z": None})
    time_interval = 2.5
    dimension_properties: Any = type("Properties", (), {"Y": type("P", (), {"unit": "nanometer"})})
    channel_names = ("DAPI", "GFP")

    def __init__(self) -> None:
        self.scene, self.level = "", 0

    def set_scene(self, scene: str) -> None:
        self.scene = scene

    def set_resolution_level(self, level: int) -> None:
        self.level = level

    @property
    def xarray_dask_data(self) -> Any:
        import xarray

        size = 40 >> self.level
        value = self.scenes.index(self.scene) * 10 + self.level
        data = da.full((3, 2, 1, size, size), value, dtype="u2", chunks=(1, 1, 1, 20, 20))
        return xarray.DataArray(data, dims=tuple("TCZYX"))


def test_scenes_levels_channels_and_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bioio as package

    imageio.imwrite(tmp_path / "a.gif", np.zeros((40, 50), "u1"))
    monkeypatch.setattr(package, "BioImage", _Fake(package.BioImage))
    images = open_images(tmp_path / "a.gif")
    assert [image.name for image in images] == ["a · one", "a · two"]
    for number, image in enumerate(images):
        assert image.axis_names == ("t", "c", "y", "x")
        assert [level.shape for level in image.levels] == [(3, 2, 40, 40), (3, 2, 20, 20)]
        assert image.levels[0].scale == (2.5, 1, 0.25, 0.5)
        assert image.levels[1].scale == (2.5, 1, 0.5, 1)
        assert [axis.unit for axis in image.axes] == ["second", None, "nanometer", "micrometer"]
        assert [channel.name for channel in image.channels] == ["DAPI", "GFP"]
        assert (image.read(1) == number * 10 + 1).all()
        image.close()


class _Fake:
    """BioImage's choice of a plugin, and then the file above."""

    def __init__(self, real: Any) -> None:
        self.determine_plugin = real.determine_plugin

    def __call__(self, path: Path, reader: Any) -> Scenes:
        assert path.exists()
        assert "imageio" in reader.__module__
        return Scenes()


def test_a_file_that_bioios_reader_cannot_read(tmp_path: Path) -> None:
    whole = imageio.imwrite("<bytes>", np.zeros((40, 50, 3), "u1"), extension=".gif")
    (tmp_path / "a.gif").write_bytes(whole[:30])
    with pytest.raises(OpenError, match=r"a\.gif"):
        open_image(tmp_path / "a.gif")


@pytest.mark.parametrize(
    ("name", "package"), [("a.czi", "bioio-czi"), ("a.xyz", "bioio-bioformats")]
)
def test_what_to_install(name: str, package: str, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / name).write_bytes(BINARY)
    with pytest.raises(Unsupported, match=f"begins with bytes .* try 'pip install {package}'"):
        open_image(tmp_path / name)
    monkeypatch.setattr(bioio, "find_spec", lambda _name: None)
    with pytest.raises(Unsupported, match=rf"'pip install opsin\[bioio\]' .* such as {package}\."):
        open_image(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.czi", b"some text"), ("a.tif", BINARY), ("a.czi", b""), ("noname", BINARY)],
)
def test_what_is_obviously_something_else_is_not_asked_about(
    name: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Address) -> bool:
        raise AssertionError

    monkeypatch.setattr(bioio, "recognises", fail)
    monkeypatch.setattr(napari_reader, "recognises", fail)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Unsupported):
        open_image(tmp_path / name)
    with pytest.raises(NotFound):
        open_image(tmp_path / "nothing.czi")
