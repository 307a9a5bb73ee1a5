"""What xarray says of its axes becomes the axes of an image."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import UsageError
from opsin.images.coordinates import spacing_of
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image

ARRAY = np.arange(3 * 2 * 40 * 50, dtype="f4").reshape(3, 2, 40, 50)


def example(values: object = ARRAY) -> xr.DataArray:
    return xr.DataArray(
        values,
        dims=("t", "c", "y", "x"),
        name="movie",
        coords={
            "t": np.array(["2020-01-01T00:00", "2020-01-01T00:10", "2020-01-01T00:20"], "M8[ns]"),
            "c": ["DAPI", "GFP"],
            "y": ("y", 100 + 0.5 * np.arange(40, dtype="f4"), {"units": "um"}),
            "x": ("x", np.linspace(-5, 5, 50), {"units": "micrometer"}),
        },
    )


@pytest.mark.parametrize("lazy", [False, True])
def test_dimensions_and_coordinates(lazy: bool) -> None:
    array = example(da.from_array(ARRAY, chunks=(1, 1, 20, 50)) if lazy else ARRAY)
    image = image_from_array(array)
    assert image.name == "movie"
    assert image.axis_names == ("t", "c", "y", "x")
    assert [axis.type for axis in image.axes] == ["time", "channel", "space", "space"]
    assert [axis.unit for axis in image.axes] == ["second", None, "micrometer", "micrometer"]
    assert image.levels[0].scale == pytest.approx((600, 1, 0.5, 10 / 49))
    assert image.levels[0].translation == pytest.approx((0, 0, 100, -5))
    assert [channel.name for channel in image.channels] == ["DAPI", "GFP"]
    assert image.warnings == ()
    assert image.source.provenance == ("computed" if lazy else "memory")
    np.testing.assert_array_equal(image.read(), ARRAY)
    other = image_from_array(array, name="n", scale=(1, 1, 2, 2), axes="zcyx", units=[None] * 4)
    assert (other.name, other.axis_names) == ("n", ("z", "c", "y", "x"))
    assert other.levels[0].scale == (1, 1, 2, 2)
    assert other.axes[2].unit is None


def test_levels_with_coordinates_of_their_own() -> None:
    fine = example()
    coarse = fine.coarsen(y=2, x=2).mean()
    image = image_from_array([fine, coarse])
    assert image.levels[1].scale == pytest.approx((600, 1, 1, 20 / 49))
    assert image.levels[1].translation == pytest.approx((0, 0, 100.25, -5 + 5 / 49))


def test_coordinates_that_an_image_cannot_have() -> None:
    uneven = xr.DataArray(
        np.zeros((4, 5)), dims=("y", "x"), coords={"y": [0.0, 1, 2, 9], "x": np.arange(5)[::-1] * 2}
    )
    image = image_from_array(uneven)
    assert image.levels[0].scale == (1, 2)
    assert image.levels[0].translation == (0, 0)
    assert image.warnings == (
        "The coordinates of y are not evenly spaced, so its pixels are counted.",
        "The coordinates of x run backwards, so only their spacing is kept.",
    )


def test_a_file_is_not_loaded_whole(tmp_path: Path) -> None:
    """Through xarray's own lazy arrays, without Dask."""
    with h5py.File(tmp_path / "a.nc", "w") as file:
        pixels = file.create_dataset("p", data=ARRAY, chunks=(1, 1, 20, 50))
        for axis, name in enumerate("tcyx"):
            file[name] = np.arange(ARRAY.shape[axis], dtype="f8")
            file[name].make_scale(name)
            pixels.dims[axis].attach_scale(file[name])
    with open_image(tmp_path / "a.nc") as image:
        assert image.axis_names == ("t", "c", "y", "x")

    class Backend(xr.backends.BackendArray):
        shape, dtype = ARRAY.shape, ARRAY.dtype
        asked: list[tuple[object, ...]] = []  # noqa: RUF012

        def __getitem__(self, key: xr.core.indexing.ExplicitIndexer) -> object:
            def get(box: tuple[object, ...]) -> object:
                self.asked.append(box)
                return ARRAY[box]  # type: ignore[index]

            return xr.core.indexing.explicit_indexing_adapter(
                key, self.shape, xr.core.indexing.IndexingSupport.BASIC, get
            )

    backend = Backend()
    lazy = xr.core.indexing.LazilyIndexedArray(backend)
    variable = xr.Variable(("t", "c", "y", "x"), lazy, encoding={"preferred_chunks": {"y": 7}})
    array = xr.DataArray(variable)
    image = image_from_array(array)
    assert image.levels[0].chunks == (1, 1, 40, 50)
    np.testing.assert_array_equal(image.read(0, (2, 1)), ARRAY[2, 1])
    assert len(backend.asked) == 1


def test_a_dataset_is_refused() -> None:
    with pytest.raises(UsageError, match="choose one of them, by its name"):
        image_from_array(example().to_dataset())


@settings(max_examples=50, deadline=None)
@given(
    start=st.floats(-1e6, 1e6),
    step=st.floats(1e-3, 1e3),
    count=st.integers(2, 50),
    kind=st.sampled_from(["f4", "f8"]),
)
def test_even_coordinates_are_found_again(start: float, step: float, count: int, kind: str) -> None:
    found = spacing_of((start + step * np.arange(count)).astype(kind))
    if kind == "f4" and abs(start) > 1e3 * step:
        return  # rounded away
    assert found is not None
    assert found.step == pytest.approx(step, rel=0.02)
    assert found.start == pytest.approx(start, rel=1e-5, abs=1e-3)


@pytest.mark.parametrize(
    "values", [[1, 1], [0, 1, 3], [5], [0, np.nan, 2], [[1, 2]], ["a", "b"], [0, np.inf]]
)
def test_what_is_not_evenly_spaced(values: list[object]) -> None:
    assert spacing_of(np.array(values)) is None


def test_times_and_durations() -> None:
    hours = np.arange(4) * np.timedelta64(1, "h")
    found = spacing_of(hours + np.timedelta64(30, "m"))
    assert found is not None
    assert (found.step, found.start, found.unit) == (3600, 1800, "second")
    dates = spacing_of(np.datetime64("2020-01-01") + np.arange(3) * np.timedelta64(1, "D"))
    assert dates is not None
    assert (dates.step, dates.start, dates.unit) == (86400, 0, "second")
