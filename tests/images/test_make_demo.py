"""The demo image: no two chunks are equal, pixels spread over 16 bits, labels fit the nuclei."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from opsin.images.image import Image
from opsin.images.readers import open_images

SIZE = 2048


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Image, Image]]:
    spec = importlib.util.spec_from_file_location("make_demo", "examples/make_demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_demo"] = module
    spec.loader.exec_module(module)
    out = tmp_path_factory.mktemp("demo") / "demo.ome.zarr"
    assert module.main([str(out), "--size", str(SIZE)]) == 0
    assert module.main([str(out), "--size", str(SIZE)]) == 1  # it is there already
    image, labels = open_images(out)
    yield image, labels
    image.close()
    labels.close()


def test_no_two_chunks_are_equal(demo: tuple[Image, Image]) -> None:
    seen: set[bytes] = set()
    count = 0
    for image in demo:
        for number, level in enumerate(image.levels):
            pixels = image.read(number)
            for index in level.chunks_in((0, 0), level.shape):
                y, x = (512 * i for i in index)
                seen.add(hashlib.sha1(pixels[y : y + 512, x : x + 512].tobytes()).digest())
                count += 1
    assert len(seen) == count > 40


def test_values_and_labels(demo: tuple[Image, Image]) -> None:
    image, labels = demo
    assert image.shape == labels.shape == (SIZE, SIZE)
    assert image.dtype == np.uint16
    assert labels.dtype == np.uint32
    assert labels.kind == "labels"
    assert image.warnings == labels.warnings == ()
    assert image.levels[0].scale == (0.325, 0.325)
    assert image.axes[0].unit == "micrometer"
    assert image.channels[0].name == "DNA"
    pixels, ids = image.read(), labels.read()
    assert len(np.unique(pixels)) > 3000
    assert pixels.max() > 40000
    assert 0.1 < np.count_nonzero(ids) / ids.size < 0.4
    inside, outside = np.median(pixels[ids > 0]), np.median(pixels[ids == 0])
    assert inside > 8 * outside
    # No large blank area: every part of 512² has nuclei.
    parts = ids.reshape(SIZE // 512, 512, SIZE // 512, 512)
    assert np.count_nonzero(parts, axis=(1, 3)).min() > 0.03 * 512**2


def test_every_nucleus_is_one_piece_with_an_id_of_its_own(demo: tuple[Image, Image]) -> None:
    ids = demo[1].read()
    numbers, areas = np.unique(ids[ids > 0], return_counts=True)
    assert len(numbers) > 600
    y, x = np.nonzero(ids)
    of = np.searchsorted(numbers, ids[y, x])
    for place in (y, x):
        low = np.full(len(numbers), SIZE)
        high = np.zeros(len(numbers), int)
        np.minimum.at(low, of, place)
        np.maximum.at(high, of, place)
        assert (high - low).max() < 160
    assert np.median(areas) > 60
