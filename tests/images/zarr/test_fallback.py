"""Zarr fallback: codecs that Opsin does not know are decoded by zarr-python, or refused."""

from __future__ import annotations

import json
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numcodecs import BitRound, Delta, FixedScaleOffset, PackBits, Quantize, Shuffle

from opsin.errors import Corrupt, OpenError, Unsupported
from opsin.images.readers import open_image

INTEGERS = np.random.default_rng(3).integers(0, 4000, (2, 40, 50)).astype(np.uint16)
FLOATS = (INTEGERS / 7).astype(np.float32)

FILTERS = {
    "delta": ([Delta(dtype="<u2")], INTEGERS),
    "big-endian delta": ([Delta(dtype=">u2")], INTEGERS.astype(">u2")),
    "shuffle": ([Shuffle(elementsize=2)], INTEGERS),
    "two": ([Delta(dtype="<u2"), Shuffle(elementsize=2)], INTEGERS),
    "packbits": ([PackBits()], INTEGERS > 2000),
    "fixedscaleoffset": (
        [FixedScaleOffset(offset=0, scale=70, dtype="<f4", astype="<u2")],
        FLOATS,
    ),
    "quantize": ([Quantize(digits=2, dtype="<f4")], FLOATS),
    "bitround": ([BitRound(keepbits=9)], FLOATS),
}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", FILTERS)
def test_filters_of_zarr_2(tmp_path: Path, name: str, order: Any) -> None:
    filters, data = FILTERS[name]
    array = zarr.create_array(
        tmp_path / "a.zarr",
        data=data,
        chunks=(1, 16, 16),
        zarr_format=2,
        filters=filters,
        order=order,
    )
    with open_image(tmp_path / "a.zarr") as image:
        assert image.dtype == data.dtype.newbyteorder("=")
        np.testing.assert_array_equal(image.read(), array[...])
        if (name, order) != ("bitround", "F"):  # zarr-python shuffles the pixels of these
            np.testing.assert_allclose(image.read(), data, rtol=0.01, atol=0.02)


@pytest.mark.parametrize("shards", [None, (2, 32, 32)])
@pytest.mark.parametrize(
    "codecs",
    [
        {"filters": [{"name": "numcodecs.delta", "configuration": {"dtype": "<u2"}}]},
        {"compressors": [{"name": "numcodecs.shuffle", "configuration": {"elementsize": 2}}]},
        {
            "compressors": [
                {"name": "numcodecs.shuffle", "configuration": {"elementsize": 2}},
                {"name": "gzip", "configuration": {"level": 1}},
            ]
        },
    ],
    ids=str,
)
def test_codecs_of_zarr_3(tmp_path: Path, codecs: dict[str, Any], shards: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr-python: these are no standard yet
        zarr.create_array(
            tmp_path / "a.zarr", data=INTEGERS, chunks=(1, 16, 16), shards=shards, **codecs
        )
    with open_image(tmp_path / "a.zarr") as image:
        assert image.levels[0].chunks == (1, 16, 16)
        np.testing.assert_array_equal(image.read(), INTEGERS)
        np.testing.assert_array_equal(image.read(0, (0, slice(3, 9))), INTEGERS[0, 3:9])


def make(folder: Path) -> Path:
    zarr.create_array(
        folder,
        data=INTEGERS[0],
        chunks=(16, 16),
        zarr_format=2,
        filters=[Delta(dtype="<u2")],
        compressors=None,
    )
    return folder


def test_a_chunk_that_is_none_is_corrupt_and_the_next_is_read(tmp_path: Path) -> None:
    folder = make(tmp_path / "a.zarr")
    (folder / "0.1").write_bytes(b"abc")
    (folder / "0.2").unlink()
    with open_image(folder) as image:
        for _ in range(2):
            with pytest.raises(Corrupt, match=r"Chunk \(0, 1\) in .*0\.1 is corrupt: "):
                image.read(0, (slice(16), slice(16, 32)))
        np.testing.assert_array_equal(image.read(0, (slice(16), slice(16))), INTEGERS[0, :16, :16])
        assert not image.read(0, (slice(16), slice(32, 48))).any()


def test_another_process_decodes_the_same(tmp_path: Path) -> None:
    with open_image(make(tmp_path / "a.zarr")) as image:
        copy = pickle.loads(pickle.dumps(image.source))
        encoded = (tmp_path / "a.zarr/0.0").read_bytes()
        np.testing.assert_array_equal(copy.decode(0, (0, 0), encoded), INTEGERS[0, :16, :16])
        copy.close()


def test_without_zarr_python_it_is_refused_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "a.zarr")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(Unsupported) as caught:
        open_image(folder)
    assert str(caught.value).endswith(
        "its chunks pass through the filter delta, which Opsin cannot undo; zarr-python may, if it "
        "is there (pip install zarr)."
    )


def test_what_nobody_knows_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "a.zarr")
    said = json.loads((folder / ".zarray").read_text())
    (folder / ".zarray").write_text(json.dumps({**said, "filters": [{"id": "magic"}]}))
    with pytest.raises(Unsupported, match=r"the filter magic, .* nor can zarr-python \(.*magic"):
        open_image(folder)
    (folder / ".zarray").write_text(json.dumps({**said, "filters": 7}))
    with pytest.raises(OpenError):
        open_image(folder)


def test_no_chunk_is_ever_unpickled(tmp_path: Path) -> None:
    """The filter pickle of numcodecs runs what a chunk says."""

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    folder = make(tmp_path / "a.zarr")
    said = json.loads((folder / ".zarray").read_text())
    for changes in (
        {"filters": [{"id": "pickle"}]},
        {"filters": None, "compressor": {"id": "PICKLE"}},
        {"dtype": "|O", "filters": [{"id": "pickle"}]},
    ):
        (folder / ".zarray").write_text(json.dumps({**said, **changes}))
        (folder / "0.0").write_bytes(pickle.dumps(Trap()))
        with pytest.raises(Unsupported) as caught:
            open_image(folder)
        assert "zarr-python" not in str(caught.value)  # is not even asked
    assert not (tmp_path / "sprung").exists()


def test_what_opsin_knows_stays_bounded(tmp_path: Path) -> None:
    """Behind an unknown filter a compressed chunk unpacks to no more than a chunk can have."""
    import gzip

    folder = make(tmp_path / "a.zarr")
    said = json.loads((folder / ".zarray").read_text())
    (folder / ".zarray").write_text(json.dumps({**said, "compressor": {"id": "gzip", "level": 1}}))
    (folder / "0.0").write_bytes(gzip.compress(bytes(40 << 20)))
    with open_image(folder) as image, pytest.raises(Corrupt, match="decodes to more than"):
        image.read(0, (slice(16), slice(16)))
