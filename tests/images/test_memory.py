"""Images over numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from opsin.errors import UsageError
from opsin.images.memory import image_from_array

ARRAY = np.arange(2 * 700 * 600, dtype=">u2").reshape(2, 700, 600)


def test_reads_what_is_there() -> None:
    image = image_from_array(
        ARRAY[:, ::-1], axes="cyx", scale=(1, 2, 3), units=(None, "micrometer", None), name="n"
    )
    assert image.axis_names == ("c", "y", "x")
    assert image.axes[1].unit == "micrometer"
    assert image.levels[0].chunks == (1, 512, 512)
    assert image.channel_axis == 0
    assert image.dtype == np.dtype("u2")
    assert image.source.provenance == "memory"
    np.testing.assert_array_equal(image.read(), ARRAY[:, ::-1])
    np.testing.assert_array_equal(image.read(0, (1, 5)), ARRAY[1, -6])
    chunk = image.source.decode(0, (1, 1, 0), np.asarray(ARRAY[1:, 512:, :512]))
    assert chunk.dtype.isnative
    assert chunk.flags.c_contiguous
    image.close()
    image.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"axes": "yx"},
        {"axes": "yxx"},
        {"axes": "cyx", "scale": (1, 1)},
        {"axes": "cyx", "chunks": (5,)},
        {"axes": "cyx", "units": ("m",)},
        {"axes": "cyx", "translation": ()},
    ],
)
def test_arguments_that_do_not_fit(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        image_from_array(ARRAY, **wrong)


@pytest.mark.parametrize("dtype", ["c8", "U3", "O", "M8[s]"])
def test_arrays_that_are_no_images(dtype: str) -> None:
    with pytest.raises(UsageError, match="no image"):
        image_from_array(np.zeros((3, 3), dtype))
    with pytest.raises(UsageError, match="no image"):
        image_from_array(np.zeros((0, 3)))
